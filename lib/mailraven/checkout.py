"""Started from a checkout: find its libraries. Imports nothing that may be missing."""

import importlib.util
import os
import sys
from pathlib import Path

LIB = Path(__file__).resolve().parents[1]
NEEDED = ("msgspec", "tomlkit", "uvloop")


def enter() -> None:
    """Go on in the checkout's .venv if our libraries are not here; children find the package."""
    python = LIB.parent / ".venv" / "bin" / "python"
    missing = any(importlib.util.find_spec(name) is None for name in NEEDED)
    if missing and python.exists() and Path(sys.executable) != python:
        os.execv(python, [str(python), *sys.argv])  # noqa: S606  our own interpreter
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(LIB) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(LIB), *filter(None, paths)])
