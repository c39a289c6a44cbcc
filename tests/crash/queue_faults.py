"""A queue whose disk is full; run in a mount namespace of its own by test_queue_faults.py.

    unshare --mount python queue_faults.py

Mounts a small tmpfs over /mnt (nobody else sees it) and prints nothing unless something is wrong.
"""

import asyncio
import subprocess
from collections import Counter
from pathlib import Path

from mailraven.daemons import unsettled
from mailraven.queue.srs_secrets import ensure_secret
from servers.queue_house import MESSAGE, QueueHouse
from servers.smtp_server import SmtpServer

DISK = Path("/mnt")
FILLER = DISK / "filler"
SETTINGS = 'routes = {{"*" = "127.0.0.1:{port}"}}\nfirst_retry = "1s"\n'
CONTENT = (MESSAGE, b"x" * 900 + b"\r\n")
TAKEN, REFUSED, PUT_OFF = "taken@example.net", "refused@example.net", "later@example.net"


def judge(line: bytes) -> bytes:
    """The server's word on a recipient, while the disk is full and after."""
    if b"refused" in line:
        return b"550 5.1.1 nobody here\r\n"
    if b"later" in line and FILLER.exists():
        return b"450 4.2.0 later\r\n"
    return b""


def fill() -> None:
    """Leave not one octet free."""
    with FILLER.open("wb", buffering=0) as file:
        for size in (1 << 16, 4096):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue


async def story() -> None:
    async with SmtpServer(judge=judge) as server:
        queue = QueueHouse(DISK / "house", SETTINGS.format(port=server.port))
        ensure_secret(queue.service.config.paths.srs_secrets)  # as the first start has done
        # It cannot be removed, which would make room: its entry grows, and a report is due.
        queue.submit(TAKEN, REFUSED, PUT_OFF, content=CONTENT)
        fill()
        async with queue:
            await queue.until(lambda: answered(server) >= {b"taken", b"refused", b"later"})
            await asyncio.sleep(2)  # many tries to write it down
            assert asked(server) == {"taken": 1, "refused": 1}, "a full disk asks nobody twice"
            assert reports(server) == 0, "a report without the entry that says so"
            assert len(list(queue.spool.entries("active"))) == 1
            FILLER.unlink()
            await queue.empty()
    got = sorted(line for one in server.received for line in one.rcpt if b"alice" not in line)
    assert [line[:16] for line in got] == [b"RCPT TO:<later@e", b"RCPT TO:<taken@e"]
    assert reports(server) == 1
    assert all(one.data == b"".join(CONTENT) for one in server.received if b"<>" not in one.mail)


async def story_of_others() -> None:
    """What cannot be written down keeps no session and no slot."""
    settings = SETTINGS + "concurrency = 1\ndestination_concurrency = 1\n"
    async with SmtpServer(judge=judge) as server:
        queue = QueueHouse(DISK / "other", settings.format(port=server.port))
        ensure_secret(queue.service.config.paths.srs_secrets)
        mixed = [
            queue.submit(TAKEN, PUT_OFF, sender=f"{name}@ours.example", content=CONTENT)
            for name in ("a", "b", "c")
        ]
        alone = queue.submit(PUT_OFF, sender="d@ours.example", content=CONTENT)
        fill()
        async with queue:
            await queue.until(lambda: tries(server) >= Counter("abcdd"))
            assert tries(server) & Counter("aabbcc") == Counter("abc"), "asked again"
            await queue.until(lambda: facts(queue)["unsettled"] == 3)
            active = {listed.id for listed in queue.spool.entries("active")}
            assert active - {alone} == set(mixed)
            FILLER.unlink()
            await queue.empty()
            assert facts(queue)["unsettled"] == 0
    got = Counter(line for one in server.received for line in one.rcpt)
    assert sorted(got.values()) == [3, 4], "once each"


def tries(server: SmtpServer) -> Counter[str]:
    """How often each of the senders came."""
    lines = (line for line in server.commands if line.startswith(b"MAIL FROM:<"))
    return Counter(line[11:12].decode() for line in lines)


def facts(queue: QueueHouse) -> dict[str, object]:
    assert queue.service.facts is not None
    return queue.service.facts()


def answered(server: SmtpServer) -> set[bytes]:
    names = (b"taken", b"refused", b"later")
    return {name for name in names for line in server.commands if name in line}


def asked(server: SmtpServer) -> dict[str, int]:
    """How often those were named whose fate is known."""
    names = ("taken", "refused")
    return {name: sum(name.encode() in line for line in server.commands) for name in names}


def reports(server: SmtpServer) -> int:
    return sum(one.mail.startswith(b"MAIL FROM:<>") for one in server.received)


subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M", "none", DISK], check=True)
unsettled.DISK_RETRY = 0.2
asyncio.run(story())
asyncio.run(story_of_others())
