"""What an account keeps is known from one small file, which heals itself."""

import os
from pathlib import Path

import pytest

from mailraven.store import usage as accounting
from mailraven.store.account import create, create_mailboxes, delete
from mailraven.store.mailbox import AppendData
from mailraven.store.mailstore import MailStore
from mailraven.store.usage import NAME, NOTHING, Usage, add_usage, count, has_room, usage
from unit.store.boxes import HELLO, put, tell, with_messages

NOW = 1_700_000_000.0
FOREIGN = "1700000000.M1P1.host"


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    create_mailboxes(tmp_path / "Maildir")
    return tmp_path / "Maildir"


def test_the_folders_are_counted_once_then_lines_are_added(maildir: Path) -> None:
    put(maildir, f"new/{FOREIGN}")
    put(maildir, f".Sent/cur/1700000001.M2P1.host,S={len(HELLO)},W={len(HELLO)}:2,S")
    assert usage(maildir, NOW) == Usage(2 * len(HELLO), 2)
    add_usage(maildir, 100, 1)
    add_usage(maildir, -len(HELLO), -1)
    assert usage(maildir, NOW + 60) == Usage(len(HELLO) + 100, 2)


def test_nobody_counts_for_an_account_without_a_limit(maildir: Path) -> None:
    add_usage(maildir, 100, 1)
    assert not (maildir / NAME).exists()


def test_other_programs_are_noticed_within_a_day(maildir: Path) -> None:
    assert usage(maildir, NOW) == NOTHING
    put(maildir, f"new/{FOREIGN}")
    assert usage(maildir, NOW + accounting.COUNT_LIFETIME - 1) == NOTHING
    assert usage(maildir, NOW + accounting.COUNT_LIFETIME) == Usage(len(HELLO), 1)


def test_a_full_account_is_counted_again_sooner_but_not_each_time(maildir: Path) -> None:
    path = put(maildir, f"new/{FOREIGN}")
    limit, one = Usage(messages=1), Usage(1, 1)
    assert not has_room(maildir, limit, one, NOW)
    path.unlink()
    assert not has_room(maildir, limit, one, NOW + accounting.FULL_LIFETIME - 1)
    assert has_room(maildir, limit, one, NOW + accounting.FULL_LIFETIME)


@pytest.mark.parametrize(
    "text", [b"", b"x\n", b"mailraven-usage 1 x\n", b"mailraven-usage 1 9\n-1 0\n"]
)
def test_a_file_that_makes_no_sense_is_counted_anew(maildir: Path, text: bytes) -> None:
    put(maildir, f"new/{FOREIGN}")
    (maildir / NAME).write_bytes(text)
    assert usage(maildir, NOW) == Usage(len(HELLO), 1)


def test_a_clock_that_went_back_leads_to_a_count(maildir: Path) -> None:
    usage(maildir, NOW)
    put(maildir, f"new/{FOREIGN}")
    assert usage(maildir, NOW - 3600) == Usage(len(HELLO), 1)


def test_the_file_stays_small_and_its_sum_right(maildir: Path) -> None:
    usage(maildir, NOW)
    for size in range(2000):
        add_usage(maildir, size, 1)
    assert (maildir / NAME).stat().st_size <= accounting.SIZE_LIMIT
    assert usage(maildir, NOW + 1) == Usage(sum(range(2000)), 2000)


def test_a_link_in_its_place_is_not_followed(maildir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"mailraven-usage 1 1700000000\n5 5\n")
    (maildir / NAME).symlink_to(other)
    add_usage(maildir, 1, 1)
    usage(maildir, NOW)
    assert other.read_bytes().endswith(b"5 5\n")


def test_the_store_tells_of_all_that_it_does(tmp_path: Path) -> None:
    async def story(store: MailStore, maildir: Path) -> None:
        usage(maildir, NOW)

        def agree() -> None:
            assert usage(maildir, NOW + 1) == count(maildir)

        inbox = await with_messages(store, maildir, 5)
        agree()
        create(maildir, "Work")
        work = await store.open(maildir, "Work")
        await inbox.copy([1, 2, 3], work)
        agree()
        await inbox.move([1, 2], work)
        agree()
        await inbox.expunge([3, 4, 99])
        agree()
        await inbox.append(AppendData([HELLO]))
        agree()
        await store.close(work)
        delete(maildir, "Work")
        agree()
        await store.close(inbox)

    tell(tmp_path, story)


def test_what_is_no_folder_holds_no_mail(maildir: Path) -> None:
    (maildir / ".Sent" / "cur").rmdir()
    os.mkfifo(maildir / ".Sent" / "cur")
    assert usage(maildir, NOW) == NOTHING
