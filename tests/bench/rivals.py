"""Postfix and Dovecot, set up as the load tools beside the checkout do it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHARED = Path(__file__).parents[3] / "shared" / "bench"
SCRIPT = SHARED / "peers" / "postfix_dovecot.sh"
PORT_BASE = 21000


@contextmanager
def running_rival(folder: Path, address: str, delivery: str) -> Iterator[Path]:
    """The peer.json of a Postfix that delivers by `delivery`: "virtual" or "lmtp" (to Dovecot)."""
    facts = {"BENCH_IP": address, "BENCH_DNS": f"{address}53", "DELIVERY": delivery}
    environ = {**os.environ, **facts}
    with folder.with_suffix(".log").open("wb") as log:
        _script("start", folder, environ, log.fileno())
        try:
            yield folder / "peer.json"
        finally:
            _script("stop", folder, environ, log.fileno())


def _script(action: str, folder: Path, environ: dict[str, str], log: int) -> None:
    command = ["bash", str(SCRIPT), action, str(folder), str(PORT_BASE)]
    subprocess.run(
        command, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ
    )
