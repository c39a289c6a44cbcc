"""What an operator wants of messages, wherever they are."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.entry import Answer, BrokenEntry, QueueEntry
from mailraven.queue.spool import Folder, Listed, Spool
from mailraven.queue.wishes import Wish, apply, fulfil_all_noted, fulfil_noted, hold_back

ANSWER = Answer("450 4.2.0 later", "4.2.0", "mx.example.net[192.0.2.1]:25", "RCPT TO")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool")
    spool.prepare()
    return spool


def put(spool: Spool, folder: Folder, *addresses: str) -> Listed:
    recipients = tuple(Recipient(one) for one in addresses or ("bob@example.net",))
    envelope = Envelope("alice@example.org", recipients, TraceId("t1"), received_at=1.7e9)
    id = spool.submit(envelope, [b"Subject: hi\r\n\r\n"])
    if folder in ("active", "deferred"):
        entry = spool.claim(id, "incoming")
        assert entry is not None
        tried = replace(entry.recipients[0], answer=ANSWER, attempts=1)
        entry = entry.with_recipients({0: tried})
        spool.save(entry)
        if folder == "deferred":
            spool.defer(entry)
    elif folder == "held":
        spool.hold(id, "incoming")
    found = spool.find(id)
    assert found is not None and found.folder == folder
    return found


def where(spool: Spool, id: QueueId) -> str | None:
    found = spool.find(id)
    return found.folder if found else None


def statuses(entry: QueueEntry) -> list[tuple[str, bool]]:
    return [(one.status, one.reported) for one in entry.recipients]


WAITING: list[Folder] = ["incoming", "deferred", "held"]


@pytest.mark.parametrize("folder", WAITING)
def test_what_is_given_up_waits_for_its_report_with_the_last_answer(
    spool: Spool, folder: Folder
) -> None:
    listed = put(spool, folder)
    assert apply(spool, listed, Wish("fail"), is_served=True) == "done"
    assert where(spool, listed.id) == "deferred"
    (one,) = spool.load(listed.id).recipients
    assert (one.status, one.reported) == ("failed", False)
    assert one.answer is not None
    assert one.answer.text == (ANSWER.text if folder == "deferred" else one.answer.text)
    assert one.answer.heard == (folder == "deferred")


@pytest.mark.parametrize("folder", WAITING)
def test_what_is_dropped_is_gone_with_its_message(spool: Spool, folder: Folder) -> None:
    listed = put(spool, folder)
    assert apply(spool, listed, Wish("drop"), is_served=True) == "done"
    assert where(spool, listed.id) is None
    assert not spool.message_path(listed.id).exists()


@pytest.mark.parametrize("folder", WAITING)
def test_a_dropped_recipient_is_reported_to_nobody_and_others_stay(
    spool: Spool, folder: Folder
) -> None:
    listed = put(spool, folder, "bob@example.net", "carol@example.net")
    wish = Wish("drop", ("bob@example.net",))
    assert apply(spool, listed, wish, is_served=True) == "done"
    assert statuses(spool.load(listed.id)) == [("failed", True), ("pending", False)]
    assert where(spool, listed.id) == ("held" if folder == "held" else "deferred")
    wish = Wish("drop", ("carol@example.net",))
    found = spool.find(listed.id)
    assert found is not None and apply(spool, found, wish, is_served=True) == "done"
    assert where(spool, listed.id) is None and not spool.message_path(listed.id).exists()


@pytest.mark.parametrize("folder", WAITING)
def test_a_detour_leaves_held_mail_held(spool: Spool, folder: Folder) -> None:
    listed = put(spool, folder)
    apply(spool, listed, Wish("route", route="relay.example:25"), is_served=True)
    assert spool.load(listed.id).recipients[0].route == "relay.example:25"
    assert where(spool, listed.id) == ("held" if folder == "held" else "deferred")


def test_what_changes_nothing_puts_the_message_back(spool: Spool) -> None:
    listed = put(spool, "deferred")
    wish = Wish("fail", ("nobody@example.net",))
    assert apply(spool, listed, wish, is_served=True) == "none"
    assert where(spool, listed.id) == "deferred"


def test_a_wish_for_a_message_under_way_is_kept_until_the_attempt_has_ended(spool: Spool) -> None:
    listed = put(spool, "active")
    assert apply(spool, listed, Wish("hold"), is_served=True) == "noted"
    assert where(spool, listed.id) == "active"
    spool.defer(spool.load(listed.id))
    assert fulfil_noted(spool, listed.id) == Wish("hold")
    assert where(spool, listed.id) == "held"
    assert fulfil_noted(spool, listed.id) is None


def test_the_last_wish_counts_and_release_takes_a_hold_back(spool: Spool) -> None:
    listed = put(spool, "active")
    apply(spool, listed, Wish("drop"), is_served=True)
    apply(spool, listed, Wish("hold"), is_served=True)
    assert apply(spool, listed, Wish("release"), is_served=True) == "done"
    spool.defer(spool.load(listed.id))
    assert fulfil_noted(spool, listed.id) is None
    assert where(spool, listed.id) == "deferred"


def test_a_wish_for_what_was_delivered_meanwhile_vanishes(spool: Spool) -> None:
    listed = put(spool, "active")
    apply(spool, listed, Wish("hold"), is_served=True)
    spool.remove(listed.id, "active")
    assert fulfil_noted(spool, listed.id) is None
    assert list((spool.root / "wishes").iterdir()) == []


def test_the_attempt_may_end_before_the_wish_is_noted(spool: Spool) -> None:
    listed = put(spool, "active")
    spool.defer(spool.load(listed.id))
    assert apply(spool, listed, Wish("hold"), is_served=True) == "done"
    assert where(spool, listed.id) == "held"
    gone = put(spool, "active")
    spool.remove(gone.id, "active")
    assert apply(spool, gone, Wish("hold"), is_served=True) == "gone"
    assert list((spool.root / "wishes").iterdir()) == []


def test_wishes_of_a_dead_queued_are_fulfilled_by_the_next_one(spool: Spool) -> None:
    listed = put(spool, "active")
    apply(spool, listed, Wish("hold"), is_served=True)
    (spool.root / "wishes" / ".left~").write_text("half")
    (spool.root / "wishes" / "1m82nfmwap2ty").write_text("{")
    fulfil_all_noted(spool)
    assert where(spool, listed.id) == "held"
    assert list((spool.root / "wishes").iterdir()) == []


def test_a_wish_that_a_dead_queued_had_taken_is_fulfilled_by_the_next_one(spool: Spool) -> None:
    listed = put(spool, "active")
    assert apply(spool, listed, Wish("hold"), is_served=True) == "noted"
    noted = spool.root / "wishes" / listed.id
    noted.rename(noted.with_name(f".{listed.id}.99.taken~"))
    fulfil_all_noted(spool)
    assert where(spool, listed.id) == "held"
    assert list((spool.root / "wishes").iterdir()) == []


def test_a_wish_that_the_disk_refuses_is_noted_for_another_time(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = put(spool, "active")
    assert apply(spool, listed, Wish("fail"), is_served=True) == "noted"
    entry = spool.load(listed.id)
    spool.defer(entry)
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", refuse)
        full.setattr(os, "fdatasync", refuse)
        with pytest.raises(OSError, match="No space left"):
            fulfil_noted(spool, listed.id)
    assert fulfil_noted(spool, listed.id) == Wish("fail")
    assert statuses(spool.load(listed.id)) == [("failed", False)]


def refuse(fd: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_broken_text_stays_held_for_a_person(spool: Spool) -> None:
    listed = put(spool, "deferred")
    (spool.folder("deferred") / listed.id).write_text("{")
    with pytest.raises(BrokenEntry):
        apply(spool, listed, Wish("fail"), is_served=True)
    assert where(spool, listed.id) == "held"


def test_a_full_disk_costs_the_edit_never_the_message(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = put(spool, "deferred")

    def full(*_: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        apply(spool, listed, Wish("fail"), is_served=True)
    monkeypatch.undo()
    assert where(spool, listed.id) == "held"
    assert statuses(spool.load(listed.id)) == [("pending", False)]
    assert [path.name for path in spool.folder("held").iterdir()] == [listed.id]


def sorted_names(folder: Path, take: Callable[[Path], str] = lambda path: path.name) -> list[str]:
    return sorted(map(take, folder.iterdir()))


def test_nothing_but_whole_entries_is_left_in_the_folders(spool: Spool) -> None:
    ids = sorted(put(spool, folder).id for folder in WAITING)
    for id in ids:
        found = spool.find(id)
        assert found is not None
        apply(spool, found, Wish("route", route="relay.example:25"), is_served=True)
    everything = [
        name
        for one in ("incoming", "deferred", "held", "wishes")
        for name in sorted_names(spool.root / one)
    ]
    assert sorted(everything) == ids


def test_a_text_that_was_changed_since_it_was_looked_at_is_known_by_its_time(spool: Spool) -> None:
    same, changed = put(spool, "deferred"), put(spool, "deferred")
    os.utime(spool.folder("deferred") / changed.id, (5.0, 5.0))
    seen = replace(changed, due=5.0)
    apply(spool, seen, Wish("route", route="relay.example:25"), is_served=True)
    for listed in (same, seen):
        assert spool.take(listed.id, "deferred")
    assert not spool.is_rewritten(same)
    assert spool.is_rewritten(seen)


def test_what_is_held_back_says_why(spool: Spool) -> None:
    listed = put(spool, "deferred")
    assert hold_back(spool, listed, "the brake is on")
    assert (where(spool, listed.id), spool.load(listed.id).hold) == ("held", "the brake is on")
    assert not hold_back(spool, listed, "again")


def test_what_cannot_be_given_a_reason_waits_on_instead_of_being_held_for_none(
    spool: Spool,
) -> None:
    listed = put(spool, "deferred")
    (spool.folder("held") / f".{listed.id}~").mkdir()  # its text can be written nowhere
    with pytest.raises(OSError, match="exists"):
        hold_back(spool, listed, "the brake is on")
    assert spool.find(listed.id) == listed
