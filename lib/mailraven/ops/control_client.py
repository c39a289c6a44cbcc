"""Asking daemons: one JSON object a line over run/NAME.sock."""

import socket
from pathlib import Path

import msgspec

from mailraven.ops.errors import OperationError

TIMEOUT = 5.0  # seconds
ANSWER_LIMIT = 16 << 20  # octets

Message = dict[str, object]

DAEMONS = ("smtpd", "imapd", "queued", "authd", "limitd")


def ask(run: Path, daemon: str, request: Message) -> Message:
    """The answer of `daemon`; raises OperationError when it is not there or does not answer."""
    path = run / f"{daemon}.sock"
    try:
        line = _exchange(path, msgspec.json.encode(request) + b"\n")
        return msgspec.json.decode(line, type=Message)
    except (FileNotFoundError, ConnectionRefusedError):
        raise OperationError(f"{daemon} is not running ({path})") from None
    except (OSError, msgspec.DecodeError) as error:
        raise OperationError(f"{daemon} does not answer: {error}") from None


def _exchange(path: Path, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(TIMEOUT)
        sock.connect(str(path))
        sock.sendall(line)
        answer = bytearray()
        while not answer.endswith(b"\n") and len(answer) < ANSWER_LIMIT:
            part = sock.recv(65536)
            if not part:
                raise OSError("it closed the connection")
            answer += part
    return bytes(answer)
