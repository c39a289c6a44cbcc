"""Submission to delivered: authenticated clients hand in 4 KiB, a sink on loopback takes it all.

Our server signs each message with RSA-2048 and Ed25519; Postfix signs nothing. Both relay to the
same sink. A figure is messages a second from the first command to the last message at the sink.
"""

import asyncio
import base64
import json
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.rivals import running_rival
from peers.house import running_house
from servers.sink import Sink, running_sink

MESSAGES = 2000
CONNECTIONS = 10
ADDRESSES = ("127.5.0.1", "127.5.0.2")  # ours, Postfix
SINK, PORT = "127.61.0.1", 21926
SIGNED = {
    "MAILRAVEN_QUEUE_SMARTHOST": f"{SINK}:{PORT}",
    "MAILRAVEN_QUEUE_SMARTHOST_TLS": "opportunistic",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """Where to hand in, and as whom."""

    name: str
    host: str
    port: int
    user: str
    password: str


def report(folder: Path, rounds: int) -> None:
    """Print the medians of `rounds`, taken in turn."""
    rates: dict[str, list[float]] = {}
    with ExitStack() as stack:
        sink = stack.enter_context(running_sink({SINK: 0.0}, PORT))
        peers = [stack.enter_context(_ours(folder)), stack.enter_context(_postfix(folder))]
        for _ in range(rounds):
            for peer in peers:
                rates.setdefault(peer.name, []).append(_rate(peer, sink))
    print(f"\nsubmission to delivered, 4 KiB, messages a second (median of {rounds})")
    for name, figures in rates.items():
        print(f"  {name:24} {statistics.median(figures):>8,.0f}")
    ours, theirs = (statistics.median(figures) for figures in rates.values())
    print(f"  ours / Postfix {ours / theirs:.2f}")


@contextmanager
def _ours(folder: Path) -> Iterator[Peer]:
    with running_house(folder / "out", ADDRESSES[0], SIGNED, users=10, workers=2) as house:
        yield _peer_of("ours, signed twice", house.root / "peer.json")


@contextmanager
def _postfix(folder: Path) -> Iterator[Peer]:
    with running_rival(folder / "postfix", ADDRESSES[1], "virtual") as facts:
        etc = str(folder / "postfix" / "pf")
        relay = f"relayhost=[{SINK}]:{PORT}"
        subprocess.run(["postconf", "-c", etc, "-e", relay], check=True)
        reload = ["postfix", "-c", etc, "reload"]
        subprocess.run(reload, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        yield _peer_of("Postfix, unsigned", facts)


def _peer_of(name: str, facts: Path) -> Peer:
    known = json.loads(facts.read_text())
    user = known["user_fmt"] % 1
    return Peer(name, known["host"], known["submission"], user, known["password"])


def _rate(peer: Peer, sink: Sink) -> float:
    target = sink.taken.value + MESSAGES
    start = time.monotonic()
    uvloop.run(_submit_all(peer))
    sink.wait_for(target)
    return MESSAGES / (time.monotonic() - start)


async def _submit_all(peer: Peer) -> None:
    each = MESSAGES // CONNECTIONS
    await asyncio.gather(*(_submit(peer, each) for _ in range(CONNECTIONS)))


async def _submit(peer: Peer, count: int) -> None:
    """One session with `count` messages."""
    reader, writer = await asyncio.open_connection(peer.host, peer.port)
    await _expect(reader, b"220")
    await _ask(reader, writer, b"EHLO client.test\r\n", b"250")
    plain = base64.b64encode(f"\0{peer.user}\0{peer.password}".encode())
    await _ask(reader, writer, b"AUTH PLAIN " + plain + b"\r\n", b"235")
    envelope = f"MAIL FROM:<{peer.user}>\r\nRCPT TO:<bob@far.test>\r\nDATA\r\n".encode()
    message = _message(peer.user)
    for _ in range(count):
        writer.write(envelope)
        for code in (b"250", b"250", b"354"):
            await _expect(reader, code)
        await _ask(reader, writer, message, b"250")
    await _ask(reader, writer, b"QUIT\r\n", b"221")
    writer.close()


def _message(user: str) -> bytes:
    header = (
        f"From: <{user}>\r\nTo: <bob@far.test>\r\nSubject: a letter of four kilobytes\r\n"
        "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@client.test>\r\n\r\n"
    )
    line = b"All work and no play makes a dull letter, and a long one.\r\n"
    return header.encode() + line * 66 + b".\r\n"


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes, code: bytes
) -> None:
    writer.write(line)
    await _expect(reader, code)


async def _expect(reader: asyncio.StreamReader, code: bytes) -> None:
    """A whole reply with that code."""
    while (line := await reader.readline())[3:4] == b"-":
        pass
    assert line.startswith(code), line
