"""A disk that is full while the queue is to be written: nothing is lost, nobody is asked twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("queue_faults.py")


@pytest.mark.req("FR-057")
def test_a_full_disk_loses_no_message_and_no_report() -> None:
    own = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user", "--map-auto"]
    ran = subprocess.run(
        ["unshare", *own, sys.executable, SCRIPT],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout.decode()
