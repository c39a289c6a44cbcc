"""Running a mail program once, to its end."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from peers.patience import PATIENCE


def run(
    *command: str | Path,
    home: Path,
    stdin: bytes = b"",
    environ: Mapping[str, str] | None = None,
    code: int = 0,
) -> str:
    """What the program printed; fails with everything it said when it does not exit with `code`.

    `home` is its home folder, so that nobody's own settings are read.
    """
    own = {"HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [str(word) for word in command],
        input=stdin,
        capture_output=True,
        timeout=PATIENCE,
        env={**own, **(environ or {})},
    )
    said = done.stdout.decode(errors="replace")
    assert done.returncode == code, said + done.stderr.decode(errors="replace")
    return said
