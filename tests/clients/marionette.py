"""Driving Thunderbird: its remote control protocol, one JSON array a message, on loopback."""

import json
import socket
import time
from collections.abc import Sequence
from contextlib import suppress

PATIENCE = 120.0  # seconds; a first start is slow
READ_SIZE = 65536


class ScriptError(AssertionError):
    """What the script threw."""


class Marionette:
    """A session in the program's own context, where its components can be called."""

    def __init__(self, port: int) -> None:
        self._socket = _connect(port)
        self._data = b""
        self._number = 0
        self._packet()  # its greeting
        self._ask("WebDriver:NewSession", {})
        self._ask("Marionette:SetContext", {"value": "chrome"})
        self._ask("WebDriver:SetTimeouts", {"script": int(PATIENCE * 1000)})

    def run(self, script: str, *arguments: object) -> object:
        """What the body `script` of an async function returns; it sees `args`."""
        wrapped = (
            "const done = arguments[arguments.length - 1], args = arguments;"
            f"(async () => {{ {script} }})()"
            ".then(value => done({value}), error => done({error: `${error}\\n${error.stack}`}));"
        )
        asked = {"script": wrapped, "args": list(arguments), "sandbox": "system"}
        answer = self._ask("WebDriver:ExecuteAsyncScript", asked)
        said = answer["value"]
        assert isinstance(said, dict)
        if "error" in said:
            raise ScriptError(said["error"])
        return said.get("value")

    def quit(self) -> None:
        """End the program."""
        with suppress(OSError, EOFError):
            self._ask("Marionette:Quit", {"flags": ["eForceQuit"]})
        self._socket.close()

    def _ask(self, command: str, parameters: dict[str, object]) -> dict[str, object]:
        self._number += 1
        text = json.dumps([0, self._number, command, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(text), text))
        answer = self._packet()
        assert isinstance(answer, Sequence)
        _, number, error, result = answer
        assert number == self._number
        if error is not None:
            raise ScriptError(error)
        return result or {}

    def _packet(self) -> object:
        """The next "LENGTH:JSON"."""
        while b":" not in self._data:
            self._read()
        length, _, self._data = self._data.partition(b":")
        while len(self._data) < int(length):
            self._read()
        text, self._data = self._data[: int(length)], self._data[int(length) :]
        return json.loads(text)

    def _read(self) -> None:
        more = self._socket.recv(READ_SIZE)
        if not more:
            raise EOFError
        self._data += more


def _connect(port: int) -> socket.socket:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), PATIENCE)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
