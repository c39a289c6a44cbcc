"""Verdicts: the sum of their reasons, and what readers of a message are told of them."""

import pytest

from mailraven.mail.headers import fields, remove_fields
from mailraven.policy.spam_headers import LOOK_ALIKES, spam_fields
from mailraven.policy.verdict import Reason, Thresholds, verdict_of

LIMITS = Thresholds(quarantine=5, reject=10)


@pytest.mark.req("FR-016")
@pytest.mark.parametrize(
    ("score", "action"),
    [(4.99, "accept"), (5.0, "quarantine"), (9.99, "quarantine"), (10.0, "reject"), (-3, "accept")],
)
def test_thresholds_decide_from_their_own_value_on(score: float, action: str) -> None:
    assert LIMITS.action(score) == action


def test_a_score_is_the_sum_of_its_reasons_and_the_weightiest_come_first() -> None:
    reasons = [Reason("a", 0.1, ""), Reason("b", -4, ""), Reason("c", 9.2, "")]
    verdict = verdict_of(reasons, LIMITS)
    assert verdict.score == 5.3
    assert verdict.action == "quarantine"
    assert [reason.rule for reason in verdict.reasons] == ["c", "b", "a"]


def test_nothing_against_a_message_is_a_plain_zero() -> None:
    assert str(verdict_of([Reason("a", -0.001, "")], LIMITS).score) == "0.0"


@pytest.mark.req("FR-019")
def test_the_header_tells_score_action_and_reasons() -> None:
    verdict = verdict_of([Reason("html-only", 6.25, "only HTML"), Reason("reply", -1, "")], LIMITS)
    header = spam_fields(verdict, LIMITS)
    assert header.endswith(b"\r\n") and header.isascii()
    assert fields(header.replace(b"\r\n", b"\n")) == [
        (b"x-spam-score", b"5.2"),
        (
            b"x-spam-status",
            b"Yes, score=5.2 required=5.0 action=quarantine\n\thtml-only=6.25\n\treply=-1.00",
        ),
    ]


def test_no_rule_name_breaks_the_header() -> None:
    verdict = verdict_of([Reason("a\r\nBcc: x@y", 1, ""), Reason("grüße", 1, "")], LIMITS)
    assert len(fields(spam_fields(verdict, LIMITS))) == 2


def test_the_fields_that_a_sender_may_not_bring_include_our_own() -> None:
    verdict = verdict_of([Reason("a", 1, "")], LIMITS)
    assert remove_fields(spam_fields(verdict, LIMITS), LOOK_ALIKES) == b""
