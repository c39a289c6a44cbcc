"""A verdict in words: what counted, and what would have changed it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailraven.policy.why import lines_of

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
KEYS = st.sampled_from(
    ["time", "trace", "to", "from", "auth", "people", "reasons", "action", "reply", "score", "at"]
)


def reason(rule: str, points: float) -> dict[str, object]:
    return {"rule": rule, "points": points, "text": f"words of {rule}"}


def told(
    score: float, action: str, *reasons: dict[str, object], auth: dict[str, object] | None = None
) -> str:
    people = [
        {
            "to": "bob@example.org",
            "action": action,
            "score": score,
            "quarantine": 5.0,
            "reject": 12.0,
            "reasons": [],
        }
    ]
    record: dict[str, object] = {
        "time": "2026-11-22T09:00:00.000Z",
        "trace": "4f1c9",
        "from": "x@example.net",
        "peer": "192.0.2.1",
        "to": ["bob@example.org"],
        "action": action,
        "reasons": list(reasons),
        "people": people,
        "auth": auth or {},
    }
    return "\n".join(lines_of(record))


@pytest.mark.req("FR-020")
def test_every_reason_is_told_with_its_points() -> None:
    text = told(6.5, "quarantine", reason("html-only", 2.5), reason("no-date", 4.0))
    assert "For bob@example.org: put into quarantine; score 6.5" in text
    assert text.index("+4.00  no-date: words of no-date") < text.index("+2.50  html-only")


def test_one_reason_that_decided_is_named() -> None:
    text = told(6.5, "quarantine", reason("no-date", 4.0), reason("html-only", 1.0))
    assert "Without no-date (4.0 points) it had been accepted." in text
    assert "Without html-only" not in text


def test_reasons_that_decided_only_together_are_named_together() -> None:
    text = told(8.9, "quarantine", *(reason(f"r{n}", 2.0) for n in range(4)))
    assert "Without r0, r1 together it had been accepted." in text


def test_a_refusal_tells_what_had_spared_it_and_what_had_let_it_in() -> None:
    text = told(14.0, "reject", reason("a", 3.0), reason("b", 11.0))
    assert "Without b (11.0 points) it had not been refused." in text
    assert "Without a (3.0 points) it had not been refused." in text
    assert "Without b (11.0 points) it had been accepted." in text


def test_an_accepted_message_tells_how_far_it_was_from_quarantine() -> None:
    text = told(3.0, "accept", reason("a", 6.0), reason("learned", -3.0))
    assert "2.0 points more, and it had gone to quarantine." in text
    assert "Without learned (-3) it had gone to quarantine." in text


def test_an_entry_is_advised_that_would_have_counted() -> None:
    proved = told(6.0, "quarantine", reason("a", 6.0), auth={"spf": "pass"})
    assert "An entry to allow x@example.net had let it in" in proved
    unproved = told(6.0, "quarantine", reason("a", 6.0), auth={"spf": "none"})
    assert "nothing proves the sender; one for 192.0.2.1 had." in unproved


def test_a_refusal_at_rcpt_has_its_reply() -> None:
    text = "\n".join(lines_of({"at": "rcpt", "action": "refuse", "reply": "550 5.1.1 no"}))
    assert "refused at rcpt: 550 5.1.1 no" in text


def test_nothing_of_a_peer_reaches_the_terminal() -> None:
    assert "\x1b" not in "\n".join(lines_of({"subject": "\x1b[2J", "helo": "a\nb"}))


@settings(max_examples=25)
@given(st.dictionaries(KEYS, JSON))
def test_any_record_gives_words(record: dict[str, object]) -> None:
    assert all(line.isprintable() for line in lines_of(record))
