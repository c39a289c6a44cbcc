"""The files in which prometheus-client keeps the values of one process; see metrics.py.

They are mapped, and begin as holes: the first write into one for which the disk has no room kills
the process (SIGBUS), without a word. So they get their room before they are used.
"""

import os

VALUE_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # the environment variable that the library reads
KINDS = ("counter", "gauge_livesum", "histogram")  # as the library names its files
RESERVED = 1 << 16  # octets: with what the library begins, and more than our values take


def reserve_values() -> None:
    """Have the room for the values of this process. Raises OSError."""
    folder = os.environ.get(VALUE_FOLDER)
    if folder is None:
        return
    for kind in KINDS:
        path = f"{folder}/{kind}_{os.getpid()}.db"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(fd, 0, RESERVED)
        finally:
            os.close(fd)
