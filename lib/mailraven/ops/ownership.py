"""Who owns what an operation makes: the daemons' user, also when root typed the command."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mailraven.files import lock_file

DAEMON_USER = "mailraven"


def give_to_owner_of(folder: Path, *paths: Path) -> None:
    """Let `paths`, with all that is in them, belong to the owner of `folder`; only root can."""
    if os.geteuid() != 0:
        return
    status = folder.stat()
    for path in paths:
        for one in (path, *path.rglob("*")):
            os.chown(one, status.st_uid, status.st_gid, follow_symlinks=False)


def give_to_daemons(folder: Path) -> None:
    """Let `folder` belong to the user that daemons run as, if root asks and there is one."""
    if os.geteuid() != 0:
        return
    with suppress(KeyError):
        user = pwd.getpwnam(DAEMON_USER)
        os.chown(folder, user.pw_uid, user.pw_gid)


def become_owner_of(folder: Path) -> None:
    """Go on as the owner of `folder`, for good, if root asks: what is made from now on is theirs
    from the first moment, as a daemon that waits for it needs it."""
    if os.geteuid() != 0:
        return
    status = folder.stat()
    if status.st_uid != 0:
        os.setgroups([])
        os.setgid(status.st_gid)
        os.setuid(status.st_uid)


@contextmanager
def as_owner_of(folder: Path) -> Iterator[None]:
    """Root does this with no more rights than the owner of `folder`, or of what will hold it.

    What is made belongs to them, and no link that a daemon gone bad has left in its folders leads
    to what is root's. For commands, that do one thing at a time.
    """
    status = next(one for one in (folder, *folder.parents) if one.exists()).stat()
    if os.geteuid() != 0 or status.st_uid == 0:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([])
    os.setegid(status.st_gid)
    os.seteuid(status.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


@contextmanager
def editing(folder: Path) -> Iterator[None]:
    """Hold the lock that everybody who changes files of `folder` takes; root shares it, too."""
    path = folder / ".edit.lock"
    is_new = not path.exists()
    with lock_file(path):
        if is_new:
            give_to_owner_of(folder, path)
        yield
