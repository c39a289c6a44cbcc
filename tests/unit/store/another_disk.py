"""A folder on another disk than a given one."""

import tempfile
from pathlib import Path

# One is memory, and not all of the others are: tests may themselves be at work in memory.
DISKS = (Path("/dev/shm"), Path("/var/tmp"), Path(__file__).parent)


def another_disk(here: Path) -> tempfile.TemporaryDirectory[str]:
    """A new folder, to be entered with `with`, from which nothing can be renamed to `here`."""
    device = here.stat().st_dev
    return tempfile.TemporaryDirectory(
        dir=next(disk for disk in DISKS if disk.is_dir() and disk.stat().st_dev != device)
    )
