"""Records of verdicts: one line each, kept for so many days, found by either id."""

from pathlib import Path

import pytest

from mailraven.spam import records as spam_records
from mailraven.spam.records import VerdictRecords, find_records, prune_records, records

DAY = 86400
NOON = 1_700_000_000 - 1_700_000_000 % DAY + DAY // 2


@pytest.mark.req("AS8")
def test_days_that_are_over_are_removed(tmp_path: Path) -> None:
    log = VerdictRecords(tmp_path / "verdicts")
    for day in range(40):
        log.append({"trace": f"t{day}"}, NOON + day * DAY)
    assert prune_records(tmp_path / "verdicts", NOON + 39 * DAY - 30 * DAY) == 9
    assert [record["trace"] for record in records(tmp_path / "verdicts")][-1] == "t9"
    log.close()


def test_a_record_is_found_by_trace_and_by_message_id(tmp_path: Path) -> None:
    log = VerdictRecords(tmp_path)
    log.append({"trace": "4f1c9", "message_id": "<1@example.net>"}, NOON)
    log.append({"trace": "4f1ca", "message_id": "<2@example.net>", "subject": "4f1c9"}, NOON + DAY)
    for wanted in ("4f1c9", "<1@example.net>", "1@example.net"):
        (record,) = find_records(tmp_path, wanted)
        assert record["trace"] == "4f1c9"
    assert list(find_records(tmp_path, "nothing")) == []


def test_broken_lines_are_passed_over(tmp_path: Path) -> None:
    log = VerdictRecords(tmp_path)
    log.append({"trace": "4f1c9"}, NOON)
    (path,) = tmp_path.iterdir()
    path.write_bytes(b'{"trace": "4f1c9\n\xff\xfe\n[]\n' + path.read_bytes())
    assert [record["trace"] for record in find_records(tmp_path, "4f1c9")] == ["4f1c9"]


def test_a_file_that_somebody_removed_is_made_anew(tmp_path: Path) -> None:
    log = VerdictRecords(tmp_path)
    log.append({"trace": "1"}, NOON)
    next(tmp_path.iterdir()).unlink()
    log.append({"trace": "2"}, NOON)
    assert [record["trace"] for record in records(tmp_path)] == ["2"]


def test_what_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "verdicts").touch()
    VerdictRecords(tmp_path / "verdicts").append({"trace": "1"}, NOON)


def test_a_line_that_was_cut_off_spoils_only_itself(tmp_path: Path) -> None:
    log = VerdictRecords(tmp_path)
    log.append({"trace": "1"}, NOON)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b'{"trace": "2", "sub')
    assert [one["trace"] for one in find_records(tmp_path, "1")] == ["1"]
    again = VerdictRecords(tmp_path)
    again.append({"trace": "3"}, NOON)
    assert [one["trace"] for one in records(tmp_path)] == ["3", "1"]


def test_text_that_is_no_unicode_stops_nobody(tmp_path: Path) -> None:
    log = VerdictRecords(tmp_path)
    log.append({"trace": "1", "helo": "\ud800"}, NOON)
    log.append({"trace": "2"}, NOON)
    assert next(one["trace"] for one in records(tmp_path)) == "2"


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
def test_records_are_read_from_the_end_wherever_a_block_is_cut(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spam_records, "BLOCK", block)
    log = VerdictRecords(tmp_path)
    for number in range(30):
        log.append({"trace": f"t{number}", "subject": "x" * number}, NOON)
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"\n\n" + path.read_bytes() + b"\n")
    newest_first = [f"t{number}" for number in reversed(range(30))]
    assert [record["trace"] for record in records(tmp_path)] == newest_first
    assert [record["trace"] for record in find_records(tmp_path, "t1")] == ["t1"]


def test_a_line_without_end_costs_no_memory_and_hides_nothing_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spam_records, "BLOCK", 100)
    monkeypatch.setattr(spam_records, "LINE_LIMIT", 1000)
    log = VerdictRecords(tmp_path)
    for trace in "12":
        log.append({"trace": trace}, NOON)
    (path,) = tmp_path.iterdir()
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b"." * 5000 + b"\n" + second)
    assert [record["trace"] for record in records(tmp_path)] == ["2", "1"]
