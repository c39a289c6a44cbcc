"""Who is not limited, or otherwise: data/limits/allow.toml, each entry with owner, reason and end.

    [[allow]]
    who = "192.0.2.0/28"        # or an account alice@example.org, or all of a domain, @example.org
    owner = "bob"
    reason = "the printer's newsletter relay"
    expires = 2027-01-31        # the last day on which it counts
    [allow.rates]               # these instead of the server's; without this table: no limit at all
    messages = ["1000/hour"]

Addresses of accounts count only for who is logged in as one: a sender's word is no identity.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

from mailraven.config.names import domain_name
from mailraven.config.rates import Rate
from mailraven.config.units import RATES, Network, sentence_of
from mailraven.config.widths import demand_narrow
from mailraven.mail.errors import ConfigError, ConfigErrors

LONGEST = timedelta(days=366)  # an exemption that nobody remembers is a hole
KEYS = frozenset({"who", "owner", "reason", "expires", "rates"})

Rates = tuple[Rate, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """`rates` by the name of the limit; None is none of them at all."""

    who: str
    owner: str
    reason: str
    expires: date
    rates: Mapping[str, Rates] | None = None

    @property
    def network(self) -> Network | None:
        """The network that `who` is, if it is one."""
        return None if "@" in self.who else ip_network(self.who)

    def counts_on(self, today: date) -> bool:
        return today <= self.expires

    def rates_of(self, name: str) -> Rates | None:
        """() when the entry lifts the limit, None when it says nothing about it."""
        return () if self.rates is None else self.rates.get(name)


@dataclass(frozen=True, slots=True)
class AllowList:
    """The entries that count today, to be asked quickly."""

    names: Mapping[str, Entry] = field(default_factory=dict)
    networks: tuple[tuple[Network, Entry], ...] = ()

    def rates_of_account(self, account: str, name: str) -> Rates | None:
        """What the entry of the account, else of its domain, says about the limit `name`."""
        address = account.lower()
        for who in (address, "@" + address.rpartition("@")[2]):
            entry = self.names.get(who)
            rates = entry.rates_of(name) if entry is not None else None
            if rates is not None:
                return rates
        return None

    def rates_of_address(self, address: str, name: str) -> Rates | None:
        """The same of an IP address: the narrowest network that holds it speaks first."""
        if not self.networks:
            return None
        ip = ip_address(address)
        for network, entry in self.networks:
            rates = entry.rates_of(name) if ip in network else None
            if rates is not None:
                return rates
        return None


def list_of(entries: tuple[Entry, ...], today: date) -> AllowList:
    """The entries that have not expired."""
    alive = [entry for entry in entries if entry.counts_on(today)]
    networks = [(net, entry) for entry in alive if (net := entry.network) is not None]
    networks.sort(key=lambda pair: -pair[0].prefixlen)
    return AllowList({one.who: one for one in alive if one.network is None}, tuple(networks))


def read_entries(path: Path, known: frozenset[str]) -> tuple[Entry, ...]:
    """All entries of the file, () without one; `known` are the names of limits.

    Raises ConfigErrors with every mistake, OSError.
    """
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError:
        raise ConfigErrors([ConfigError(str(path), 0, "is not UTF-8")]) from None
    try:
        tables = tomllib.loads(text).get("allow", [])
    except tomllib.TOMLDecodeError as error:
        raise ConfigErrors([ConfigError(str(path), 0, str(error))]) from None
    entries, errors = [], []
    lines = [n for n, line in enumerate(text.splitlines(), 1) if line.strip() == "[[allow]]"]
    for number, table in enumerate(tables if isinstance(tables, list) else []):
        try:
            entries.append(_entry(table, known))
        except ValueError as error:
            line = lines[number] if number < len(lines) else 0
            errors.append(ConfigError(str(path), line, str(error)))
    if errors:
        raise ConfigErrors(errors)
    return tuple(entries)


def _entry(table: object, known: frozenset[str]) -> Entry:
    if not isinstance(table, dict) or not table.keys() <= KEYS:
        raise ValueError(f"an entry has {', '.join(sorted(KEYS))} and nothing else")
    for key in ("who", "owner", "reason"):
        if not isinstance(table.get(key), str) or not table[key].strip():
            raise ValueError(f"{key} is missing: every entry has an owner and a reason")
    expires = table.get("expires")
    if isinstance(expires, datetime) or not isinstance(expires, date):
        raise ValueError("expires is missing or no date (write expires = 2027-01-31)")
    who = checked_who(table["who"])
    return Entry(who, table["owner"], table["reason"], expires, _rates(table.get("rates"), known))


def _rates(table: object, known: frozenset[str]) -> dict[str, Rates] | None:
    if table is None:
        return None
    if not isinstance(table, dict):
        raise ValueError("rates is a table (write [allow.rates])")
    found = {}
    for name, value in table.items():
        if name not in known:
            raise ValueError(f"there is no limit {name!r}; there are {', '.join(sorted(known))}")
        try:
            rates = RATES.parse(value)
        except ValueError as error:
            raise ValueError(f"{name}: {sentence_of(error)}") from None
        found[name] = rates if isinstance(rates, tuple) else ()
    return found


def checked_who(text: str) -> str:
    """`text` as the file has it; raises ValueError for what is none, or half the world."""
    who = text.strip().lower()
    if "@" not in who:
        return str(_network(who))
    local, _, domain = who.rpartition("@")
    if "." not in domain_name(domain):
        raise ValueError(f"{text!r}: a whole top-level domain is too much")
    return f"{local}@{domain_name(domain)}"


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no network and no account (write 192.0.2.0/28 or alice@example.org)"
        ) from None
    demand_narrow(network)
    return network
