"""A disk that is full, read-only or closed to us: refused in words, and nothing is lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("store_faults.py")


@pytest.mark.parametrize("story", ["full", "read_only", "denied"])
def test_a_disk_that_refuses_loses_nothing(story: str) -> None:
    own = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user", "--map-auto"]
    path = os.pathsep.join(sys.path)
    ran = subprocess.run(
        ["unshare", *own, sys.executable, SCRIPT, story],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout.decode()
