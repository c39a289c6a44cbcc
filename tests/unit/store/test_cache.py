"""The cache: append-only, disposable, and never believed blindly."""

import os
import random
from pathlib import Path

import pytest

from mailraven.imap.summary import envelope_of, has_structure
from mailraven.store.cache import (
    NAME,
    PARTS_AT_ONCE,
    READ_AHEAD,
    RECORD_LIMIT,
    Cache,
    append_records,
    compact_cache,
    encode_record,
    make_record,
)
from mailraven.store.mailstore import MailStore
from unit.store.boxes import tell, with_messages

RECORDS = {f"170{n}.M{n}.mx": os.urandom(50 + n) for n in range(40)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    append_records(tmp_path, [encode_record(base, record) for base, record in RECORDS.items()])
    return tmp_path


def whole(cache: Cache) -> dict[str, bytes]:
    found = {base: cache.get(base) for base in RECORDS}
    return {base: record for base, record in found.items() if record is not None}


def test_what_was_appended_is_found_in_any_order(folder: Path) -> None:
    cache = Cache(str(folder))
    bases = list(RECORDS) * 2
    random.Random(1).shuffle(bases)
    assert all(cache.get(base) == RECORDS[base] for base in bases)
    assert cache.get("unknown") is None


def test_the_last_record_of_a_message_counts(folder: Path) -> None:
    cache, other = Cache(str(folder)), Cache(str(folder))
    base = next(iter(RECORDS))
    assert cache.get(base) == RECORDS[base]
    other.put(base, b"newer")
    assert other.get(base) == b"newer"
    other.put("more", b"x")
    assert cache.get("more") == b"x"
    assert cache.get(base) == b"newer"


def test_a_torn_record_costs_only_itself(folder: Path) -> None:
    torn = encode_record("torn", b"y" * 100)
    append_records(folder, [torn[:60]])
    append_records(folder, [encode_record("after", b"z"), encode_record("later", b"z" * 300)])
    cache = Cache(str(folder))
    assert whole(cache) == RECORDS
    assert cache.get("torn") is None
    assert cache.get("later") == b"z" * 300


@pytest.mark.parametrize("seed", range(20))
def test_octets_that_the_disk_spoiled_are_never_served(folder: Path, seed: int) -> None:
    dice = random.Random(seed)
    data = bytearray((folder / NAME).read_bytes())
    for _ in range(3):
        at = dice.randrange(len(data))
        length = dice.choice([1, 16, 500])
        data[at : at + length] = dice.choice([bytes(length), os.urandom(length)])
    (folder / NAME).write_bytes(data)
    found = whole(Cache(str(folder)))
    assert all(record == RECORDS[base] for base, record in found.items())


def test_it_may_vanish_shrink_or_be_replaced_while_in_use(folder: Path) -> None:
    cache = Cache(str(folder))
    assert whole(cache) == RECORDS
    os.truncate(folder / NAME, 100)
    assert whole(cache).items() <= RECORDS.items()
    (folder / NAME).unlink()
    cache.close()
    assert whole(cache) == {}
    cache.put("again", b"here")
    assert cache.get("again") == b"here"


def test_compaction_keeps_what_is_asked_for(folder: Path) -> None:
    keep = list(RECORDS)[::4]
    compact_cache(str(folder), keep)
    assert whole(Cache(str(folder))) == {base: RECORDS[base] for base in keep}
    assert list((folder / "tmp").iterdir()) == []


def test_a_record_too_long_is_not_kept() -> None:
    assert encode_record("base", bytes(RECORD_LIMIT + 1)) == b""


def test_records_come_together_up_to_a_bound(tmp_path: Path) -> None:
    records = {f"{n}.M{n}.mx": os.urandom(READ_AHEAD // 5) for n in range(12)}
    append_records(tmp_path, [encode_record(*pair) for pair in records.items()])
    cache, bases = Cache(str(tmp_path)), list(records)
    for _ in range(2):  # as first read, and once they are known to be whole
        some = cache.get_some(["unknown", *bases])
        assert some == [None, *list(records.values())[:6]]
        assert cache.get_some(bases[::-1]) == list(records.values())[:-7:-1]


def test_a_file_cut_short_gives_no_record_that_was_whole_before(folder: Path) -> None:
    cache = Cache(str(folder))
    assert whole(cache) == RECORDS
    os.truncate(folder / NAME, (folder / NAME).stat().st_size // 2)
    left = whole(cache)
    assert left
    assert left.items() < RECORDS.items()


def test_records_are_made_of_renamed_files_and_not_of_removed_ones(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 3)
        (maildir / NAME).unlink()
        inbox.path(2).rename(f"{inbox.path(2)}F")
        inbox.path(3).unlink()
        first, renamed, removed = await inbox.make_summaries([1, 2, 3], whole=True)
        assert b'"0"' in bytes(envelope_of(first))
        assert b'"1"' in bytes(envelope_of(renamed))
        assert removed == b""
        assert inbox.summaries([1, 2, 3]) == [first, renamed, None]

    tell(tmp_path, story)


def test_structure_is_added_to_records_that_lack_it(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        inbox = await with_messages(store, maildir, 2)
        known = inbox.summaries([1, 2])
        (maildir / NAME).unlink()
        starts = await inbox.make_summaries([1, 2], whole=False)
        assert inbox.summaries([1, 2]) == starts
        assert list(map(envelope_of, starts)) == [envelope_of(one) for one in known if one]
        assert not any(map(has_structure, starts))
        assert [inbox.summary(1), *await inbox.make_summaries([2], whole=True)] == known
        assert inbox.summaries([1, 2]) == known

    tell(tmp_path, story)


def test_a_message_of_very_many_parts_is_filed_without_its_structure(folder: Path) -> None:
    message = b"Subject: many\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    for parts, is_whole in ((PARTS_AT_ONCE, True), (PARTS_AT_ONCE + 1, False)):
        append_records(folder, [make_record(str(parts), message + b"--b\r\n\r\n" * parts)])
        record = Cache(str(folder)).get(str(parts))
        assert record is not None
        assert b'"many"' in envelope_of(record)
        assert has_structure(record) is is_whole
