"""SC-004: a day of a busy small server on a simulated clock, and abusers at a hundred times a limit.

The traffic is generated with a fixed seed: families and an office behind one address each, phones
that reconnect all day (one all the time), newsletters from pools of addresses, mailing lists, a shop
and a club's secretary. The real desk, client and table decide.
"""

import asyncio
import random
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailraven.config.load import load
from mailraven.config.schema import Limits
from mailraven.limits.client import SHARE, LimitClient
from mailraven.limits.desk import Client, LimitDesk

SEED = 4
MIDNIGHT = 1_800_057_600.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
FAMILIES, MEMBERS, OFFICE = 40, 4, 25
ABUSE = 100  # times the limit
LIMITS = Limits()


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """Something that a client does; `path` is a recipient."""

    at: float
    what: str
    peer: str
    account: str = ""
    path: str = ""
    abuser: bool = False


def at_home(family: int) -> str:
    return f"203.0.113.{family + 1}"


def people() -> list[tuple[str, str]]:
    """(account, address behind which it lives)."""
    families = [
        (f"p{family}.{member}@family{family % 5}.example", at_home(family))
        for family in range(FAMILIES)
        for member in range(MEMBERS)
    ]
    return families + [(f"o{n}@office.example", "198.51.100.1") for n in range(OFFICE)]


def waking(dice: random.Random) -> float:
    """A moment of the day, as people are awake."""
    return min(max(dice.gauss(14 * HOUR, 4 * HOUR), 0.0), DAY - 1)


def phones(dice: random.Random) -> Iterator[Event]:
    """Each has a phone and some a computer; one phone, on a train, reconnects twice a minute."""
    for number, (account, home) in enumerate(people()):
        for _ in range(dice.randint(40, 250)):
            yield from log_in(waking(dice), home, account)
        if number == 7:
            for second in range(int(9 * HOUR), int(12 * HOUR), 30):
                yield from log_in(second + dice.random() * 20, home, account)
    for account, home in people()[-OFFICE:]:  # the power came back
        for _ in range(3):
            yield from log_in(10 * HOUR + dice.random() * 30, home, account)


def log_in(at: float, home: str, account: str) -> Iterator[Event]:
    yield Event(at, "imap", home, account)
    yield Event(at + 0.1, "login", home, account)


def sending(dice: random.Random) -> Iterator[Event]:
    for account, home in people():
        friends = [f"f{n}.{account}" for n in range(40)]
        for _ in range(dice.randint(2, 25)):
            to = [dice.choice(friends) for _ in range(dice.randint(1, 3))]
            yield from submission(waking(dice), home, account, to)
    secretary, home = people()[0]
    yield from submission(19 * HOUR, home, secretary, [f"m{n}@club.example" for n in range(180)])
    shop, home = people()[5]
    for n in range(400):  # confirmations of orders, fifty an hour
        yield from submission(9 * HOUR + n * 72.0, home, shop, [f"buyer{n}@shop.example"])


def submission(at: float, home: str, account: str, to: list[str]) -> Iterator[Event]:
    yield Event(at, "connect", home)
    yield Event(at + 0.1, "login", home, account)
    yield Event(at + 0.2, "message", home, account)
    yield from (Event(at + 0.3, "recipient", home, account, path) for path in to)


def incoming(dice: random.Random) -> Iterator[Event]:
    accounts = [account for account, _ in people()]
    for account in accounts:  # people and shops
        for _ in range(dice.randint(5, 40)):
            yield from delivery(waking(dice), f"192.0.{dice.randrange(2, 200)}.7", [account])
    for letter in range(30):  # to everybody, from a pool of addresses, within two minutes
        start = waking(dice)
        for account in accounts:
            peer = f"100.64.{letter}.{dice.randrange(8)}"
            yield from delivery(start + dice.random() * 2 * MINUTE, peer, [account])
    for number in range(5):  # mailing lists: one copy for all subscribers here
        members = dice.sample(accounts, 40)
        for _ in range(60):
            yield from delivery(waking(dice), f"192.0.2.{number}", members)


def delivery(at: float, peer: str, to: list[str]) -> Iterator[Event]:
    yield Event(at, "connect", peer)
    yield Event(at + 0.1, "message", peer)
    yield from (Event(at + 0.2, "recipient", peer, "", path) for path in to)


def abuse(dice: random.Random) -> Iterator[Event]:
    """A stolen account for two hours, an address that connects for two minutes."""
    account = people()[20][0]
    count = 2 * ABUSE * LIMITS.account_messages[0].limit
    for _ in range(count):
        at = 11 * HOUR + dice.random() * 2 * HOUR
        yield Event(at, "message", "100.127.0.1", account, abuser=True)
    for _ in range(2 * ABUSE * LIMITS.connections[0].limit):
        yield Event(15 * HOUR + dice.random() * 2 * MINUTE, "connect", "100.127.0.2", abuser=True)


async def replay(events: list[Event], root: Path) -> list[bool]:
    """Which of the events were let through."""
    now = MIDNIGHT
    config = load(root, {"MAILRAVEN_PATHS_DATA": str(root)})
    client = LimitClient(root / "nobody.sock", lambda: now)
    desk = LimitDesk(lambda: config, client, lambda: now)
    passed = []
    for event in events:
        now = MIDNIGHT + event.at
        passed.append(await ask(desk, event))
    return passed


async def ask(desk: LimitDesk, event: Event) -> bool:
    who = Client(event.peer, event.account or None)
    match event.what:
        case "connect":
            return await desk.connection(who) is None
        case "message":
            return await desk.message(who) is None
        case "recipient":
            return await desk.recipient(who, event.path) is None
        case "login":
            return await desk.log_in(who) is None
        case _:
            return await desk.imap_connection(who) is None


def most_within(moments: list[float], span: float) -> int:
    """The most of the ascending `moments` in any `span` seconds."""
    return max(n + 1 - bisect_left(moments, at - span) for n, at in enumerate(moments))


@pytest.mark.req("SC-004")
def test_a_day_passes_unhindered_while_abusers_are_held_to_their_limits(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    sources = (phones, sending, incoming, abuse)
    events = sorted(event for source in sources for event in source(dice))
    passed = asyncio.run(replay(events, tmp_path))
    honest = [good for event, good in zip(events, passed, strict=True) if not event.abuser]
    share = sum(honest) / len(honest)
    print(f"{len(honest)} honest events, {share:.4%} let through")
    assert len(honest) > 50_000
    assert share >= 0.999
    for what, rates in (("message", LIMITS.account_messages), ("connect", LIMITS.connections)):
        moments = [
            event.at
            for event, good in zip(events, passed, strict=True)
            if good and event.abuser and event.what == what
        ]
        print(f"abuser's {what}: {len(moments)} let through")
        for rate in rates:
            assert 0 < most_within(moments, rate.window) <= rate.limit * (1 + SHARE)
