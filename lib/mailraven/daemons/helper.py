"""A process of its own for work that no session shall wait for: at the lowest priority."""

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from mailraven.checkout import LIB
from mailraven.daemons.process import die_with_parent, name_process

LOWEST_PRIORITY = 19


async def start_helper(module: str, arguments: Sequence[str]) -> asyncio.subprocess.Process:
    """Run a module of ours with `arguments`. Raises OSError."""
    paths = os.pathsep.join(filter(None, [str(LIB), os.environ.get("PYTHONPATH", "")]))
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths},
    )


def become_helper(name: str) -> None:
    """In that process: end with the daemon that began it, and leave the machine to others."""
    die_with_parent()
    name_process(name)
    with suppress(OSError):  # forbidden in some containers
        os.nice(LOWEST_PRIORITY)
