"""A message in its file, as octets that nobody has read yet.

Read with pread through a window and never mapped: another program may cut the file short, which
would kill the process with SIGBUS.
"""

import os

WINDOW = 256 << 10  # octets in memory at a time


class FileOctets:
    """The open file `fd`, closed by whoever opened it; `mail.mime.Octets` by its methods."""

    __slots__ = ("_at", "_fd", "_size", "_window")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self._window = b""
        self._at = 0  # where the window begins

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, span: slice, /) -> bytes:
        start, end, _ = span.indices(self._size)
        inside = start - self._at
        if inside >= 0 and end - self._at <= len(self._window):
            return self._window[inside : end - self._at]
        if end - start > WINDOW:
            return os.pread(self._fd, end - start, start)
        self._window = os.pread(self._fd, WINDOW, start)
        self._at = start
        return self._window[: max(end - start, 0)]

    def find(self, sub: bytes, start: int = 0, end: int | None = None, /) -> int:
        """As bytes.find, a window at a time; neighbouring windows overlap by `sub`."""
        last = self._size if end is None else min(end, self._size)
        while start < last:
            inside = start - self._at
            if not 0 <= inside <= len(self._window) - len(sub):
                self._window = os.pread(self._fd, WINDOW, start)
                self._at, inside = start, 0
            found = self._window.find(sub, inside, last - self._at)
            if found >= 0:
                return self._at + found
            seen = self._at + len(self._window)
            if seen >= last or len(self._window) < len(sub):
                return -1
            start = seen - len(sub) + 1
        return -1
