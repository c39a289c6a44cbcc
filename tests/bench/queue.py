"""What slow and dead destinations cost the others, and what a long queue costs at the start.

1,000 destinations with 50 messages each: 50 refuse connections, 50 never greet, 100 take two
seconds for every reply. Compared is how fast the other 800 get theirs with and without these.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

from bench.processes import tree as tree_of
from mailraven.daemons.control import ask
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.ops.dkim_keys import make_dkim_keys
from mailraven.queue.entry import encode_entry, new_entry
from mailraven.queue.names import queue_id
from mailraven.queue.spool import Folder, Spool
from servers.sink import SILENT, running_sink
from unit.daemon_process import Tree, make_tree, running

PORT = 21925
EACH = 50  # messages for every destination
HEALTHY, REFUSING, SILENTS, SLOW = 800, 50, 50, 100  # destinations
REPLY_DELAY = 2.0  # seconds of a slow destination
LONG = 100_000  # messages of a long queue
DOMAIN = "ours.example"
SENDER = f"alice@{DOMAIN}"
HEADER = (
    b"From: <alice@ours.example>\r\nTo: bob\r\nSubject: a letter of four kilobytes\r\n"
    b"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@ours.example>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
)
MESSAGE = HEADER + (b"All work and no play makes a dull letter, and a long one. " + b"\r\n") * 64


def report(folder: Path, rounds: int) -> None:
    """Print the medians of `rounds`."""
    rates: dict[str, list[float]] = {"healthy alone": [], "beside 200 bad ones": []}
    for number in range(rounds):
        for name, figures in rates.items():
            bad = name != "healthy alone"
            figures.append(healthy_rate(folder / f"{number}-{bad:d}", EACH, bad=bad))
    print(f"\nqueued, 4 KiB, signed twice: messages a second to the healthy (median of {rounds})")
    for name, figures in rates.items():
        print(f"  {name:24} {statistics.median(figures):>8,.0f}")
    alone, beside = (statistics.median(figures) for figures in rates.values())
    print(f"  loss {100 * (1 - beside / alone):.1f} %")
    for state in ("deferred", "incoming"):
        seconds, octets = long_queue(folder / state, state)
        print(f"  {LONG:,} {state}: {seconds:.1f} s until known, {octets:.0f} octets each")


def healthy_rate(folder: Path, each: int, *, bad: bool) -> float:
    """Messages a second until the last healthy destination has got its `each`."""
    good = addresses("127.61", HEALTHY)
    silent, slow = addresses("127.63", SILENTS), addresses("127.64", SLOW)
    everyone = good + (addresses("127.62", REFUSING) + silent + slow if bad else [])
    delays = {
        **dict.fromkeys(good, 0.0),
        **dict.fromkeys(silent, SILENT),
        **dict.fromkeys(slow, REPLY_DELAY),
    }
    tree = house(folder)
    fill(tree, "incoming", [f"bob@[{one}]" for one in everyone] * each)
    with running_sink(delays, PORT) as sink, running(tree, "queued"):
        start = time.monotonic()
        sink.wait_for(len(good) * each)
        return len(good) * each / (time.monotonic() - start)


def long_queue(folder: Path, state: Folder) -> tuple[float, float]:
    """Seconds from the start of queued until it knows LONG messages, and octets for each."""
    tree = house(folder)
    with running(tree, "queued") as process:
        empty = resident(process)
    fill(tree, state, [f"bob@[{one}]" for one in addresses("127.62", 1000)] * (LONG // 1000))
    start = time.monotonic()
    with running(tree, "queued") as process:
        while (waiting := known(tree)) < LONG:
            assert time.monotonic() - start < 300.0, f"{waiting} of {LONG} are known"
            time.sleep(0.05)
        seconds = time.monotonic() - start
        return seconds, (resident(process) - empty) / LONG


def known(tree: Tree) -> int:
    """Messages in the memory of queued."""
    status = ask(tree.socket("queued"), {"op": "status"})
    return sum(int(str(status[key])) for key in ("waiting", "active"))


def resident(process: subprocess.Popen[bytes]) -> int:
    """Octets in memory of the process that decides; it is the largest."""
    return max(one.resident() for one in tree_of(process.pid) if one.daemon == "queued")


def addresses(prefix: str, count: int) -> list[str]:
    """So many addresses of a /16."""
    return [f"{prefix}.{number // 250}.{number % 250 + 1}" for number in range(count)]


def house(folder: Path) -> Tree:
    """A tree for queued whose domain signs."""
    folder.mkdir(parents=True)
    tree = make_tree(folder.absolute(), f"[queue]\nport = {PORT}\n")
    (tree.domains / DOMAIN).mkdir(parents=True)
    (tree.domains / DOMAIN / "domain.toml").write_text("")
    (folder / "run").mkdir()
    make_dkim_keys(tree.domains / DOMAIN / "dkim")
    return tree


def fill(tree: Tree, state: Folder, recipients: Iterable[str]) -> None:
    """Put a message for each recipient into the spool, without the fsyncs of a real submission."""
    spool = Spool(tree.root / "data" / "spool")
    spool.prepare()
    now = time.time()
    for number, recipient in enumerate(recipients):
        id = queue_id(now + number / 1000.0, number)
        envelope = Envelope(
            SENDER, (Recipient(recipient),), TraceId(id), account=SENDER, received_at=now
        )
        entry = spool.folder(state) / QueueId(id)
        text = encode_entry(new_entry(id, envelope, len(MESSAGE), "7bit", crc32(MESSAGE)))
        entry.write_bytes(text + MESSAGE)
        due = now + 3600 if state == "deferred" else now
        os.utime(entry, (due, due))
