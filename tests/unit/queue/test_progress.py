"""What one attempt changes, and which reports it owes."""

from dataclasses import replace

import pytest

from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.entry import Answer, QueueEntry, Status, new_entry
from mailraven.queue.progress import Attempt, Conclusion, conclude, record, reported
from mailraven.queue.schedule import Schedule

HOUR = 3600.0
SCHEDULE = Schedule(first_wait=300.0)


def entry(*recipients: Recipient, sender: str = "alice@example.org") -> QueueEntry:
    envelope = Envelope(sender, recipients, TraceId("t"), received_at=0.0)
    return new_entry(QueueId("x" * 13), envelope, 100, "7bit")


def told(*notify: str) -> Recipient:
    return Recipient("bob@example.net", frozenset(notify))


def after(entry: QueueEntry, status: Status, now: float, passed_on: bool = False) -> Conclusion:
    attempt = Attempt(status, Answer("x"), passed_on)
    tried = record(entry, dict.fromkeys(entry.pending, attempt))
    return conclude(tried, SCHEDULE, now, 0.5)


@pytest.mark.parametrize(
    ("status", "notify", "kinds"),
    [
        ("failed", (), ["failed"]),
        ("failed", ("FAILURE",), ["failed"]),
        ("failed", ("SUCCESS", "DELAY"), []),
        ("failed", ("NEVER",), []),
        ("delivered", (), []),
        ("delivered", ("SUCCESS",), ["success"]),
        ("relayed", ("SUCCESS", "FAILURE"), ["success"]),
        ("relayed", ("NEVER",), []),
        ("pending", (), []),
    ],
)
def test_sender_hears_what_notify_asks_for(
    status: Status, notify: tuple[str, ...], kinds: list[str]
) -> None:
    done = after(entry(told(*notify)), status, HOUR)
    assert [report.kind for report in done.reports] == kinds
    assert done.is_finished == (status != "pending")


def test_dsn_wishes_that_were_passed_on_are_not_reported_twice() -> None:
    assert after(entry(told("SUCCESS")), "relayed", HOUR, passed_on=True).reports == ()


def test_a_bounce_never_causes_a_bounce() -> None:
    done = after(entry(told("FAILURE"), sender=""), "failed", HOUR)
    assert done.reports == () and done.is_finished


def test_delay_is_told_once_and_only_after_its_time() -> None:
    early = after(entry(told()), "pending", HOUR)
    assert early.reports == () and early.entry.next_try.timestamp() == HOUR + 300
    late = after(early.entry, "pending", 5 * HOUR)
    assert [report.kind for report in late.reports] == ["delayed"]
    assert after(late.entry, "pending", 9 * HOUR).reports == ()


def test_delay_is_not_told_to_who_did_not_ask() -> None:
    assert after(entry(told("FAILURE")), "pending", 5 * HOUR).reports == ()


def test_after_its_lifetime_a_message_fails_with_its_last_answer() -> None:
    done = after(entry(told()), "pending", 5 * 24 * HOUR)
    assert done.entry.recipients[0].status == "failed"
    assert done.entry.recipients[0].answer == Answer("x")
    assert [report.kind for report in done.reports] == ["failed"]


def test_failure_seen_before_a_crash_is_reported_after_it() -> None:
    both = entry(told(), told())
    saved = record(both, {0: Attempt("failed", Answer("no"))})
    assert saved.pending == (1,)
    done = conclude(record(saved, {1: Attempt("relayed", Answer("ok"))}), SCHEDULE, HOUR, 0.5)
    assert [report.positions for report in done.reports] == [(0,)]
    assert all(one.reported for one in done.entry.recipients)


def test_a_final_status_is_never_overwritten() -> None:
    done = record(entry(told()), {0: Attempt("delivered", Answer("ok"))})
    assert record(done, {0: Attempt("failed", Answer("no"))}) == done


def test_attempts_make_the_wait_grow() -> None:
    tried = replace(entry(told()), attempts=3)
    assert after(tried, "pending", HOUR).entry.next_try.timestamp() == HOUR + 2400


def test_reports_that_are_out_are_not_asked_for_again() -> None:
    one = record(entry(told(), told()), {0: Attempt("failed", Answer("no"))})
    done = conclude(one, SCHEDULE, 5 * HOUR, 0.5)
    assert [report.kind for report in done.reports] == ["failed", "delayed"]
    for report in done.reports:
        one = reported(one, report)
    again = conclude(one, SCHEDULE, 5 * HOUR, 0.5)
    assert again == replace(done, reports=())
