"""INPROGRESS (RFC 9585)."""

from mailraven.imap.progress import INTERVAL, Progress


def test_a_report_names_command_progress_and_goal() -> None:
    progress = Progress(b"a1", 0.0)
    line = progress.line(INTERVAL, 454, 1000)
    assert line == b'* OK [INPROGRESS ("a1" 454 1000)] 454 of 1000 messages\r\n'


def test_reports_are_rare() -> None:
    progress = Progress(b"a", 100.0)
    assert not progress.line(100.0 + INTERVAL / 2, 1, 9)
    assert progress.line(100.0 + INTERVAL, 1, 9)
    assert not progress.line(101.0 + INTERVAL, 2, 9)
    assert progress.line(100.0 + 2 * INTERVAL, 3, 9)


def test_progress_never_goes_back_and_never_reaches_its_goal() -> None:
    progress = Progress(b"a", 0.0)
    assert progress.line(1 * INTERVAL, 5, 10)
    assert not progress.line(2 * INTERVAL, 4, 10)
    assert not progress.line(3 * INTERVAL, 10, 10)
    assert progress.line(4 * INTERVAL, 60, 100)
