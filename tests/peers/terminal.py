"""A program that insists on a terminal gets one, and nobody looks at it."""

import os
import pty
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from peers.patience import PATIENCE


def run_in_terminal(command: list[str], home: Path, environ: Mapping[str, str]) -> str:
    """Run to the end on an 80x24 terminal of its own; the screen's octets as text."""
    ours, theirs = pty.openpty()
    screen: list[bytes] = []
    reader = threading.Thread(target=_read_all, args=(ours, screen))
    reader.start()
    try:
        process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "vt100", **environ},
        )
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)
    text = b"".join(screen).decode(errors="replace")
    assert code == 0, f"{command[0]} ended with {code}; its screen:\n{text}"
    return text


def _read_all(terminal: int, screen: list[bytes]) -> None:
    """A terminal whose other end is closed gives an error, not an end of file."""
    try:
        while data := os.read(terminal, 65536):
            screen.append(data)
    except OSError:
        return
