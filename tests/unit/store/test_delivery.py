"""A message is in new/ of every recipient when the future is done, or in none."""

import asyncio
import os
from collections.abc import Awaitable
from pathlib import Path

import pytest

from mailraven.store import delivery
from mailraven.store.delivery import Content, Deliverer
from unit.store.another_disk import another_disk

MESSAGE = b"From: <a@example.org>\r\nSubject: hello\r\n\r\nbody\r\n"


def maildir(root: Path, name: str) -> Path:
    for folder in ("new", "cur", "tmp"):
        (root / name / folder).mkdir(parents=True)
    return root / name


def delivered(folder: Path) -> list[bytes]:
    return [(folder / "new" / name).read_bytes() for name in sorted(os.listdir(folder / "new"))]


async def with_deliverer(*jobs: tuple[list[Path], Content]) -> list[BaseException | None]:
    deliverer = Deliverer()
    waiting: list[Awaitable[None]] = [deliverer.deliver(dirs, content) for dirs, content in jobs]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.to_thread(deliverer.close)
    return list(results)


def test_every_message_of_a_batch_arrives_whole(tmp_path: Path) -> None:
    box = maildir(tmp_path, "alice")
    messages = [MESSAGE + b"%d\r\n" % number for number in range(300)]
    jobs = [([box], Content(len(m), [m[:10], m[10:]])) for m in messages]
    assert asyncio.run(with_deliverer(*jobs)) == [None] * 300
    assert sorted(delivered(box)) == sorted(messages)
    assert os.listdir(box / "tmp") == []


def test_several_recipients_share_one_file(tmp_path: Path) -> None:
    boxes = [maildir(tmp_path, name) for name in ("alice", "bob", "carol")]
    assert asyncio.run(with_deliverer((boxes, Content(len(MESSAGE), [MESSAGE])))) == [None]
    inodes = {next((box / "new").iterdir()).stat().st_ino for box in boxes}
    assert len(inodes) == 1
    assert [delivered(box) for box in boxes] == [[MESSAGE]] * 3


def test_a_recipient_who_cannot_get_it_takes_it_from_all(tmp_path: Path) -> None:
    good, broken = maildir(tmp_path, "alice"), tmp_path / "nobody"
    other = MESSAGE + b"other\r\n"
    results = asyncio.run(
        with_deliverer(
            ([good, broken], Content(len(MESSAGE), [MESSAGE])),
            ([good], Content(len(other), [other])),
        )
    )
    assert isinstance(results[0], FileNotFoundError)
    assert results[1] is None
    assert delivered(good) == [other]
    assert os.listdir(good / "tmp") == []


def test_a_spilled_file_is_taken_over(tmp_path: Path) -> None:
    box = maildir(tmp_path, "alice")
    spilled = box / "tmp" / "incoming"
    spilled.write_bytes(MESSAGE * 1000)
    content = Content(len(MESSAGE) * 1000, spilled=spilled)
    assert asyncio.run(with_deliverer(([box], content))) == [None]
    assert delivered(box) == [MESSAGE * 1000]
    assert not spilled.exists()


def test_a_recipient_on_another_disk_gets_a_copy(tmp_path: Path) -> None:
    with another_disk(tmp_path) as elsewhere:
        boxes = [maildir(tmp_path, "alice"), maildir(Path(elsewhere), "bob")]
        spilled = boxes[0] / "tmp" / "incoming"
        spilled.write_bytes(MESSAGE * 1000)
        small = Content(len(MESSAGE), [MESSAGE])
        large = Content(len(MESSAGE) * 1000, spilled=spilled)
        assert asyncio.run(with_deliverer((boxes, small), (boxes, large))) == [None, None]
        for box in boxes:
            assert sorted(delivered(box)) == sorted([MESSAGE, MESSAGE * 1000])
            assert os.listdir(box / "tmp") == []


def test_folders_that_a_maildir_lacks_are_made(tmp_path: Path) -> None:
    boxes = [maildir(tmp_path, name) for name in ("alice", "bob", "carol")]
    for folder in ("alice/tmp", "carol/new", "carol/cur"):
        (tmp_path / folder).rmdir()
    assert asyncio.run(with_deliverer((boxes, Content(len(MESSAGE), [MESSAGE])))) == [None]
    assert [delivered(box) for box in boxes] == [[MESSAGE]] * 3


def test_the_names_carry_the_size_and_are_unique(tmp_path: Path) -> None:
    box = maildir(tmp_path, "alice")
    jobs = [([box], Content(len(MESSAGE), [MESSAGE])) for _ in range(50)]
    asyncio.run(with_deliverer(*jobs))
    names = os.listdir(box / "new")
    assert len(names) == 50
    assert all(name.endswith(f",S={len(MESSAGE)},W={len(MESSAGE)}") for name in names)


def test_no_250_when_the_folder_cannot_be_made_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("mailraven.store.delivery.fsync_dir", fail)
    box = maildir(tmp_path, "alice")
    (result,) = asyncio.run(with_deliverer(([box], Content(len(MESSAGE), [MESSAGE]))))
    assert isinstance(result, OSError)
    assert delivered(box) == []


def test_senders_wait_for_room_in_turn_and_never_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = maildir(tmp_path, "alice")
    content = Content(len(MESSAGE), [MESSAGE])

    async def main() -> list[str]:
        deliverer = Deliverer()
        told: list[str] = []

        async def wait(name: str) -> None:
            await deliverer.room()
            told.append(name)

        await deliverer.room()  # nothing waits: at once
        jobs = [deliverer.deliver([box], content) for _ in range(delivery.WAITING_LIMIT)]
        waiters = [asyncio.create_task(wait(name)) for name in ("first", "second")]
        await asyncio.sleep(0)
        assert told == []
        await asyncio.gather(*jobs, *waiters)
        monkeypatch.setattr(delivery, "ROOM_SECONDS", 0.01)
        monkeypatch.setattr(delivery, "WAITING_LIMIT", 0)
        await deliverer.room()  # nothing is ever committed now, and yet it returns
        await asyncio.to_thread(deliverer.close)
        return told

    assert asyncio.run(main()) == ["first", "second"]


def test_names_sort_by_time_of_arrival() -> None:
    names = [delivery.unique_name(1795389410 + part, 1) for part in (0.000012, 0.09, 0.5)]
    assert names == sorted(names)
