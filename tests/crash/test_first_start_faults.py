"""Daemons that are started for the first time while the disk is full."""

from pathlib import Path

from crash.own_mounts import run_in_own_mounts


def test_a_full_disk_at_the_first_start_is_told_in_words() -> None:
    run_in_own_mounts(Path(__file__).with_name("first_start_faults.py"), seconds=300)
