"""Whatever a stranger says, and whatever is said of him, gives a verdict and never an exception."""

import json
from ipaddress import IPv4Address, ip_address

from hypothesis import given
from hypothesis import strategies as st

from mailraven.daemons.smtp_records import named, short
from mailraven.mail.headers import split_message
from mailraven.policy.dnsbl import Zone, listing, question, refusal
from mailraven.policy.facts import Facts, Listing
from mailraven.policy.identity import sender_of
from mailraven.policy.score import Knowledge, Person, assess, judge
from mailraven.policy.spam_headers import is_marked, spam_fields
from mailraven.policy.verdict import Reason, Thresholds
from mailraven.spam.knowledge import SHIPPED_RULES, read_rules, shipped_model
from mailraven.spam.lists import entries_of

KNOWLEDGE = Knowledge(read_rules(SHIPPED_RULES), shipped_model())
NAMES = st.none() | st.text(max_size=80) | st.sampled_from(["[::1]", "a." * 100, "\ud800", "\x00"])
POINTS = st.floats(-1000, 1000)
FACTS = st.builds(
    Facts,
    client_ip=st.ip_addresses().map(str),
    helo=NAMES,
    reverse_name=NAMES,
    mail_from=NAMES,
    spf=st.sampled_from(["pass", "fail", "temperror", None]),
    dmarc=st.sampled_from(["pass", "fail", None]),
    dkim_domains=st.lists(st.text(max_size=20), max_size=3).map(tuple),
    proved_domain=st.text(max_size=20),
    dnsbl=st.lists(st.builds(Listing, st.text(), POINTS, st.text()), max_size=2).map(tuple),
    milters=st.lists(st.builds(Reason, st.text(), POINTS, st.text()), max_size=2).map(tuple),
)
FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"From", b"Subject", b"Message-ID", b"X-Spam-Status", b"Received"]),
        st.binary(max_size=60),
    ),
    max_size=6,
)


@given(FACTS, FIELDS, st.binary(max_size=200))
def test_any_facts_give_a_verdict_and_fields_that_end_no_header(
    facts: Facts, fields: list[tuple[bytes, bytes]], body: bytes
) -> None:
    message = b"".join(b"%b: %b\r\n" % one for one in fields) + b"\r\n" + body
    sender = sender_of(split_message(message)[0], facts)
    assert sender.proved <= set(sender.claimed)
    verdict = judge(assess(message, facts, KNOWLEDGE), Person(), Thresholds())
    text = spam_fields(verdict, Thresholds())
    assert text.isascii()
    assert b"\r\n\r\n" not in text
    assert all(line.startswith((b"X-Spam-", b"\t")) for line in text.splitlines())
    assert is_marked(b"Received: ours\r\n" + text) == (verdict.action != "accept")
    json.dumps(named(message)).encode()


@given(st.lists(st.ip_addresses(v=4).map(str)), st.lists(st.binary(max_size=300), max_size=3))
def test_any_answer_of_a_list_means_something_or_nothing(
    answers: list[str], reasons: list[bytes]
) -> None:
    zone = Zone("bl.example", points=3.0)
    found = listing(zone, answers)
    honest = [
        one for one in answers if one.startswith("127.") and not one.startswith("127.255.255.")
    ]
    assert (found is None) == (not honest)
    text = refusal(zone, "192.0.2.1", reasons)
    assert text.isascii()
    assert text.isprintable()


@given(st.ip_addresses())
def test_every_address_has_a_question(address: IPv4Address) -> None:
    name = question(ip_address(str(address)), "bl.example")
    assert all(len(label) <= 3 for label in name.removesuffix(".bl.example").split("."))


@given(st.text())
def test_any_text_is_a_list_of_senders_without_everybody(text: str) -> None:
    assert not any(entry.endswith("/0") for entry in entries_of(text))


@given(st.text(max_size=1000))
def test_any_text_is_short_and_fits_json(text: str) -> None:
    assert len(short(text).encode()) <= 1200
