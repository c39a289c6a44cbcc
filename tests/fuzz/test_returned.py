"""Whatever comes back: a report or none, bounded, and never a word that moves a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from mailraven.limits.brake import fingerprint
from mailraven.mail.returned import RECIPIENTS_LIMIT, Returned, may_be_returned, parse_returned

PIECES = [
    b"\r\n",
    b"\r\n\r\n",
    b"--b",
    b"--b--",
    b": ",
    b"; ",
    b"rfc822;",
    b"<",
    b">",
    b"@",
    b" id ",
]
PIECES += [b"Content-Type: ", b"multipart/report", b"; boundary=b", b"message/delivery-status"]
PIECES += [b"message/feedback-report", b"message/rfc822", b"text/rfc822-headers", b"Status: 5.1.1"]
PIECES += [b"Final-Recipient: ", b"Original-Recipient: ", b"Action: failed", b"Message-ID: <a@b>"]
PIECES += [b"0123456789ab", b"Diagnostic-Code: ", b"\x1b[2J", b"\xc2\x9b", b"Reporting-MTA: dns; x"]
PIECES += [b"Hi. This is the qmail-send", b"permanent", b"bob@example.net", b"\r\n--- Below this"]
PIECES += [b"\r\nX-Failed-Recipients: ", b"(#5.1.1)", b"550 5.1.1 ", b"X-HmXmrOriginalRecipient: "]
NEARLY = st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=60).map(b"".join)
START = b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"


def check(found: Returned | None) -> None:
    if found is None:
        return
    assert len(found.fates) <= RECIPIENTS_LIMIT
    texts = [found.reporter, found.envelope_id, found.feedback, *found.message_ids]
    for fate in found.fates:
        texts += [fate.recipient, fate.original, fate.status, fate.action, fate.diagnostic]
    assert all(one.isprintable() for one in texts if one)


@given(NEARLY)
def test_any_octets_are_a_report_or_none(message: bytes) -> None:
    may_be_returned("", message)
    check(parse_returned(message))
    check(parse_returned(START + message))


@given(NEARLY)
def test_any_octets_have_a_fingerprint_or_none(message: bytes) -> None:
    assert fingerprint(message) == fingerprint(message)
