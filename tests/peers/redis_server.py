"""A real redis-server below a folder, on a Unix socket alone."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peers.patience import wait_for

STOP_SECONDS = 10
PASSWORD = "open sesame"


@dataclass(slots=True)
class RedisServer:
    """The process and where it listens."""

    process: subprocess.Popen[bytes]
    socket: Path


@contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """Ended by SIGTERM if the test has not killed it."""
    socket, log = folder / "redis.sock", folder / "redis.log"
    settings = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["redis-server", *settings, "--requirepass", PASSWORD], stdout=output, stderr=output
        )
    try:
        wait_for(f"a listener in {log}", lambda: b"accept connections" in log.read_bytes())
        yield RedisServer(process, socket)
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
