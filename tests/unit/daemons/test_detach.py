"""--detach: in the background without a service manager, with a pid file and a log."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from mailraven.daemons.control import ask

TOP = Path(__file__).parents[3]
PATIENCE = 60.0


def start(folder: Path, config: str) -> subprocess.CompletedProcess[str]:
    """Run bin/limitd detached from `folder`, with relative paths as a person types them."""
    (folder / "etc").mkdir()
    (folder / "etc" / "mailraven.toml").write_text(config)
    words = ["--etc", "etc", "--detach", "--pid-file", "run/x.pid", "--log-file", "log/x.log"]
    return subprocess.run(
        [sys.executable, str(TOP / "bin" / "limitd"), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def wait_until(path: Path, *, there: bool) -> None:
    deadline = time.monotonic() + PATIENCE
    while path.exists() != there:
        assert time.monotonic() < deadline, path
        time.sleep(0.02)


def test_a_detached_daemon_serves_logs_and_leaves_no_pid_file_behind(tmp_path: Path) -> None:
    config = f'hostname = "mx.example.org"\n[paths]\ndata = "{tmp_path}"\n'
    config += f'run = "{tmp_path}/run"\ncache = "{tmp_path}/cache"\n'
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "x.pid").write_text("4194305\n")  # of one that was killed: no such process
    assert start(tmp_path, config).returncode == 0
    control = tmp_path / "run" / "limitd.sock"
    wait_until(control, there=True)
    pid = int((tmp_path / "run" / "x.pid").read_text())
    try:
        assert ask(control, {"op": "status"})["pid"] == pid
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_until(tmp_path / "run" / "x.pid", there=False)
    assert '"event":"ready"' in (tmp_path / "log" / "x.log").read_text()


def test_a_second_one_is_refused_while_the_first_runs(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "x.pid").write_text(f"{os.getpid()}\n")
    done = start(tmp_path, 'hostname = "mx.example.org"\n')
    assert done.returncode == 1
    assert f"process {os.getpid()} runs already" in done.stderr


def test_a_mistake_in_the_configuration_is_told_before_detaching(tmp_path: Path) -> None:
    done = start(tmp_path, 'shoe = "size"\n')
    assert done.returncode == 78
    assert "mailraven.toml:1" in done.stderr
    assert not (tmp_path / "run" / "x.pid").exists()
