"""Lines about messages are kept in files, for `mailraven trace`."""

import json
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailraven.observe import log
from mailraven.observe.kept_log import PARTS, KeptLog, prune, segments

DAY = 86400.0
LARGE = 1 << 30


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the log of this process keeps lines, for a day."""
    log.setup("smtpd")
    log.keep(tmp_path / "traces", DAY, LARGE)
    yield tmp_path / "traces"
    log.keep(tmp_path, 0, 0)
    log.setup("mailraven")


def kept(folder: Path) -> list[dict[str, object]]:
    log.flush()
    texts = [segment.path.read_text() for segment in segments(folder)]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def test_lines_about_a_message_are_kept_word_by_word(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    log.event("accept", trace="4f1c9a0b77de", from_="a@example.net", to=["b@example.org"])
    log.event("broken-entry", level="error", queue_id="q1", error="\u009b31m")
    log.flush()
    (segment,) = segments(folder)
    assert segment.path.read_bytes() == capfdbinary.readouterr().err


def test_lines_about_no_message_are_not_kept(folder: Path) -> None:
    log.event("ready", pid=1)
    log.event("login", account="alice@example.org")
    assert kept(folder) == []


def test_refusals_are_kept_of_those_only_who_are_logged_in(folder: Path) -> None:
    log.event("reject", trace="1", reply="550 no")
    log.event("reject", trace="2", reply="550 no", account="alice@example.org")
    assert [line["trace"] for line in kept(folder)] == ["2"]


def test_what_is_kept_does_not_depend_on_the_level_and_the_form_of_stderr(folder: Path) -> None:
    log.setup("smtpd", level="error", format="text")
    assert log.wants("info")
    log.event("accept", trace="1")
    log.event("session-of", level="debug", trace="2")
    assert [line["trace"] for line in kept(folder)] == ["1"]


def test_a_note_is_kept_and_not_shown(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    log.note("operator", trace="1", verb="hold", to=None)
    (line,) = kept(folder)
    assert (line["event"], line["verb"], "to" in line) == ("operator", "hold", False)
    assert capfdbinary.readouterr().err == b""


def test_what_root_makes_is_the_daemons(tmp_path: Path) -> None:
    owner = 12345 if os.geteuid() == 0 else os.geteuid()
    os.chown(tmp_path, owner, -1)
    writer = KeptLog(tmp_path / "traces", DAY, LARGE)
    writer.add(b"{}\n")
    writer.close()
    made = [tmp_path / "traces", segments(tmp_path / "traces")[0].path]
    assert [path.stat().st_uid for path in made] == [owner, owner]


def test_lines_reach_the_disk_by_themselves(folder: Path) -> None:
    log.event("accept", trace="1")
    deadline = time.monotonic() + 60
    while not segments(folder) or not segments(folder)[0].path.stat().st_size:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_forked_process_keeps_its_own_lines_and_not_its_parents_again(folder: Path) -> None:
    log.event("accept", trace="of the parent")
    child = os.fork()
    if child == 0:
        log.event("accept", trace="of the child")
        log.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    traces = [line["trace"] for line in kept(folder)]
    assert sorted(traces) == ["of the child", "of the parent"]


def test_a_line_that_was_cut_off_spoils_only_itself(tmp_path: Path) -> None:
    first = KeptLog(tmp_path, DAY, LARGE)
    first.add(b'{"n":1}\n')
    first.flush()
    (segment,) = segments(tmp_path)
    with segment.path.open("ab") as file:
        file.write(b'{"n":2')
    second = KeptLog(tmp_path, DAY, LARGE)
    second.add(b'{"n":3}\n')
    second.close()
    assert segment.path.read_bytes().splitlines() == [b'{"n":1}', b'{"n":2', b'{"n":3}']


def test_a_full_disk_costs_lines_and_no_others(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))
        full = KeptLog(tmp_path, DAY, LARGE)
        for number in range(3):
            full.add(b'{"number":%d}\n' % number)
            full.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    again = KeptLog(tmp_path, DAY, LARGE)
    again.add(b'{"number":9}\n')
    again.close()
    (segment,) = segments(tmp_path)
    lines = segment.path.read_bytes().splitlines()
    assert (lines[0], lines[-1]) == (b'{"number":0}', b'{"number":9}')


def test_all_files_together_stay_below_their_limit(tmp_path: Path) -> None:
    size = PARTS * 1000
    writer = KeptLog(tmp_path, DAY, size)
    for number in range(200):
        writer.add(b"%0499d\n" % number)
        writer.flush()
        assert sum(one.path.stat().st_size for one in segments(tmp_path)) <= size
    writer.close()
    assert segments(tmp_path)[-1].path.read_bytes().endswith(b"199\n")
    assert len(segments(tmp_path)) >= PARTS - 1


def test_files_sort_by_day_and_number(tmp_path: Path) -> None:
    names = ["2026-11-22.999.jsonl", "2026-11-22.1000.jsonl", "2026-11-23.000.jsonl"]
    for name in [*reversed(names), "2026-11-22.jsonl", "notes.txt"]:
        (tmp_path / name).touch()
    assert [one.path.name for one in segments(tmp_path)] == names


def test_days_that_are_over_go(tmp_path: Path) -> None:
    for day in ("2026-10-01", "2026-10-02", "2026-10-03"):
        (tmp_path / f"{day}.000.jsonl").write_text("{}\n")
    prune(tmp_path, 1790899200.0, LARGE)  # 2026-10-02T00:00:00Z
    assert [one.day for one in segments(tmp_path)] == ["2026-10-02", "2026-10-03"]


def test_a_folder_that_cannot_be_made_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    writer = KeptLog(tmp_path / "file", DAY, LARGE)
    writer.add(b"{}\n")
    writer.close()
    assert (tmp_path / "file").read_bytes() == b""
