"""What `mailraven status` makes of the answers of daemons, of silence and of nonsense."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailraven.ops.control_client import ask
from mailraven.ops.errors import OperationError
from mailraven.ops.status import reload_all, server_status, set_log_level, total_facts

OURS = ["smtpd", "imapd", "queued", "authd", "limitd"]


@contextmanager
def daemon(run: Path, name: str, answer: bytes) -> Iterator[list[dict[str, object]]]:
    """A socket that gives each caller the same answer; what was asked."""
    asked: list[dict[str, object]] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(run / f"{name}.sock"))
    listener.listen()

    def serve() -> None:
        while True:
            caller, _ = listener.accept()
            with caller:
                line = caller.makefile("rb").readline()
                if not line:
                    return
                asked.append(json.loads(line))
                caller.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(run / f"{name}.sock"))
        thread.join()
        listener.close()


def test_a_missing_daemon_is_named(tmp_path: Path) -> None:
    assert [one.daemon for one in server_status(tmp_path)] == OURS
    assert all("is not running" in str(one.problem) for one in server_status(tmp_path))


def test_a_socket_that_nobody_serves_is_a_missing_daemon(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "smtpd.sock"))
    assert "is not running" in str(server_status(tmp_path)[0].problem)


def test_a_running_daemon_tells_its_facts(tmp_path: Path) -> None:
    with daemon(tmp_path, "smtpd", b'{"pid":7,"connections":3}\n') as asked:
        status = server_status(tmp_path)[0]
    assert asked == [{"op": "status"}]
    assert (status.facts["pid"], status.problem) == (7, None)


def test_a_mistake_that_a_daemon_did_not_take_over_is_a_problem(tmp_path: Path) -> None:
    with daemon(tmp_path, "imapd", b'{"pid":7,"config_problems":["x.toml:3: bad"]}\n'):
        assert server_status(tmp_path)[1].problem == "x.toml:3: bad"
        assert dict(reload_all(tmp_path))["imapd"] == "x.toml:3: bad"


@pytest.mark.parametrize("answer", [b"nonsense\n", b"[]\n", b"", b'{"half'])
def test_nonsense_is_no_answer(tmp_path: Path, answer: bytes) -> None:
    with daemon(tmp_path, "authd", answer), pytest.raises(OperationError, match="authd does not"):
        ask(tmp_path, "authd", {"op": "status"})


def test_further_daemons_are_asked_workers_and_lmtp_are_not(tmp_path: Path) -> None:
    for name in ("smtpd.1", "queued.couriers", "lmtp"):
        (tmp_path / f"{name}.sock").touch()
    with daemon(tmp_path, "backupd", b"{}\n"):
        assert [one.daemon for one in server_status(tmp_path)] == [*OURS, "backupd"]


def test_a_level_that_a_daemon_does_not_know_is_said(tmp_path: Path) -> None:
    with (
        daemon(tmp_path, "smtpd", b'{"error":"no such level"}\n'),
        pytest.raises(OperationError, match="smtpd: no such level"),
    ):
        set_log_level(tmp_path, "smtpd", "loud")


def test_facts_of_workers_are_added_up() -> None:
    facts: dict[str, object] = {
        "pid": 1,
        "workers": [
            {"pid": 2, "worker": 1, "connections": 3, "tls": True, "state": "fine"},
            {"pid": 3, "worker": 2, "connections": 4, "tls": False, "state": "busy"},
            {"worker": 3, "error": "does not answer"},
        ],
    }
    expected = {"workers": 3, "connections": 7, "tls": False, "state": "busy"}
    assert total_facts(facts) == expected
