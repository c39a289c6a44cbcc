"""All checks of a sender together, against a real name server on loopback."""

import asyncio
import logging
from collections.abc import Iterable

import dns.rcode
import pytest

from mailraven.daemons.sender_checks import Message, SenderChecks, Session
from mailraven.dns.resolver import Resolver
from mailraven.mail.headers import split_message
from mailraven.senderauth.results import SenderResults
from servers.dns_server import DnsServer, Manners, Records
from unit.senderauth.signed import MESSAGE, record, rsa_key, seal
from unit.senderauth.signed import sign as sign_at
from unit.store.boxes import happens

Zone = dict[tuple[str, str], Records]


def quoted(text: bytes) -> str:
    """A TXT record in strings of 255 octets. RFC 1035 §3.3.14"""
    return " ".join(f'"{text[at : at + 250].decode()}"' for at in range(0, len(text), 250))


ZONE: Zone = {
    ("example.org", "TXT"): ['"v=spf1 mx include:_spf.example.org -all"'],
    ("example.org", "MX"): ["10 mx.example.org."],
    ("_spf.example.org", "TXT"): ['"v=spf1 ip4:192.0.2.7 ?all"'],
    ("mx.example.org", "A"): ["192.0.2.1"],
    ("mx.example.org", "TXT"): ['"v=spf1 a -all"'],
    ("s1._domainkey.example.org", "TXT"): [quoted(record(rsa_key()))],
    ("arc._domainkey.list.example", "TXT"): [quoted(record(rsa_key()))],
    ("_dmarc.example.org", "TXT"): ['"v=DMARC1; p=reject"'],
    ("1.2.0.192.in-addr.arpa", "PTR"): ["liar.example.", "mx.example.org."],
    ("9.2.0.192.in-addr.arpa", "PTR"): ["liar.example."],
    ("liar.example", "A"): ["198.51.100.1"],
}


def sign(message: bytes = MESSAGE) -> bytes:
    return sign_at(message, now=1_700_000_000)


def as_message(data: bytes) -> Message:
    header, start = split_message(data)

    def body() -> Iterable[bytes]:
        return [data[start:]]

    return Message(header, body, len(data))


def check(
    data: bytes,
    zone: Zone | None = None,
    client: str = "192.0.2.1",
    reverse_path: str = "alice@example.org",
    manners: Manners | None = None,
    timeout: float = 5.0,
) -> SenderResults:
    async def run() -> SenderResults:
        async with DnsServer(ZONE | (zone or {}), manners) as server:
            resolver = Resolver((server.endpoint,), 5.0)
            checks = SenderChecks(resolver, frozenset({"list.example"}), timeout)
            begun = checks.begin(Session(client, "mx.example.org", reverse_path))
            return await checks.check(begun, as_message(data))

    return asyncio.run(run())


def test_an_honest_message_passes_everything() -> None:
    results = check(sign())
    assert (results.spf.word, results.spf.mechanism, results.helo.word) == ("pass", "mx", "pass")
    assert (results.dkim_word, results.dkim_domains) == ("pass", ("example.org",))
    assert (results.dmarc.word, results.dmarc.disposition) == ("pass", "none")
    assert (results.arc.word, results.author) == ("none", "example.org")
    assert (results.reverse.word, results.reverse.name) == ("pass", "mx.example.org")


def test_a_forged_message_meets_the_policy() -> None:
    results = check(MESSAGE, client="192.0.2.9")
    assert (results.spf.word, results.dkim_word) == ("fail", "none")
    assert (results.dmarc.word, results.dmarc.disposition) == ("fail", "reject")
    assert (results.reverse.word, results.reverse.name) == ("fail", "liar.example")


def test_a_forwarded_message_is_saved_by_its_trusted_sealer() -> None:
    changed = sign().replace(b"Subject: Lunch", b"Subject: [list] Lunch")
    sealed = seal(changed, b"list.example", b"dmarc=pass header.from=example.org")
    results = check(sealed, client="192.0.2.9", reverse_path="list@list.example")
    assert (results.dkim_word, results.arc.word, results.arc.trusted) == ("fail", "pass", True)
    assert (results.dmarc.disposition, results.dmarc.override) == ("none", "trusted_forwarder")


def test_after_a_null_reverse_path_helo_counts() -> None:
    # RFC 7208 §2.4
    results = check(MESSAGE, reverse_path="")
    assert (results.spf.identity, results.spf.word, results.dmarc.word) == ("helo", "pass", "pass")


def test_no_reverse_name_is_a_failure_and_a_broken_zone_is_not() -> None:
    assert check(MESSAGE, client="192.0.2.77").reverse.word == "fail"
    broken: Zone = {("77.2.0.192.in-addr.arpa", "PTR"): dns.rcode.SERVFAIL}
    assert check(MESSAGE, broken, client="192.0.2.77", timeout=0.5).reverse.word == "temperror"


SILENT: Zone = dict.fromkeys(ZONE, None)


def test_a_silent_dns_refuses_nobody_and_ends_in_time() -> None:
    results = check(sign(), SILENT, timeout=0.3)
    assert results.spf.word == "temperror"
    assert results.dkim_word == "temperror"
    assert results.reverse.word == "temperror"
    assert (results.dmarc.word, results.dmarc.disposition) == ("temperror", "none")


@pytest.mark.parametrize("name", ["example.org", "s1._domainkey.example.org", "_dmarc.example.org"])
def test_one_failing_look_up_refuses_nobody(name: str) -> None:
    forged = sign().replace(b"noon", b"nine") if name == "example.org" else sign()
    zone: Zone = {(name, "TXT"): dns.rcode.SERVFAIL}
    results = check(forged, zone, client="192.0.2.9", timeout=1.0)
    assert results.dmarc.disposition == "none"
    assert results.dmarc.word in ("temperror", "pass")


@pytest.mark.parametrize(
    "spf",
    [
        "v=spf1 include:example.org -all",
        "v=spf1 redirect=example.org",
        "v=spf1 " + " ".join(f"a:h{n}.example" for n in range(11)),
        "v=spf1 exists:%{i}%{s}%{p}.example exists:%{z}.x",
        "v=spf1 ip4:300.1.1.1",
        "v=spf1 " + "ip4:10.0.0.0/8 " * 1000,
        "v=spf1 a:" + "x" * 400,
        "v=spf1 \u00e9",
    ],
)
def test_a_record_that_loops_or_swells_is_an_error(spf: str) -> None:
    record_text = quoted(spf.encode("ascii", "replace").replace(b"?", b"\\\\255"))
    manners = Manners(tcp=True)
    results = check(MESSAGE, {("example.org", "TXT"): [record_text]}, "192.0.2.9", manners=manners)
    assert results.spf.word == "permerror"
    assert results.dmarc.disposition == "reject"  # SPF in ruins proves nothing


def test_an_include_chain_ends_after_ten_look_ups() -> None:
    # RFC 7208 §4.6.4
    zone: Zone = {
        (f"h{n}.example", "TXT"): [f'"v=spf1 include:h{n + 1}.example -all"'] for n in range(30)
    }
    zone["example.org", "TXT"] = ['"v=spf1 include:h0.example -all"']
    results = check(MESSAGE, zone)
    assert (results.spf.word, "Too many" in results.spf.problem) == ("permerror", True)


def test_a_large_body_is_hashed_off_the_loop() -> None:
    signed = sign(MESSAGE + b"x" * 70 + b"\r\n" + b"line of text\r\n" * 50_000)
    results = check(signed)
    assert results.dkim_word == "pass"


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x00\xff\r\n",
        b"From: a@example.org\r\n" * 3000,
        b"DKIM-Signature: " + b";" * 100_000 + b"\r\n",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s1; h=from; bh=; b=\r\n",
        b"ARC-Seal: i=1\r\nARC-Message-Signature: i=1\r\nARC-Authentication-Results: i=1;\r\n",
        b"From: " + b"(" * 50_000 + b"\r\n",
    ],
)
def test_a_hostile_header_has_a_clear_result(header: bytes) -> None:
    results = check(header + b"\r\nbody\r\n")
    assert results.dmarc.disposition == "none" or results.author
    assert results.spf.word == "pass"


def test_who_goes_away_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with DnsServer(SILENT) as server:
            checks = SenderChecks(Resolver((server.endpoint,), 0.2), frozenset())
            checks.begin(Session("fe80::1%lo", "mx.example.org", "")).end()
            await happens(lambda: len(asyncio.all_tasks()) == 1)

    with caplog.at_level(logging.ERROR, "asyncio"):
        asyncio.run(run())
    assert not caplog.records
