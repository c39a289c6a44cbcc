"""Who owns what an operation makes: the daemons' user, also when root typed the command."""

import os
from pathlib import Path


def give_to_owner_of(folder: Path, *paths: Path) -> None:
    """Let `paths`, with all that is in them, belong to the owner of `folder`; only root can."""
    if os.geteuid() != 0:
        return
    status = folder.stat()
    for path in paths:
        for one in (path, *path.rglob("*")):
            os.chown(one, status.st_uid, status.st_gid, follow_symlinks=False)
