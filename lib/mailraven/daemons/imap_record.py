"""Transcripts of an account's next sessions, for finding what goes wrong with a client.

`mailraven record` asks for it over the control socket, at every worker. The order is a file,
run/record/ACCOUNT, that holds when it began and when it ends (Unix seconds); so a worker that is
started again knows it, too. Each session that logs in until then writes a file of its own below
cache/records/ACCOUNT; see imap/recording.py for what is left out.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from mailraven.config.names import split_address
from mailraven.daemons.control import Message
from mailraven.files import write_atomically
from mailraven.imap.recording import Transcriber
from mailraven.observe import log

FILES_LIMIT = 100  # of one account: the oldest go, and so many of one order are written
SIZE_LIMIT = 1 << 20  # octets of one file
SECONDS_LIMIT = 7 * 86400  # of one order


@dataclass(slots=True)
class Recorder:
    """The file of one session; stops by itself at its limits.

    A disk that refuses ends the recording, not the session.
    """

    path: Path
    account: str
    until: float
    disk: ThreadPoolExecutor  # one thread: what is written stays in order
    transcriber: Transcriber = field(default_factory=lambda: Transcriber(skipped=1))
    _size: int = 0

    def client(self, data: bytes) -> None:
        """The client has sent this."""
        if not self.is_over:
            self.transcriber.client(data)

    def server(self, data: bytes) -> None:
        """The server has sent this: what was said so far can be read in the file."""
        if not self.is_over:
            self.transcriber.server(data)
            self._write(self.transcriber.take())

    @property
    def is_over(self) -> bool:
        """Whether no more is written."""
        return self._size > SIZE_LIMIT or time.time() > self.until

    def end(self, how: str) -> None:
        """The session has ended: the server (`closed`) or the client (`close`) has closed."""
        if not self.is_over:
            self._write(f"{self.transcriber.take()}-- {how}\n")
        self.until = 0.0

    def _write(self, text: str) -> None:
        self._size += len(text)
        if text:
            self.disk.submit(self._append, text.encode("utf-8", "backslashreplace"))

    def _append(self, text: bytes) -> None:
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "ab") as file:
                file.write(text)
        except OSError as error:
            self.until = 0.0
            log.event("recording-failed", level="warn", path=str(self.path), error=str(error))


@dataclass(slots=True)
class Recordings:
    """What is to be recorded: `orders` is the folder of orders, `top` that of what was written."""

    orders: Path
    top: Path
    open: list[Recorder] = field(default_factory=list)  # in this worker
    _disk: ThreadPoolExecutor | None = None

    def begin(self, account: str, session: str) -> Recorder | None:
        """The recorder of a session that has logged in; None as a rule, after one look at disk."""
        order = self._order(account)
        if order is None:
            return None
        since, until = order
        folder = self.top / account
        try:
            self.top.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
            names = sorted(path.name for path in folder.iterdir())
            if len([name for name in names if name >= _stamp(since)]) >= FILES_LIMIT:
                return None
            for name in names[: len(names) + 1 - FILES_LIMIT]:
                (folder / name).unlink(missing_ok=True)
        except OSError as error:
            log.event("recording-failed", level="warn", path=str(folder), error=str(error))
            return None
        self._disk = self._disk or ThreadPoolExecutor(1)
        path = folder / f"{_stamp(time.time())}-{session}.txt"
        recorder = Recorder(path, account, until, self._disk)
        self.open.append(recorder)
        log.event("recording", account=account, session=session, path=str(path))
        return recorder

    def end(self, recorder: Recorder, *, by_server: bool) -> None:
        """Its session has ended."""
        recorder.end("closed" if by_server else "close")
        if recorder in self.open:
            self.open.remove(recorder)

    def shut(self) -> None:
        """Write what waits."""
        if self._disk:
            self._disk.shutdown()

    def answer(self, request: Message) -> Message:
        """The op `record` of the control socket: begin, stop, or only tell.

        `account` and `seconds` begin; `stop` ends those of `account`, or without it all.
        """
        account, seconds = request.get("account"), request.get("seconds")
        try:
            name = "@".join(split_address(account)) if isinstance(account, str) else None
        except ValueError:
            return {"error": "that is no account"}
        if request.get("stop"):
            self._stop(name)
        elif name is not None and isinstance(seconds, int | float):
            now = time.time()
            until = now + min(max(seconds, 0.0), SECONDS_LIMIT)
            self.orders.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self.orders / name, f"{now!r} {until!r}\n".encode())
        return {"ok": True, "folder": str(self.top), "recordings": self._all()}

    def _stop(self, account: str | None) -> None:
        for name in [account] if account else self._names():
            (self.orders / name).unlink(missing_ok=True)
        for recorder in self.open:
            if account in (None, recorder.account):
                recorder.until = 0.0

    def _names(self) -> list[str]:
        try:
            return sorted(path.name for path in self.orders.iterdir() if "@" in path.name)
        except FileNotFoundError:
            return []

    def _all(self) -> list[Message]:
        now, found = time.time(), list[Message]()
        for name in self._names():
            order = self._order(name)
            if order is None:
                (self.orders / name).unlink(missing_ok=True)
                continue
            folder = self.top / name
            files = [path for path in folder.glob("*.txt") if path.name >= _stamp(order[0])]
            left = max(0, int(order[1] - now))
            found.append({"account": name, "seconds": left, "sessions": len(files)})
        return found

    def _order(self, account: str) -> tuple[float, float] | None:
        """When the order for `account` began and ends; None if there is none any more."""
        try:
            since, until = map(float, (self.orders / account).read_text().split())
        except (OSError, ValueError):
            return None
        return (since, until) if time.time() < until else None


def _stamp(moment: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))
