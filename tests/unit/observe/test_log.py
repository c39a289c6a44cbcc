"""What a peer says is logged so that no terminal obeys it."""

import json
import threading
from collections.abc import Callable, Iterator
from select import PIPE_BUF

import pytest

from mailraven.observe import log


@pytest.mark.parametrize("format", ["json", "text"])
def test_no_control_of_a_peer_reaches_the_terminal(
    capfdbinary: pytest.CaptureFixture[bytes], format: str
) -> None:
    helo = "a\u009b31m\x1b[2J\x7f\u0085\r\nb\u0080é\u00a0"
    log.setup("smtpd", format=format)
    log.event("connect", helo=helo, names=[helo])
    log.setup("mailraven")
    line = capfdbinary.readouterr().err
    assert line.count(b"\n") == 1
    text = line.decode()
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text[:-1])
    if format == "json":
        assert json.loads(text)["helo"] == helo
        assert "é" in text


@pytest.fixture
def turn() -> Iterator[list[Callable[[], None]]]:
    """What is to be called at the end of the turn, while lines wait for each other."""
    calls: list[Callable[[], None]] = []
    log.gather(calls.append)
    yield calls
    log.flush()


def events(written: bytes) -> list[str]:
    return [json.loads(line)["event"] for line in written.splitlines()]


Capture = pytest.CaptureFixture[bytes]


def test_lines_of_a_turn_wait_for_its_end_or_for_a_reply(
    turn: list[Callable[[], None]], capfdbinary: Capture
) -> None:
    log.event("queued")
    log.event("accept")
    assert capfdbinary.readouterr().err == b"" and len(turn) == 1
    turn.pop()()
    assert events(capfdbinary.readouterr().err) == ["queued", "accept"]
    log.event("queued")
    log.show()
    assert events(capfdbinary.readouterr().err) == ["queued"]
    turn.pop()()
    assert capfdbinary.readouterr().err == b""


def test_no_warning_waits_and_it_comes_behind_what_was_said_before(
    turn: list[Callable[[], None]], capfdbinary: Capture
) -> None:
    log.event("accept")
    log.event("brake-on", level="warn")
    assert events(capfdbinary.readouterr().err) == ["accept", "brake-on"]


def test_lines_of_other_threads_and_after_the_loop_do_not_wait(
    turn: list[Callable[[], None]], capfdbinary: Capture
) -> None:
    thread = threading.Thread(target=log.event, args=("fsynced",))
    thread.start()
    thread.join()
    assert events(capfdbinary.readouterr().err) == ["fsynced"]

    def ended(call: Callable[[], None]) -> None:
        raise RuntimeError("Event loop is closed")

    log.gather(ended)
    log.event("stopped")
    assert events(capfdbinary.readouterr().err) == ["stopped"]


def test_no_write_is_larger_than_a_pipe_takes_whole(
    turn: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(log, "_write", written.append)
    for _ in range(20):
        log.event("accept", to="x" * 500)
    log.show()
    assert max(map(len, written)) <= PIPE_BUF < sum(map(len, written))
    assert events(b"".join(written)) == ["accept"] * 20
    assert all(text.endswith(b"\n") for text in written)


def test_a_fact_that_is_too_long_is_cut(capfdbinary: Capture) -> None:
    log.event("connect", helo="x" * (log.FACT_LIMIT + 1), from_="y" * log.FACT_LIMIT, to=None)
    line = json.loads(capfdbinary.readouterr().err)
    assert line["helo"] == "x" * log.FACT_LIMIT + "…"
    assert line["from"] == "y" * log.FACT_LIMIT and "to" not in line
