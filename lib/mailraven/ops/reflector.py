"""A mail server that takes what comes and keeps how it came: the other end of a self-test.

It lives in a thread of the command, on loopback, and serves one connection after the other.
"""

import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Self

from mailraven.ops.certificates import ensure_server_certificate
from mailraven.smtp.events import Abandoned, BodyPart, Mail, Port, Rcpt, StartTls
from mailraven.smtp.server import ServerEngine

NAME = "reflector.selftest.invalid"
SIZE_LIMIT = 1 << 20  # octets of one message
PATIENCE = 30.0  # seconds of silence that end a connection
READ = 65536


@dataclass(slots=True)
class Reflected:
    """One message: `tls` is version and cipher, "" without; `arrived` is Unix seconds."""

    peer: str
    helo: str = ""
    tls: str = ""
    reverse_path: str = ""
    recipients: tuple[str, ...] = ()
    message: bytes = b""
    arrived: float = 0.0


class Reflector:
    """Listens while it is entered; `folder` is for its certificate."""

    def __init__(self, folder: Path) -> None:
        ensure_server_certificate(folder, None, [NAME])
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "fullchain.pem", folder / "key.pem")
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._received: SimpleQueue[Reflected] = SimpleQueue()
        self._thread = Thread(target=self._serve, name="reflector", daemon=True)

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # ends accept(2)
        self._socket.close()

    def next_message(self, timeout: float) -> Reflected | None:
        """The next message that comes, None when none does in `timeout` seconds."""
        try:
            return self._received.get(timeout=timeout)
        except Empty:
            return None

    def _serve(self) -> None:
        while True:
            try:
                connection, peer = self._socket.accept()
            except OSError:
                return
            with suppress(OSError), connection:
                connection.settimeout(PATIENCE)
                self._talk(connection, str(peer[0]))

    def _talk(self, connection: socket.socket, peer: str) -> None:
        """Raises OSError, at the end of the connection, too."""
        engine = ServerEngine(Port("smtp", NAME, message_size=SIZE_LIMIT, starttls=True))
        engine.greet()
        coming = Reflected(peer)
        while True:
            connection.sendall(engine.data_to_send())
            if engine.closed:
                return
            engine.receive(_read(connection))
            while (event := engine.next_event()) is not None:
                if isinstance(event, StartTls):
                    connection.sendall(engine.data_to_send())
                    connection = self._context.wrap_socket(connection, server_side=True)
                    engine.tls_started()
                    coming = Reflected(peer, tls=_tls_of(connection))
                else:
                    self._decide(engine, event, coming)

    def _decide(self, engine: ServerEngine, event: object, coming: Reflected) -> None:
        match event:
            case Mail(reverse_path):
                coming.reverse_path, coming.recipients = reverse_path, ()
                coming.helo, coming.message = engine.helo, b""
                engine.reply(250, "2.1.0 ok")
            case Rcpt(forward_path):
                coming.recipients += (forward_path,)
                engine.reply(250, "2.1.5 ok")
            case BodyPart(data, last):
                coming.message += data
                if last:
                    self._keep(coming)
                    engine.reply(250, "2.0.0 reflected")
            case Abandoned():
                coming.message = b""

    def _keep(self, coming: Reflected) -> None:
        kept = Reflected(coming.peer, coming.helo, coming.tls, coming.reverse_path)
        kept.recipients, kept.message, kept.arrived = coming.recipients, coming.message, time.time()
        self._received.put(kept)


def _read(connection: socket.socket) -> bytes:
    data = connection.recv(READ)
    if not data:
        raise ConnectionResetError
    return data


def _tls_of(connection: ssl.SSLSocket) -> str:
    cipher = connection.cipher()
    return f"{connection.version()} {cipher[0] if cipher else ''}".strip()
