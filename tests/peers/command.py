"""Running a mail program once, to its end."""

import os
import subprocess
from pathlib import Path

from peers.patience import PATIENCE


def run(*command: str | Path, home: Path, stdin: bytes = b"") -> str:
    """What the program printed; fails with everything it said when it does not exit with 0.

    `home` is its home folder, so that nobody's own settings are read.
    """
    done = subprocess.run(
        [str(word) for word in command],
        input=stdin,
        capture_output=True,
        timeout=PATIENCE,
        env={"HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    )
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said + done.stderr.decode(errors="replace")
    return said
