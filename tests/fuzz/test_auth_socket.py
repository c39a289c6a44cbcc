"""Whatever is written to authd's socket, the next whole request on the same line is answered."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailraven.auth.gate import Gate
from mailraven.auth.prover import Prover
from mailraven.auth.verifier import Verifier
from mailraven.config.schema import Auth
from mailraven.daemons.authd import handlers
from mailraven.daemons.callers import caller_uids
from mailraven.daemons.control import serve_control

PIECES = [b"{", b"}", b"\n", b'"op":', b'"verify"', b'"scram-first"', b'"scram-final"', b","]
PIECES += [b'"id":1', b'"user":"', b"\\u0000", b"\\ud800", b'"', b'"message":"AAAA"', b"[" * 500]
PIECES += [
    b'"peer":"x","via":"y","session":"z"',
    b"\xff",
    b"null",
    b"1e999",
    b'"message":"bixuPXg="',
]
OCTETS = st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=20).map(b"".join)
LAST = b'\n{"op":"scram-final","id":"last","session":"none","message":""}\n'


class Socket:
    """authd's ops on a socket, in a loop that the test turns."""

    def __init__(self, root: Path) -> None:
        self.path = root / "authd.sock"
        self.runner = asyncio.Runner()
        self.runner.run(self._open(root))

    async def _open(self, root: Path) -> None:
        gate = Gate(root, lambda address: False, lambda: Auth(account_failures=0))
        self.server = await serve_control(
            self.path, handlers(Verifier(gate), Prover(gate, b"key")), caller_uids()
        )

    async def talk(self, pieces: list[bytes]) -> list[dict[str, object]]:
        """Every answer to `pieces` and LAST, up to the one to LAST."""
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        for piece in [*pieces, LAST]:
            writer.write(piece)
            await writer.drain()
        answers = []
        while not answers or answers[-1].get("id") != "last":
            answers.append(msgspec.json.decode(await reader.readline(), type=dict[str, object]))
        writer.close()
        return answers


@pytest.fixture(scope="module")
def authd() -> Iterator[Socket]:
    with tempfile.TemporaryDirectory() as root:
        served = Socket(Path(root))
        yield served
        served.server.close()
        served.runner.close()


@given(OCTETS, st.integers(0, 200))
@example(b'{"op":"verify","id":1,"user":"' + b"a" * 60_000 + b'","password":"x"}', 30_000)
@example(b"\n" * 5000, 1)
@example(b'{"op":"verify","id":1,"user":' + b"[" * 50_000, 9)
def test_any_octets_get_answers_and_the_line_lives(authd: Socket, octets: bytes, cut: int) -> None:
    answers = authd.runner.run(authd.talk([octets[:cut], octets[cut:]]))
    assert {"id": "last", "result": "refused"} in answers
    for answer in answers:
        assert "error" in answer or answer["result"] in ("refused", "throttled", "later")
