"""What every daemon has: a control socket that lives as long as it does, and a clean end."""

import asyncio
import gc
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import uvloop

from mailraven.config.watch import ConfigWatcher
from mailraven.daemons import service as module
from mailraven.daemons.control import Message, ask
from mailraven.daemons.service import DaemonSpec, Service
from unit.daemon_process import make_tree, running


def served(tmp_path: Path, story: Callable[[Path], Message]) -> tuple[int, Message]:
    """Run a daemon that does nothing, play `story` with its control socket, then SIGTERM it."""
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "mailraven.toml").write_text(
        f'hostname = "mx.example.org"\n[paths]\ndata = "{tmp_path}"\nrun = "{tmp_path}/run"\n'
        f'cache = "{tmp_path}/cache"\n'
    )
    told: list[Message] = []

    async def main(service: Service) -> None:
        await service.ready()
        gc.collect()
        told.append(await asyncio.to_thread(story, service.control_path))
        os.kill(os.getpid(), signal.SIGTERM)
        await service.stopping.wait()

    watcher = ConfigWatcher(etc, {})
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(module._run(Service(DaemonSpec("idled", main), watcher, {})))
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        os.kill(os.getpid(), signal.SIGTERM)  # one more, now that the loop is gone
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return code, told[0]


def test_the_control_socket_outlives_a_garbage_collection(tmp_path: Path) -> None:
    code, status = served(tmp_path, lambda path: ask(path, {"op": "status"}))
    assert code == 0
    assert (status["daemon"], status["config_problems"]) == ("idled", [])
    assert not (tmp_path / "run" / "idled.sock").exists()


def test_the_log_level_changes_live_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    def story(path: Path) -> Message:
        assert "error" in ask(path, {"op": "loglevel", "level": "loud"})
        before = ask(path, {"op": "loglevel"})
        assert ask(path, {"op": "loglevel", "level": "debug"}) == {"level": "debug"}
        ask(path, {"op": "loglevel", "level": str(before["level"])})
        return before

    assert served(tmp_path, story)[1] == {"level": "info"}


def test_a_broken_edit_keeps_the_old_configuration_and_status_says_so(tmp_path: Path) -> None:
    def story(path: Path) -> Message:
        file = tmp_path / "etc" / "mailraven.toml"
        good = file.read_text()
        file.write_text(good + 'shoe = "size"\n')
        assert ask(path, {"op": "reload"})["ok"] is False
        problems = ask(path, {"op": "status"})["config_problems"]
        file.write_text(good)
        assert ask(path, {"op": "reload"})["ok"] is True
        return {"problems": problems}

    problems = served(tmp_path, story)[1]["problems"]
    assert isinstance(problems, list)
    assert "mailraven.toml:6" in problems[0]


def test_daemon_may_open_as_many_files_as_its_starter_could_let_it(tmp_path: Path) -> None:
    # Shells and containers give 1024, fewer than the connections of one worker.
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before, 512), most))
    try:
        with running(make_tree(tmp_path), "limitd") as daemon:
            limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))
    assert limits == (most, most)
