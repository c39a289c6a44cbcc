"""Maildir files: their names, their line ends, what is left over in tmp/.

A name is BASE in new/ and BASE:2,LETTERS in cur/. BASE is SECONDS.UNIQUE.HOST,S=SIZE,W=SIZE: S is
the size of the file, W the size with CRLF line ends (Maildir++), so S equal to W says that the
file can go out as it is. Names of other programs are taken as they come; their line ends are
looked at once and made CRLF, so that the size of a file is its RFC822.SIZE. What else BASE tells
stands in mail/identity.py.
"""

import itertools
import os
import re
import secrets
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path

from mailraven.files.atomic import write_all

TMP_LIFETIME = 36 * 3600  # seconds, as the first description of Maildir has it
CHUNK = 1 << 20  # octets of a file read at once

_SIZE = re.compile(r",S=(\d+),W=\1(?:,|$)")
_DELIVERED = re.compile(r"(\d+)\.(?:M(\d+))?")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_serial = itertools.count()
_process: tuple[int, str] = (0, "")


def _process_part() -> str:
    """Pid, and random digits because containers that share a disk may share pids and host names."""
    global _process  # a fork needs a part of its own
    pid = os.getpid()
    if _process[0] != pid:
        _process = (pid, f"P{pid}R{secrets.token_hex(4)}")
    return _process[1]


def _host_part() -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname()) or "localhost"


_HOST = _host_part()


def new_base(size: int) -> str:
    """A unique part that nobody else makes, for a file of `size` octets with CRLF line ends."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    unique = f"M{nanoseconds // 1000:06d}{_process_part()}Q{next(_serial)}"
    return f"{seconds}.{unique}.{_HOST},S={size},W={size}"


def split_name(file_name: str) -> tuple[str, str]:
    """BASE and what follows it: "x:2,FS" is ("x", ":2,FS"), "x" is ("x", "")."""
    at = file_name.rfind(":2,")
    return (file_name, "") if at < 0 else (file_name[:at], file_name[at:])


def known_size(base: str) -> int | None:
    """The size that BASE states if it also states that line ends are CRLF."""
    match = _SIZE.search(base)
    return int(match[1]) if match else None


def arrival_order(base: str) -> tuple[int, int, str]:
    """A key that sorts unique parts by time of delivery."""
    match = _DELIVERED.match(base)
    if match is None:
        return (0, 0, base)
    return (int(match[1]), int(match[2] or 0), base)


def is_message(file_name: str) -> bool:
    """Whether a name in new/ or cur/ is a message's; dot files never are."""
    return not file_name.startswith(".")


def has_bare_lf(fd: int) -> bool:
    """Whether a line of the open file ends without CR."""
    last = b""
    while chunk := os.read(fd, CHUNK):
        if chunk.count(b"\n") != chunk.count(b"\r\n") + (last == b"\r" and chunk[:1] == b"\n"):
            return True
        last = chunk[-1:]
    return False


def make_crlf(path: str, tmp: str) -> int:
    """Let every line of the file `path` end with CRLF; returns its size. Waits for the disk.

    The corrected copy is written to `tmp`, made durable and renamed over the file; it keeps mode
    and modification time (its INTERNALDATE). Raises OSError.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        status = os.fstat(fd)
        if not has_bare_lf(fd):
            return status.st_size
        os.lseek(fd, 0, os.SEEK_SET)
        try:
            size = _copy_with_crlf(fd, tmp, status)
            os.stat(path, follow_symlinks=False)  # noqa: PTH116 - renamed? Then not twice there
            os.rename(tmp, path)  # noqa: PTH104 - str paths: this runs once per message
        except OSError:
            with suppress(OSError):
                os.unlink(tmp)  # noqa: PTH108
            raise
        return size
    finally:
        os.close(fd)


def _copy_with_crlf(fd: int, tmp: str, status: os.stat_result) -> int:
    out = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        last, size = b"", 0
        while chunk := os.read(fd, CHUNK):
            text = _BARE_LF.sub(b"\r\n", last + chunk)[len(last) :]
            # A CR at the end of the last chunk is looked at again, for the LF that may follow it.
            last = chunk[-1:] if chunk.endswith(b"\r") else b""
            write_all(out, text)
            size += len(text)
        os.fchmod(out, status.st_mode & 0o777)
        os.utime(out, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fsync(out)
        return size
    finally:
        os.close(out)


def write_message(tmp: str, chunks: list[bytes], date: int) -> None:
    """Write the file `tmp` durably, with `date` (Unix seconds) as its time. Waits for the disk.

    Raises OSError; nothing is left then.
    """
    fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
    try:
        try:
            for chunk in chunks:
                write_all(fd, chunk)
            os.utime(fd, (date, date))
            os.fsync(fd)
        finally:
            os.close(fd)
    except BaseException:
        with suppress(OSError):
            os.unlink(tmp)  # noqa: PTH108
        raise


def copy_file(old: str, aside: str, new: str) -> None:
    """Copy the file `old` to `new`, durable but for its name; `aside` is in tmp/ of that Maildir.

    Waits for the disk. Raises OSError; nothing is left then.
    """
    try:
        shutil.copy2(old, aside, follow_symlinks=False)
        fd = os.open(aside, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(aside, new)  # noqa: PTH104
    except BaseException:
        with suppress(OSError):
            os.unlink(aside)  # noqa: PTH108
        raise


def clean_tmp(folder: Path, now: float) -> int:
    """Remove what crashed writers left in tmp/ of `folder` 36 h ago or more; returns how many."""
    removed = 0
    with suppress(FileNotFoundError), os.scandir(folder / "tmp") as entries:
        for entry in entries:
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                # A message under way may have its INTERNALDATE for mtime already.
                if max(status.st_mtime, status.st_ctime) > now - TMP_LIFETIME:
                    continue
                if entry.is_dir(follow_symlinks=False):  # a deleted mailbox, half removed
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)  # noqa: PTH108
                removed += 1
    return removed
