"""Any octets of strangers give a result: signatures, keys, policies, SPF records, reports."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from mailraven.senderauth import arc, dkim, dmarc, spf
from mailraven.senderauth.authentication_results import authserv_id_of, remove_own, verdict_of
from mailraven.senderauth.author import author_domain
from mailraven.senderauth.body_hash import Wanted, body_hashes
from mailraven.senderauth.feedback import parse_feedback
from mailraven.senderauth.header_fields import Header
from mailraven.senderauth.keys import KeyProblem, key_of
from mailraven.senderauth.report_mail import reports_in
from mailraven.senderauth.results import ArcResult, SpfResult
from mailraven.senderauth.signature import Signature
from mailraven.senderauth.tls_report import parse_tls_report

TAGS = st.lists(
    st.one_of(
        st.sampled_from(
            b"v=1 v=DKIM1 v=DMARC1 a=rsa-sha256 c=relaxed/relaxed d=x.example s=s h=from:to bh=AAAA"
            b" b=AAAA l=0 t=1 x=2 i=1 p= cv=none k=ed25519 p=none rua=mailto:a@b pct=7".split()
        ),
        st.binary(max_size=20),
    ),
    max_size=12,
).map(b";".join)
NAMES = st.sampled_from(
    b"DKIM-Signature ARC-Seal ARC-Message-Signature ARC-Authentication-Results"
    b" From Authentication-Results Subject".split()
)
HEADERS = st.lists(st.tuples(NAMES, st.one_of(TAGS, st.binary(max_size=60))), max_size=8).map(
    lambda fields: b"".join(name + b": " + value + b"\r\n" for name, value in fields)
)
TERMS = st.lists(
    st.one_of(
        st.sampled_from(["a", "mx", "ptr", "include:x.example", "redirect=x.example", "-all"]),
        st.sampled_from(
            ["exists:%{i}.x.example", "a:%{p}", "ip4:1.2.3.4/33", "ip6:::1", "%{", "="]
        ),
        st.text(alphabet="a%{}=:/.-+?~ip46mx1rd", max_size=15),
    ),
    max_size=15,
).map(" ".join)


@given(HEADERS, st.binary(max_size=100), st.binary(max_size=50))
def test_any_header_has_results(block: bytes, body: bytes, record: bytes) -> None:
    header = Header(block)
    with suppress(ValueError):
        author_domain(header)
    for found in dkim.signatures_of(header):
        if isinstance(found, Signature):
            hashes = body_hashes([body], {found.body})
            assert dkim.judge(header, found, (record,), hashes, 0).word != "pass"
    chain = arc.chain_of(header)
    if not isinstance(chain, ArcResult):
        hashes = body_hashes([body], {chain.message.body})
        keys = dict.fromkeys(chain.key_names, (record,))
        assert arc.judge(header, chain, keys, hashes, 0).word == "fail"
    assert len(remove_own(block, "mx.example.org")) <= len(block)


@given(st.one_of(TAGS, st.binary(max_size=200)))
def test_any_record_is_a_key_a_policy_or_neither(record: bytes) -> None:
    for algorithm in (b"rsa-sha256", b"ed25519-sha256"):
        with suppress(KeyProblem):
            key_of([record], algorithm)
    dmarc.parse_record("example.org", record)
    authserv_id_of(record)
    verdict_of(record, b"dmarc")


@given(TERMS, st.text(max_size=20), st.sampled_from(["192.0.2.1", "2001:db8::1", "::ffff:1.2.3.4"]))
def test_any_spf_record_has_a_result(terms: str, local_part: str, client: str) -> None:
    record = b"v=spf1 " + terms.encode()

    def look_up(name: str, kind: str) -> spf.Records:
        records: dict[str, spf.Records] = {
            "TXT": (record,),
            "MX": ((0, "mx.example"), (1, "")),
            "PTR": ("a.example",),
            "A": ("192.0.2.7",),
            "AAAA": ("2001:db8::7",),
        }
        return records[kind]

    session = spf.Session(client, "helo.example", f"{local_part}@x.example")
    assert isinstance(spf.evaluate(session, "mailfrom", look_up), SpfResult)


@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"\r\n", b" ", b"\t\r\n"]), max_size=20))
def test_where_a_body_is_cut_does_not_matter(pieces: list[bytes]) -> None:
    wanted = {Wanted(relaxed, limit) for relaxed in (True, False) for limit in (None, 5)}
    cut, whole = body_hashes(pieces, wanted), body_hashes([b"".join(pieces)], wanted)
    assert all(cut.digest(one) == whole.digest(one) for one in wanted)


@given(
    st.one_of(st.binary(max_size=300), st.text(alphabet="<>/abc&;=\"'! ?[]{}:,1").map(str.encode))
)
def test_any_octets_are_a_report_or_none(content: bytes) -> None:
    for parse in (parse_feedback, parse_tls_report):
        with suppress(ValueError):
            parse(content)
    reports_in(content)
