"""The first start of every daemon while the disk is full; run by test_first_start_faults.py.

    unshare --mount python first_start_faults.py

Mounts small file systems over /mnt (nobody else sees them) and prints nothing unless something is
wrong. The folder of sockets is on one of its own with some room, as it is on a real machine.
"""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mailraven.ops.demo import Demo
from mailraven.queue.spool import Spool
from peers.patience import PATIENCE
from transcripts.live import TOP, make_house

DISK = Path("/mnt")
FILLER = DISK / "filler"
SERVES_AT_ONCE = ("authd", "limitd", "imapd")  # they need no room
WAIT_FOR_ROOM = ("smtpd", "queued")  # on the very first start: they need the spool


def fill(*, with_names: bool = True) -> None:
    """Leave not one octet free, and `with_names` no file to be made."""
    FILLER.mkdir()
    with (FILLER / "octets").open("wb", buffering=0) as file:
        for size in (1 << 16, 4096):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    try:
        for number in range(100_000 if with_names else 0):
            (FILLER / str(number)).touch()
    except OSError:
        return
    assert not with_names, "files can still be made"


def empty() -> None:
    for path in FILLER.iterdir():
        path.unlink()
    FILLER.rmdir()


class Daemon:
    """One that was started; `log` is what it said."""

    def __init__(self, name: str, house: Demo) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the daemon
        self._ready, writer = os.pipe()
        self.name = name
        self._child = subprocess.Popen(
            [sys.executable, str(TOP / "bin" / name), "--etc", str(house.etc)],
            stderr=self._log,
            pass_fds=(writer,),
            env={**os.environ, "MAILRAVEN_READY_FD": str(writer)},
        )
        os.close(writer)
        atexit.register(self._child.kill)  # if the story breaks off

    def serves(self, seconds: float = PATIENCE) -> bool:
        """Whether it says so in time; False as soon as it has ended."""
        readable, _, _ = select.select([self._ready], [], [], seconds)
        return bool(readable) and os.read(self._ready, 1) == b"+"

    def says(self, event: str) -> dict[str, str]:
        """Wait for that event."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for line in self.lines():
                if line["event"] == event:
                    return line
            time.sleep(0.02)
        raise AssertionError(f"{self.name} did not say {event}: {self.text()}")

    def text(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()

    def lines(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.text().splitlines() if line.endswith("}")]

    def stop(self) -> int:
        self._child.send_signal(signal.SIGTERM)
        return self._child.wait(PATIENCE)


def demand_plain_words(daemon: Daemon) -> None:
    """What went wrong stands in lines of the log, and nothing else does."""
    text = daemon.text()
    assert "Traceback" not in text, text
    for line in daemon.lines():
        is_told = line["event"] == "worker-died" or "No space left on device" in line.get(
            "error", ""
        )
        assert line["level"] != "error" or is_told, line


def story_of_the_very_first(house: Demo) -> None:
    fill()
    daemons = {name: Daemon(name, house) for name in (*SERVES_AT_ONCE, *WAIT_FOR_ROOM)}
    for name in SERVES_AT_ONCE:
        assert daemons[name].serves(), daemons[name].text()
    for name in WAIT_FOR_ROOM:
        said = daemons[name].says("start-failed")
        assert str(house.root / "spool") in said["error"], said
        assert not daemons[name].serves()
        assert daemons[name].stop() > 0
    empty()
    again = [Daemon(name, house) for name in WAIT_FOR_ROOM]  # as the service manager does
    for daemon in again:
        assert daemon.serves(), daemon.text()
    for daemon in (*daemons.values(), *again):
        demand_plain_words(daemon)
    for daemon in (*again, *(daemons[name] for name in SERVES_AT_ONCE)):
        assert daemon.stop() == 0


def story_without_a_secret(house: Demo) -> None:
    """The spool is there: mail goes out, and return addresses are made as soon as they can be."""
    Spool(house.root / "spool").prepare()
    (house.root / "spool" / "queued.lock").touch()
    fill()
    secrets = house.root / "spool" / "srs-secrets"
    queued, smtpd = Daemon("queued", house), Daemon("smtpd", house)
    assert queued.serves() and smtpd.serves(), queued.text() + smtpd.text()
    queued.says("srs-secret-missing")
    assert not secrets.exists()
    empty()
    assert queued.stop() == 0
    queued = Daemon("queued", house)
    assert queued.serves() and secrets.exists()
    for daemon in (queued, smtpd):
        demand_plain_words(daemon)
        assert daemon.stop() == 0


def story_without_room_for_sockets(house: Demo) -> None:
    """No daemon can begin, and none is killed: its counters are mapped, and there is no room."""
    subprocess.run(["umount", house.root / "run"], check=True)
    fill(with_names=False)
    for name in (*SERVES_AT_ONCE, *WAIT_FOR_ROOM):
        daemon = Daemon(name, house)
        assert not daemon.serves()
        daemon.says("start-failed")
        assert daemon.stop() > 0
        demand_plain_words(daemon)
    empty()


def mounted(path: Path, size: str) -> None:
    path.mkdir(parents=True, exist_ok=True)
    options = f"size={size},nr_inodes=3000"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", path], check=True)


mounted(DISK, "6M")
STORIES = (story_of_the_very_first, story_without_a_secret, story_without_room_for_sockets)
for number, story in enumerate(STORIES):
    high, low = divmod(os.getpid() & 0xFFFF, 256)  # an address of this process alone
    house = make_house(DISK / str(number), f"127.{81 + number}.{high}.{low}")
    mounted(house.root / "run", "20M")
    story(house)
