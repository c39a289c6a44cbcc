"""A milter whose behaviour is a script, over real connections: for good and bad ones."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from mailraven.milter.frames import FrameReader, frame

GO_ON = frame(b"c")
ANSWERED = b"CHMRTLNBE"
STALL, CLOSE = b"stall", b"close"  # instead of frames


def offer(version: int = 6, protocol: int = 0) -> bytes:
    """What it negotiates."""
    numbers = (version, 0xFF, protocol)
    return frame(b"O", b"".join(number.to_bytes(4, "big") for number in numbers))


@dataclass(slots=True)
class ScriptedMilter:
    """`script` has the frames for a command, `by_sender` the scripts for messages of a local part;
    what it is told is in `heard`, command and data in order, `connections` counts."""

    script: Mapping[bytes, bytes] = field(default_factory=dict)
    by_sender: Mapping[str, Mapping[bytes, bytes]] = field(default_factory=dict)
    address: str = ""
    connections: int = 0
    heard: list[tuple[bytes, bytes]] = field(default_factory=list)
    _sockets: list[socket.socket] = field(default_factory=list)

    def data_of(self, command: bytes) -> list[bytes]:
        """What came with that command."""
        return [data for kind, data in self.heard if kind == command]

    @property
    def commands(self) -> bytes:
        """All commands but macros."""
        return b"".join(kind for kind, _ in self.heard if kind != b"D")

    def accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                sock, _ = listener.accept()
                self.connections += 1
                self._sockets.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        reader, script = FrameReader(), self.script
        with sock, suppress(OSError):
            while data := sock.recv(65536):
                reader.feed(data)
                while (found := reader.next()) is not None:
                    self.heard.append(found)
                    kind, said = found
                    if kind == b"M":
                        sender = said.partition(b"@")[0].lstrip(b"<").decode()
                        script = {**self.script, **self.by_sender.get(sender, {})}
                    if not self._answer(sock, kind, script):
                        return

    def _answer(self, sock: socket.socket, kind: bytes, script: Mapping[bytes, bytes]) -> bool:
        usual = offer() if kind == b"O" else GO_ON if kind in ANSWERED else b""
        answer = script.get(kind, usual)
        if answer == STALL:
            with suppress(OSError):
                while sock.recv(65536):
                    pass
            return False
        sock.sendall(b"" if answer == CLOSE else answer)
        return answer != CLOSE and kind != b"Q"

    def hang_up(self) -> None:
        """End all connections from its side."""
        for sock in self._sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


@contextmanager
def scripted(
    script: Mapping[bytes, bytes] | None = None,
    by_sender: Mapping[str, Mapping[bytes, bytes]] | None = None,
) -> Iterator[ScriptedMilter]:
    """One that listens on loopback."""
    milter = ScriptedMilter(script or {}, by_sender or {})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        milter.address = f"127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=milter.accept, args=(listener,), daemon=True)
        thread.start()
        try:
            yield milter
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            milter.hang_up()
            thread.join(10)
