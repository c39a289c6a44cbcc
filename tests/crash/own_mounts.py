"""A script in mounts of its own, so that a disk of its own can be full."""

import os
import subprocess
import sys
from pathlib import Path


def run_in_own_mounts(script: Path, *words: str, seconds: int = 120) -> None:
    """Run it with those arguments. Raises AssertionError with all it said when it fails."""
    own = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user", "--map-auto"]
    ran = subprocess.run(
        ["unshare", *own, sys.executable, script, *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout.decode()
