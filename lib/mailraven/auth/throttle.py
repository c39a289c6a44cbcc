"""How long a guesser waits. Pure: the clock is an argument, the state a few bounded tables.

Three counters of wrong passwords, each forgotten after a window of silence: per address, per
network (/24 of IPv4, /64 of IPv6: what one guesser easily owns), per account and network. Beyond
its limit a counter asks for a delay that doubles with each further failure. There is no counter
per account alone, so strangers cannot lock the owner out from elsewhere.

Where an account has logged in before, its owner lives: there only its own failures from that very
address count, and the delay stays short, whatever neighbours do.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from mailraven.mail.networks import network_of

Key = TypeVar("Key")
Value = TypeVar("Value")

TABLE_LIMIT = 100_000  # entries of each table; the longest untouched goes first
FIRST_DELAY = 2.0  # seconds
DELAY_LIMIT = 900.0  # seconds
TRUSTED_DELAY_LIMIT = 10.0  # seconds; a wait, not a lock
TRUST_TIME = 60 * 86400.0  # seconds since the last success; longer than a long holiday
NETWORK_FACTOR = 5  # a network may fail so many times as often as one address of it


@dataclass(frozen=True, slots=True)
class Limits:
    """Failures without any delay, per address and per account and network; `window` in seconds."""

    address_failures: int
    account_failures: int
    window: float


@dataclass(frozen=True, slots=True)
class Trust:
    """`account` logged in from `network`, the last time at `at` (Unix seconds)."""

    account: str
    network: str
    at: float


class Throttle:
    """The counters; `now` is always Unix seconds, `address` what the socket said."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._failures: OrderedDict[tuple[str, ...], tuple[int, float]] = OrderedDict()
        self._trusted: OrderedDict[tuple[str, str], float] = OrderedDict()

    def delay(self, account: str, address: str, now: float) -> float:
        """Seconds until `account` may be tried again from `address`; 0 when it may be now."""
        network = network_of(address)
        per_account = self.limits.account_failures
        if self.trusts(account, address, now):
            wait = self._wait((account, address), per_account, now)
            return min(wait, TRUSTED_DELAY_LIMIT)
        per_address = self.limits.address_failures
        return max(
            self._wait((address,), per_address, now),
            self._wait(("", network), per_address * NETWORK_FACTOR, now),
            self._wait((account, network), per_account, now),
        )

    def failed(self, account: str, address: str, now: float) -> None:
        """A wrong password for `account` came from `address`."""
        network = network_of(address)
        if self.trusts(account, address, now):
            self._count((account, address), now)
            return
        self._count((address,), now)
        self._count(("", network), now)
        self._count((account, network), now)

    def succeeded(self, account: str, address: str, now: float) -> None:
        """`account` logged in from `address`: forget its failures there, trust the place.

        The counters of address and network stay, or a guesser's own account would reset them.
        """
        network = network_of(address)
        self._failures.pop((account, network), None)
        self._failures.pop((account, address), None)
        _put(self._trusted, (account, network), now)

    def trusts(self, account: str, address: str, now: float) -> bool:
        """Whether `account` logged in from the network of `address` within TRUST_TIME."""
        last = self._trusted.get((account, network_of(address)))
        return last is not None and now - last < TRUST_TIME

    def snapshot(self, now: float) -> list[Trust]:
        """Where accounts are at home; failures are not worth keeping over a restart."""
        return [
            Trust(account, network, at)
            for (account, network), at in self._trusted.items()
            if now - at < TRUST_TIME
        ]

    def restore(self, trusted: Iterable[Trust]) -> None:
        """Take over what `snapshot` gave."""
        for trust in trusted:
            _put(self._trusted, (trust.account, trust.network), trust.at)

    def _count(self, key: tuple[str, ...], now: float) -> None:
        count, last = self._failures.get(key, (0, now))
        if now - last >= self.limits.window:
            count = 0
        _put(self._failures, key, (count + 1, now))

    def _wait(self, key: tuple[str, ...], allowed: int, now: float) -> float:
        count, last = self._failures.get(key, (0, now))
        if count < allowed or now - last >= self.limits.window:
            return 0.0
        doublings = min(count - allowed, 30)  # beyond that every delay is DELAY_LIMIT
        delay = min(FIRST_DELAY * (1 << doublings), DELAY_LIMIT, self.limits.window)
        return min(max(0.0, last + delay - now), delay)  # a clock set back must not lock for long


def _put(table: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > TABLE_LIMIT:
        table.popitem(last=False)
