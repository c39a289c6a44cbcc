"""An entry and its message in one file: what is whole, what is not, and how the text changes."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mailraven.files.fsyncs import Fsyncs
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue import draft
from mailraven.queue.draft import Draft
from mailraven.queue.entry import TOGETHER_LIMIT, BrokenEntry, QueueEntry, encode_entry, instant
from mailraven.queue.entry_file import HEAD
from mailraven.queue.names import queue_id
from mailraven.queue.spool import EntryGone, Folder, Listed, Spool
from mailraven.queue.submitter import Job, commit
from mailraven.queue.wishes import Wish, apply

MESSAGE = b"Subject: hi\r\n\r\n{\r\n}\r\nbinary\n}\n\xff"
LARGE = b"Subject: hi\r\n\r\n" + b"x" * TOGETHER_LIMIT
LATER = instant(4e9)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool")
    spool.prepare()
    return spool


def envelope(*addresses: str) -> Envelope:
    recipients = tuple(Recipient(address) for address in addresses or ("bob@example.org",))
    return Envelope("alice@example.net", recipients, TraceId("t1"), received_at=1.7e9)


def submitted(spool: Spool, message: bytes = MESSAGE, folder: Folder = "incoming") -> Path:
    """The file of a new entry, in that folder."""
    id = spool.submit(envelope(), [message])
    path = spool.folder(folder) / id
    (spool.folder("incoming") / id).rename(path)
    return path


def put_as_before(spool: Spool, folder: Folder, message: bytes = MESSAGE) -> Path:
    """An entry as older releases wrote it: the text alone, without a checksum."""
    path = submitted(spool, message, folder)
    entry = spool.load(QueueId(path.name))
    path.write_bytes(encode_entry(replace(entry, crc32=None)).replace(b',\n "crc32": null', b""))
    assert b"crc32" not in path.read_bytes()
    spool.message_path(entry.id).write_bytes(message)
    return path


def everything(spool: Spool) -> list[str]:
    return sorted(
        os.path.relpath(f"{folder}/{name}", spool.root)
        for folder, _, names in os.walk(spool.root)
        for name in names
    )


# -- what is not whole ----------------------------------------------------------------------------


def cuts(path: Path) -> list[int]:
    """Lengths that the file has while it is written."""
    text = path.read_bytes().index(b"\n}\n") + 3
    return [0, 1, text // 2, text - 3, text - 1, text, text + 1, path.stat().st_size - 1]


def test_an_incomplete_file_is_not_there_and_not_put_aside(spool: Spool) -> None:
    path = submitted(spool)
    whole = path.read_bytes()
    for length in cuts(path):
        path.write_bytes(whole[:length])
        assert spool.claim(QueueId(path.name), "incoming") is None
        with pytest.raises(FileNotFoundError):
            spool.load(QueueId(path.name))
        assert path.exists()
    path.write_bytes(whole)
    assert spool.claim(QueueId(path.name), "incoming") is not None


def test_an_incomplete_file_is_removed_when_it_is_old(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = submitted(spool)
    for length in cuts(whole):
        submitted(spool).open("r+b").truncate(length)
    spool.recover()
    assert len(list(spool.entries("incoming"))) == 1 + len(cuts(whole))
    monkeypatch.setattr("mailraven.queue.spool.ORPHAN_AGE", -1)
    spool.recover()
    assert [listed.id for listed in spool.entries("incoming")] == [whole.name]


@pytest.mark.parametrize("folder", ["active", "deferred"])
def test_a_file_that_was_cut_later_is_put_aside_for_a_person(spool: Spool, folder: Folder) -> None:
    path = submitted(spool, folder=folder)
    path.open("r+b").truncate(path.stat().st_size - 1)
    with pytest.raises(BrokenEntry, match="missing"):
        spool.look(QueueId(path.name), folder)
    assert everything(spool) == [f"held/{path.name}"]


@pytest.mark.parametrize("folder", ["incoming", "active"])
def test_a_torn_message_is_never_sent_and_never_thrown_away(spool: Spool, folder: Folder) -> None:
    path = submitted(spool, folder=folder)
    torn = path.read_bytes()[:-8] + bytes(8)
    path.write_bytes(torn)
    with pytest.raises(BrokenEntry, match="damaged"):
        spool.look(QueueId(path.name), folder)
    assert (spool.folder("held") / path.name).read_bytes() == torn


@pytest.mark.parametrize("damage", [lambda octets: octets[:-1], lambda octets: octets[:-1] + b"?"])
def test_what_is_damaged_while_it_is_sent_is_not_read(
    spool: Spool, damage: Callable[[bytes], bytes]
) -> None:
    path = submitted(spool, folder="active")
    entry = spool.load(QueueId(path.name))
    path.write_bytes(damage(path.read_bytes()))
    for step in (spool.read_message, spool.save):
        with pytest.raises(OSError, match="damaged"):
            step(entry)


def test_a_file_of_zeros_was_never_acknowledged(spool: Spool) -> None:
    path = submitted(spool)
    path.write_bytes(bytes(path.stat().st_size))
    assert spool.look(QueueId(path.name), "incoming") is None


# -- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, HEAD, TOGETHER_LIMIT, TOGETHER_LIMIT + 1])
@pytest.mark.parametrize("people", [1, 300])
def test_messages_of_any_size_are_read_as_they_were_given(
    spool: Spool, size: int, people: int
) -> None:
    message = (MESSAGE * (size // len(MESSAGE) + 1))[:size]
    to = [f"user{number}@example.org" for number in range(people)]
    id = spool.submit(envelope(*to), [message[:5], message[5:]])
    entry = spool.look(id, "incoming")
    assert entry is not None and entry == spool.load(id)
    assert (entry.crc32 is None) == (size > TOGETHER_LIMIT)
    assert (spool.read_message(entry), spool.read_message(entry, 7)) == (message, message[:7])


def test_a_message_is_found_behind_a_text_that_has_changed_since(spool: Spool) -> None:
    path = submitted(spool, folder="active")
    before = spool.load(QueueId(path.name))
    spool.save(replace(before, attempts=1000, hold="x" * 500))
    assert spool.read_message(before) == MESSAGE
    spool.defer(replace(before, next_try=LATER))
    assert spool.read_message(before) == MESSAGE


@pytest.mark.parametrize("folder", ["incoming", "active", "deferred", "held"])
@pytest.mark.parametrize("message", [MESSAGE, LARGE])
def test_entries_of_older_releases_go_on(spool: Spool, folder: Folder, message: bytes) -> None:
    path = put_as_before(spool, folder, message)
    id = QueueId(path.name)
    if folder == "held":
        assert spool.release(id)
        folder = "deferred"
    entry = spool.look(id, folder)
    assert entry is not None and spool.read_message(entry) == message
    if folder != "active":
        assert spool.take(id, folder)
    spool.defer(replace(entry, attempts=1))
    assert spool.load(id).attempts == 1
    assert everything(spool) == [f"deferred/{id}", f"msg/{id}"]
    assert spool.remove(id, "deferred")
    assert everything(spool) == []


# -- changing -------------------------------------------------------------------------------------


def saved(spool: Spool, entry: QueueEntry) -> None:
    spool.save(replace(entry, attempts=7))


def deferred(spool: Spool, entry: QueueEntry) -> None:
    spool.defer(replace(entry, attempts=7, next_try=LATER))


def rewritten(spool: Spool, entry: QueueEntry) -> None:
    spool.hold(entry.id, "active")
    spool.rewrite(replace(entry, attempts=7))


def held(spool: Spool, entry: QueueEntry) -> None:
    assert spool.hold_as(replace(entry, attempts=7), "active")


@pytest.mark.parametrize("change", [saved, deferred, rewritten, held])
@pytest.mark.parametrize("message", [MESSAGE, LARGE])
def test_a_new_text_leaves_the_message_as_it_is(
    spool: Spool, change: Callable[[Spool, QueueEntry], None], message: bytes
) -> None:
    path = submitted(spool, message, "active")
    entry = spool.load(QueueId(path.name))
    change(spool, entry)
    (listed,) = spool.entries()
    now = spool.look(listed.id, listed.folder)
    assert now is not None and now.attempts == 7
    assert spool.read_message(now) == message
    apart = [f"msg/{listed.id}"] if message is LARGE else []
    assert everything(spool) == [f"{listed.folder}/{listed.id}", *apart]


def test_a_text_does_not_come_back_when_the_file_has_gone(spool: Spool) -> None:
    path = submitted(spool, folder="active")
    entry = spool.load(QueueId(path.name))
    path.unlink()
    for step in (spool.save, spool.defer):
        with pytest.raises(EntryGone):
            step(entry)
    assert not spool.hold_as(entry, "active")
    assert everything(spool) == []


@pytest.mark.parametrize("folder", ["incoming", "deferred", "held"])
@pytest.mark.parametrize("verb", ["hold", "drop", "route"])
def test_wishes_move_the_message_with_its_entry(spool: Spool, folder: Folder, verb: str) -> None:
    path = submitted(spool, folder=folder)
    wish = {"hold": Wish("hold"), "drop": Wish("drop"), "route": Wish("route", route="a:25")}[verb]
    listed = Listed(QueueId(path.name), folder, 0.0)
    apply(spool, listed, wish, is_served=True)
    if verb == "drop":
        assert everything(spool) == []
        return
    (entry,) = (spool.load(one.id) for one in spool.entries())
    assert spool.read_message(entry) == MESSAGE
    assert len(everything(spool)) == 1


# -- batches --------------------------------------------------------------------------------------


def test_small_and_large_messages_are_committed_together(spool: Spool) -> None:
    contents = [[MESSAGE], [LARGE], [b"x", b"y"], [LARGE, MESSAGE]]
    batch = [Job(Draft(str(spool.root), envelope(), content)) for content in contents]
    commit(batch, str(spool.root), Fsyncs())
    for job, content in zip(batch, contents, strict=True):
        assert (job.failure, job.draft.fds) == (None, [])
        entry = spool.look(job.draft.id, "incoming")
        assert entry is not None and spool.read_message(entry) == b"".join(content)


def test_one_that_fails_takes_nothing_from_the_others(spool: Spool) -> None:
    (spool.folder("msg")).rmdir()
    batch = [Job(Draft(str(spool.root), envelope(), [one])) for one in (MESSAGE, LARGE)]
    commit(batch, str(spool.root), Fsyncs())
    small, large = batch
    assert small.failure is None and isinstance(large.failure, FileNotFoundError)
    assert everything(spool) == [f"incoming/{small.draft.id}"]


@pytest.mark.parametrize("folder", ["incoming", "active"])
@pytest.mark.parametrize("message", [MESSAGE, LARGE])
@pytest.mark.parametrize("other", [MESSAGE, LARGE])
def test_an_id_that_is_taken_is_not_given_again(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, folder: Folder, message: bytes, other: bytes
) -> None:
    taken, free = queue_id(1.0, 1), queue_id(1.0, 2)
    ids = [taken, taken, free]
    monkeypatch.setattr(draft, "queue_id", lambda now, chance: ids.pop(0))
    first = submitted(spool, message, folder)
    before = first.read_bytes()
    assert spool.submit(envelope(), [other]) == free
    assert first.name == taken and first.read_bytes() == before
    assert spool.read_message(spool.load(taken)) == message
