"""A disk that is full while the queue is to be written: nothing is lost, nobody is asked twice."""

from pathlib import Path

import pytest

from crash.own_mounts import run_in_own_mounts


@pytest.mark.req("FR-057")
def test_a_full_disk_loses_no_message_and_no_report() -> None:
    run_in_own_mounts(Path(__file__).with_name("queue_faults.py"))
