"""Which messages of the queue an operator means."""

from dataclasses import replace

import pytest

from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.entry import Answer, QueuedRecipient, QueueEntry, instant
from mailraven.queue.selection import Selection, is_like

NOW = 1.7e9
ENTRY = QueueEntry(
    QueueId("1m82nfmwap2ty"),
    TraceId("t1"),
    "alice@example.org",
    (
        QueuedRecipient("bob@example.net", answer=Answer("450 4.7.1 Greylisted, come back")),
        QueuedRecipient("carol@example.com", status="delivered"),
        QueuedRecipient("dave@münchen.example"),
    ),
    instant(NOW - 7200),
    instant(NOW),
    100,
    account="alice@example.org",
)


def chosen(selection: Selection, entry: QueueEntry = ENTRY) -> tuple[int, ...] | None:
    return selection.chosen(entry, "deferred", NOW)


@pytest.mark.parametrize(
    ("selection", "positions"),
    [
        (Selection(), (0, 2)),
        (Selection(sender="ALICE@example.org"), (0, 2)),
        (Selection(sender="lice@example.org"), None),
        (Selection(sender="*@example.org"), (0, 2)),
        (Selection(recipient="bob@example.net"), (0,)),
        (Selection(recipient="carol@example.com"), None),  # nobody waits for carol any more
        (Selection(domain="EXAMPLE.net"), (0,)),
        (Selection(domain="xn--mnchen-3ya.example"), (2,)),
        (Selection(domain="*.example"), (2,)),
        (Selection(domain="ample.net"), None),
        (Selection(account="alice@example.org", domain="example.net"), (0,)),
        (Selection(account="mallory@example.org"), None),
        (Selection(older=7200), (0, 2)),
        (Selection(older=7201), None),
        (Selection(text="greylist"), (0,)),
        (Selection(folders=("held",)), None),
        (Selection(ids=frozenset({QueueId("1m82nfmwap2tz")})), None),
    ],
)
def test_all_that_is_said_must_hold(
    selection: Selection, positions: tuple[int, ...] | None
) -> None:
    assert chosen(selection) == positions


def test_reports_are_selected_by_the_null_sender() -> None:
    report = replace(ENTRY, reverse_path="")
    assert chosen(Selection(sender="<>"), report) == (0, 2)
    assert chosen(Selection(sender="<>")) is None


def test_a_message_without_recipients_that_wait_is_meant_only_as_a_whole() -> None:
    done = replace(ENTRY, recipients=(replace(ENTRY.recipients[0], status="failed"),))
    assert chosen(Selection(), done) == ()
    assert chosen(Selection(recipient="bob@example.net"), done) is None


def test_an_address_literal_is_no_set_of_letters() -> None:
    assert is_like("bob@[192.0.2.1]", "bob@[192.0.2.1]")
    assert not is_like("bob@1", "bob@[192.0.2.1]")
