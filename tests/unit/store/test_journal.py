"""The journal: text that folds to the state, whatever happened to it."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.mail.flags import DELETED, FLAGGED, SEEN
from mailraven.store import journal, journal_file
from mailraven.store.journal import (
    LOCK_NAME,
    Fold,
    arrival_line,
    escape,
    flags_line,
    snapshot,
    together_line,
    unescape,
)
from mailraven.store.journal_file import (
    RESERVE,
    JournalFile,
    lock_mailbox,
    next_uid_validity,
    open_journal,
    open_lock,
    release_lock,
    take_lock,
)
from mailraven.store.state import Arrival, MailboxState

COLUMNS = ("uids", "masks", "modseqs", "sizes", "dates", "bases", "by_base", "keywords")
COUNTS = ("uid_next", "highest_modseq", "recent_from", "unseen", "deleted", "size", "history_from")


def folded(text: str) -> Fold:
    fold = Fold(MailboxState(7))
    fold.feed(text.encode())
    return fold


def same(one: MailboxState, other: MailboxState) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in COLUMNS + COUNTS)


def lines(count: int) -> str:
    arrived = [arrival_line(n, n, Arrival(f"m{n}", SEEN, 10 * n, n)) for n in range(1, count + 1)]
    return "".join(arrived)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
    return str(tmp_path)


def reopened(folder: str) -> JournalFile:
    return open_journal(folder, Path(folder))


def test_the_fold_of_a_compacted_journal_is_the_state_before() -> None:
    text = lines(50) + flags_line(3, 51, FLAGGED | DELETED) + "x 50 52\nx 7 52\nr 9\n"
    state = folded(text + "k a $Forwarded\nk b we%20ird\n").state
    again = folded(snapshot(state, "boot", (900, 800)).decode().partition("\n")[2])
    assert same(state, again.state)
    assert not again.damaged
    assert again.state.uid_next == 51, "the UID of an expunged last message is not given out again"
    assert list(again.state.expunged) == [(7, 52), (50, 52)]
    assert (again.state.durable_uid, again.state.durable_modseq) == (900, 800)


def test_many_lines_at_once_fold_as_one_by_one() -> None:
    whole = folded(lines(300) + "x 5 301\n" + flags_line(6, 302, 0))
    single = Fold(MailboxState(7))
    for line in (lines(300) + "x 5 301\n" + flags_line(6, 302, 0)).splitlines(keepends=True):
        single.feed(line.encode())
    assert same(whole.state, single.state)


@pytest.mark.parametrize("odd", ["", "f 4 x S\n", "f 4 400\n", "f 99 400 S\n", "f 5 400 S S\n"])
def test_many_flags_at_once_fold_as_one_by_one(odd: str) -> None:
    marks = [flags_line(n % 30 + 1, 300 + n, n % 7) for n in range(90)]
    text = lines(30) + "".join(marks[:50]) + odd + "".join(marks[50:])
    whole, single = folded(text), Fold(MailboxState(7))
    for line in text.splitlines(keepends=True):
        single.feed(line.encode())
    assert same(whole.state, single.state)
    assert (whole.damaged, whole.lines) == (single.damaged, single.lines)


def test_an_incomplete_last_line_waits_for_its_end() -> None:
    fold = Fold(MailboxState(7))
    data = lines(2).encode()
    done = fold.feed(data[:-3])
    assert list(fold.state.uids) == [1]
    fold.feed(data[done:])
    assert list(fold.state.uids) == [1, 2]


def test_lines_that_make_no_sense_cost_only_themselves() -> None:
    fold = folded(lines(3) + "\0\0\0\n" + "a 4 x S 1 1 four\nf 1\n" + "x 2 9\nq 1\nx z 1\n")
    assert list(fold.state.uids) == [1, 3]
    assert fold.damaged


HUGE = (
    "a 99999999999999999999999 4 - 1 1 four",
    "a 4294967296 4 - 1 1 four",
    "a 4 99999999999999999999999 - 1 1 four",
    "a 4 4 - 99999999999999999999999 1 four",
    "a 4 4 - 1 -1 four",
    "f 1 99999999999999999999999 S",
    "x 99999999999999999999999 4",
    "n 99999999999999999999999 4",
    "c 99999999999999999999999 4",
    "r -1",
)


@pytest.mark.parametrize("line", HUGE)
def test_a_number_that_no_message_has_costs_only_its_line(line: str) -> None:
    fold = folded(lines(2) + f"{line}\n" + arrival_line(5, 5, Arrival("five", 0, 1, 1)))
    assert fold.damaged
    assert list(fold.state.uids) == [1, 2, 5]
    assert (fold.state.uid_next, fold.state.highest_modseq) == (6, 5)
    columns = (fold.state.masks, fold.state.sizes, fold.state.dates, fold.state.bases)
    assert [len(column) for column in columns] == [3] * 4
    snapshot(fold.state, "boot", (900, 800))


def test_a_journal_that_cannot_be_read_leaves_no_descriptor(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reopened(folder).close()

    def fail(fold: Fold, data: bytes) -> int:
        raise MemoryError

    monkeypatch.setattr(Fold, "feed", fail)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(MemoryError):
        JournalFile.read(folder)
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_line_gives_a_uid_or_a_file_twice() -> None:
    fold = folded(lines(3) + arrival_line(2, 9, Arrival("other", 0, 1, 1)))
    fold.feed(arrival_line(9, 9, Arrival("m1", 0, 1, 1)).encode())
    assert list(fold.state.uids) == [1, 2, 3]
    assert fold.damaged


@given(st.binary(max_size=200))
def test_any_octets_fold_to_something(data: bytes) -> None:
    fold = Fold(MailboxState(7))
    fold.feed(lines(2).encode() + data + b"\n")
    assert list(fold.state.uids)[:1] in ([1], [2], []) or fold.damaged


@given(st.binary(min_size=1, max_size=60).filter(lambda raw: b"\0" not in raw and b"/" not in raw))
def test_any_file_name_stands_in_a_line(raw: bytes) -> None:
    name = os.fsdecode(raw)
    assert unescape(escape(name)) == name
    fold = folded(arrival_line(1, 1, Arrival(name, 0, 1, 1)))
    assert fold.state.bases == [name]


def test_what_others_append_is_followed_and_a_torn_line_cut(folder: str) -> None:
    mine, other = reopened(folder), reopened(folder)
    other.write(lines(2))
    assert mine.follow()
    assert list(mine.state.uids) == [1, 2]
    with open(f"{folder}/{journal.NAME}", "ab") as torn:
        torn.write(b"a 3 3 - 1 1 ha")
    assert not mine.follow()
    mine.write(arrival_line(3, 3, Arrival("m3", 0, 1, 1)))
    assert other.follow()
    assert list(other.state.uids) == [1, 2, 3]


def test_what_others_append_is_followed_piece_by_piece(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other, again = reopened(folder), reopened(folder), reopened(folder)
    for journals in (mine, other, again):
        journals.state.logging = True
    other.write(together_line([f"m{n}" for n in range(100)]))  # longer than a piece
    other.write(lines(100))
    assert again.follow()
    assert not again.has_more
    monkeypatch.setattr(journal_file, "FOLLOW_SIZE", 200)
    assert mine.follow()
    assert mine.has_more
    while mine.follow():
        pass
    for name in (*COLUMNS, *COUNTS, "together"):
        assert getattr(mine.state, name) == getattr(again.state, name)
    assert mine.state.log.since(0) == again.state.log.since(0)
    assert len(mine.state.log) == 100


def test_after_a_power_loss_uids_go_on_above_the_ceiling(folder: str) -> None:
    before = reopened(folder)
    path = Path(folder, journal.NAME)
    durable = path.read_text()
    before.write(lines(20))
    path.write_text(durable.replace(before._fold.boot, "another-boot"))  # the lines are lost
    after = reopened(folder)
    assert after.state.uid_validity == before.state.uid_validity
    assert after.state.uid_next > before.state.uid_next
    assert after.state.highest_modseq > before.state.highest_modseq
    assert after.state.durable_uid >= after.state.uid_next + RESERVE
    assert reopened(folder).state.uid_next == after.state.uid_next, "once a boot, not each time"


def test_nothing_is_given_out_above_the_durable_ceiling(folder: str) -> None:
    file = reopened(folder)
    assert not file.needs_reserve(RESERVE)
    assert file.needs_reserve(RESERVE + 1)
    line = file.reserve(5000)
    assert file.needs_reserve(5000), "the ceiling counts when it is durable, not when written"
    file.write(line)
    assert not file.needs_reserve(5000)


def test_a_journal_that_is_none_gives_a_higher_uid_validity(folder: str) -> None:
    first = reopened(folder).state.uid_validity
    Path(folder, journal.NAME).write_bytes(b"\0" * 4096)
    second = reopened(folder).state.uid_validity
    Path(folder, journal.NAME).unlink()
    assert first < second < reopened(folder).state.uid_validity


def test_uid_validity_grows_within_a_second_and_when_the_clock_goes_back(tmp_path: Path) -> None:
    given = [next_uid_validity(tmp_path, now) for now in (1000.0, 1000.5, 500.0)]
    assert given == [1000, 1001, 1002]


def test_compaction_is_all_or_nothing_when_the_disk_is_full(folder: str) -> None:
    file = reopened(folder)
    file.write(lines(5))
    Path(folder, f"{journal.NAME}~").mkdir()  # the file aside cannot be written
    with pytest.raises(OSError, match="directory"):
        file.replace()
    file.write(arrival_line(6, 6, Arrival("m6", 0, 1, 1)))
    assert list(reopened(folder).state.uids) == [1, 2, 3, 4, 5, 6]


def test_a_lock_file_that_is_removed_keeps_nobody_waiting(folder: str) -> None:
    held = open_lock(folder)
    assert take_lock(folder, held)
    got = threading.Event()

    def wait() -> None:
        with lock_mailbox(folder):
            got.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    Path(folder, LOCK_NAME).unlink()
    release_lock(held)
    assert got.wait(20)
    waiting.join()
    os.close(held)
