"""Any octets get a verdict, never an exception."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mailraven.policy.border import lift_border
from mailraven.policy.score import Knowledge, score, tokens_in
from mailraven.spam.knowledge import SHIPPED_RULES, read_rules, shipped_model
from spam.hostile import HOSTILE

KNOWLEDGE = Knowledge(read_rules(SHIPPED_RULES), shipped_model())
PIECES = st.sampled_from(
    [
        b"From: ",
        b"To: ",
        b"Subject: ",
        b"Date: ",
        b"Received: from a (b [1.2.3.4]) by c; ",
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"--b\r\n",
        b"--b--",
        b"Content-Type: text/html; charset=utf-7\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"=?utf-8?b?",
        b"?=",
        b"=?x?q?=ff?=",
        b"<a href='http://",
        b"<div style='color:#",
        b"display:none'>",
        b"&#x",
        b"99999999999;",
        b"<!--",
        b"-->",
        b"@",
        b"<",
        b">",
        b'"',
        b"\\",
        b"(",
        b"[",
        b"]",
        b"//[::1",
        b"%41",
        b"Mon, 99 Foo 99999 99:99:99 +9999",
        b"\xff\xfe",
        b"\xe2\x80\x8b",
        b"\x00",
        b"Return-Path: <",
        b"Message-ID: <a@b>",
        b'name="',
    ]
)


@given(st.lists(PIECES | st.binary(max_size=12), max_size=40).map(b"".join))
@settings(deadline=None)
def test_any_octets_get_a_verdict(data: bytes) -> None:
    facts, message = lift_border(data)
    verdict = score(message, facts, KNOWLEDGE)
    assert verdict.score == round(sum(reason.points for reason in verdict.reasons), 2)
    assert tokens_in(message, facts) is not None


def test_messages_made_to_cost_time_get_a_verdict() -> None:
    for make in HOSTILE.values():
        facts, message = lift_border(make())
        assert score(message, facts, KNOWLEDGE).action in ("accept", "quarantine", "reject")
