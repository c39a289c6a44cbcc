"""What is collected a day at a time."""

from datetime import date
from pathlib import Path

from mailraven.reports.day_files import forget_old, mark_sent, sent_on
from mailraven.reports.dmarc_days import collect, seen_on
from mailraven.senderauth.feedback import Row
from mailraven.senderauth.results import PublishedPolicy

DAY = date(2026, 11, 22)
NOON = 1_795_348_800.0
POLICY = PublishedPolicy("example.org", "reject", aggregate_to=("mailto:a@example.org",))
ONE, OTHER = Row("192.0.2.1", "example.org"), Row("192.0.2.2", "example.org")


def test_messages_are_counted_by_day_and_domain(tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "dmarc"
    for row in (ONE, ONE, OTHER):
        collect(folder, POLICY, row, NOON)
    collect(folder, PublishedPolicy("example.net"), ONE, NOON)
    collect(folder, POLICY, ONE, NOON + 86_400)
    seen = seen_on(folder, DAY)
    assert seen.keys() == {"example.org", "example.net"}
    assert (seen["example.org"].rows, seen["example.org"].published) == ({ONE: 2, OTHER: 1}, POLICY)


def test_a_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    collect(tmp_path, POLICY, ONE, NOON)
    path = tmp_path / f"{DAY}.jsonl"
    path.write_bytes(path.read_bytes()[:-9] + b"\n" + path.read_bytes() + b"\xff{\n")
    assert seen_on(tmp_path, DAY)["example.org"].rows == {ONE: 1}


def test_a_day_without_mail_is_empty(tmp_path: Path) -> None:
    assert seen_on(tmp_path, DAY) == {}
    assert sent_on(tmp_path, DAY) == set()


def test_who_has_been_told_is_known(tmp_path: Path) -> None:
    mark_sent(tmp_path, DAY, "example.org")
    mark_sent(tmp_path, DAY, "example.net")
    assert sent_on(tmp_path, DAY) == {"example.org", "example.net"}


def test_old_days_are_forgotten(tmp_path: Path) -> None:
    collect(tmp_path, POLICY, ONE, NOON)
    mark_sent(tmp_path, DAY, "example.org")
    forget_old(tmp_path, date(2026, 12, 22))
    assert len(list(tmp_path.iterdir())) == 2
    forget_old(tmp_path, date(2026, 12, 23))
    assert not list(tmp_path.iterdir())
