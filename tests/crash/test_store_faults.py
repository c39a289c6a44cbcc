"""A disk that is full, read-only or closed to us: refused in words, and nothing is lost."""

from pathlib import Path

import pytest

from crash.own_mounts import run_in_own_mounts


@pytest.mark.parametrize("story", ["full", "read_only", "denied"])
def test_a_disk_that_refuses_loses_nothing(story: str) -> None:
    run_in_own_mounts(Path(__file__).with_name("store_faults.py"), story)
