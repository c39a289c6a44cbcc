"""Daemons that are started for the first time while the disk is full."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("first_start_faults.py")


def test_a_full_disk_at_the_first_start_is_told_in_words() -> None:
    own = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user", "--map-auto"]
    ran = subprocess.run(
        ["unshare", *own, sys.executable, SCRIPT],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout.decode()
