"""What `mailraven record` orders: bounded in time, size and number, in files of their own."""

from pathlib import Path

import pytest

from mailraven.daemons import imap_record
from mailraven.daemons.imap_record import Recordings

ALICE = "alice@example.org"


@pytest.fixture
def recordings(tmp_path: Path) -> Recordings:
    return Recordings(tmp_path / "orders", tmp_path / "records")


def order(recordings: Recordings, seconds: float = 600) -> None:
    assert recordings.answer({"account": ALICE, "seconds": seconds})["ok"]


def test_only_sessions_of_the_ordered_account_are_recorded(recordings: Recordings) -> None:
    assert recordings.begin(ALICE, "s1") is None
    order(recordings)
    assert recordings.begin("bob@example.org", "s2") is None
    recorder = recordings.begin(ALICE, "s3")
    assert recorder
    recorder.server(b"login OK logged in\r\n")
    recorder.client(b"a NOOP\r\n")
    recorder.server(b"a OK done\r\n")
    recordings.end(recorder, by_server=False)
    recordings.shut()
    assert recorder.path.read_text().splitlines() == ["C: a NOOP", "S: a OK done", "-- close"]


def test_a_file_ends_at_its_size(recordings: Recordings) -> None:
    order(recordings)
    recorder = recordings.begin(ALICE, "s")
    assert recorder
    line = b"* OK " + b"a" * 10_000 + b"\r\n"
    for _ in range(200):
        recorder.server(line)
    recordings.shut()
    size = recorder.path.stat().st_size
    assert imap_record.SIZE_LIMIT < size < imap_record.SIZE_LIMIT + 2 * len(line)


def test_an_order_ends_with_its_time(recordings: Recordings) -> None:
    order(recordings)
    assert recordings.answer({})["recordings"]
    order(recordings, 0)
    assert recordings.begin(ALICE, "s") is None
    assert recordings.answer({})["recordings"] == []


def test_the_files_of_an_order_are_counted_and_the_oldest_of_earlier_ones_go(
    recordings: Recordings,
) -> None:
    order(recordings)
    folder = recordings.top / ALICE
    folder.mkdir(parents=True)
    for number in range(150):
        (folder / f"20200101T000000Z-{number:03}.txt").touch()
    recorder = recordings.begin(ALICE, "s")
    assert recorder
    recorder.path.touch()
    assert len(list(folder.iterdir())) == imap_record.FILES_LIMIT
    for number in range(imap_record.FILES_LIMIT):
        (folder / f"29990101T000000Z-{number:03}.txt").touch()
    assert recordings.begin(ALICE, "s") is None


@pytest.mark.parametrize("account", ["../x@example.org", "x@../y", "", "x", "a/b@example.org"])
def test_no_account_name_leads_out_of_the_folder(recordings: Recordings, account: str) -> None:
    assert "error" in recordings.answer({"account": account, "seconds": 60})
    assert not recordings.orders.exists()


def test_a_disk_that_refuses_ends_no_session(recordings: Recordings) -> None:
    order(recordings)
    recordings.top.touch()
    assert recordings.begin(ALICE, "s") is None
