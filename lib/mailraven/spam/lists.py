"""Lists of senders that are let in, or kept out: of the server, of a domain, of an account.

    DATA/lists/allow, block                    everybody's
    DATA/domains/example.org/allow, block      of a domain
    DATA/mail/example.org/alice/allow, block   of an account

One entry a line: an address, a domain (which has those below it, too), an IP address or a network;
what follows a "#" is a note. A line that is none of these counts for nothing, as does 0.0.0.0/0.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal

from mailraven.config.file_cache import FileCache
from mailraven.config.names import domain_name, target_address
from mailraven.policy.identity import Sender, above
from mailraven.policy.verdict import Reason

ENTRY_LIMIT = 50_000  # of one list; the rest is not read
POINTS = 100.0  # more than any message can have of other reasons
Word = Literal["allow", "block"]
Level = Literal["account", "domain", "server"]


@dataclass(frozen=True, slots=True)
class SenderList:
    """The entries of one file; `networks` by version and length of prefix."""

    names: frozenset[str]
    networks: Mapping[tuple[int, int], frozenset[int]]

    def names_address(self, address: str) -> str | None:
        """The entry that has an address: its own, or one of its domain."""
        address = address.lower()
        if address in self.names:
            return address
        return next((one for one in above(address.rpartition("@")[2]) if one in self.names), None)

    def names_client(self, client: str) -> str | None:
        """The entry that has an IP address."""
        if not self.networks or not client:
            return None
        address = ip_address(client.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        bits = address.max_prefixlen
        for (version, length), networks in self.networks.items():
            if version == address.version and int(address) >> (bits - length) in networks:
                return str(ip_network((int(address), length), strict=False))
        return None


EMPTY = SenderList(frozenset(), {})


def parse_entry(text: str) -> str:
    """An entry as it is written: in lower case, a network without host bits, one address without
    its prefix. Raises ValueError with a sentence."""
    text = text.strip().lower()
    if "@" in text:
        return target_address(text, "")
    if "/" in text or ":" in text or text.replace(".", "").isdigit():
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f"{text!r} is no IP address or network") from None
        if network.prefixlen == 0:
            raise ValueError(f"{text} is everybody")
        one = network.prefixlen == network.max_prefixlen
        return str(network.network_address) if one else str(network)
    return domain_name(text)


def entries_of(text: str) -> Iterator[str]:
    """The good entries of a file."""
    for number, line in enumerate(text.splitlines()):
        entry = line.partition("#")[0].strip()
        if entry and number < ENTRY_LIMIT:
            try:
                yield parse_entry(entry)
            except ValueError:
                continue


def read_list(path: Path) -> SenderList:
    """The list in a file. Raises OSError."""
    names: set[str] = set()
    networks: dict[tuple[int, int], set[int]] = {}
    for entry in entries_of(path.read_text(errors="replace")):
        network = _network(entry)
        if network is None:
            names.add(entry)
        else:
            key = network.version, network.prefixlen
            shift = network.max_prefixlen - network.prefixlen
            networks.setdefault(key, set()).add(int(network.network_address) >> shift)
    return SenderList(frozenset(names), {key: frozenset(one) for key, one in networks.items()})


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(entry)
    except ValueError:
        return None


def list_folder(data: Path, level: Level, owner: str) -> Path:
    """Where the lists of `owner` lie: "" for the server, a domain, an account's address."""
    local, _, domain = owner.rpartition("@")
    if level == "account":
        return data / "mail" / domain / local
    return data / "domains" / owner if level == "domain" else data / "lists"


@dataclass(frozen=True, slots=True)
class Lists:
    """All lists below `data`; files are read again when they change."""

    data: Path
    _files: FileCache[SenderList]

    @classmethod
    def below(cls, data: Path) -> "Lists":
        """Those of a server."""
        return cls(data, FileCache(read_list))

    def allows_client(self, client: str) -> bool:
        """Whether the server's list lets this IP address in."""
        return self._get("server", "", "allow").names_client(client) is not None

    def reasons(self, sender: Sender, account: str) -> tuple[Reason, ...]:
        """What the lists say of a sender to an account ("" is nobody in particular).

        The closest level that says anything decides: the account, its domain, the server. There,
        allowing comes before blocking, but only of senders that are proved.
        """
        domain = account.rpartition("@")[2]
        levels: list[tuple[Level, str]] = [("server", "")]
        if account:
            levels = [("account", account), ("domain", domain), *levels]
        notes: list[Reason] = []
        for level, owner in levels:
            for word in ("allow", "block"):
                reason = self._reason(sender, level, owner, word)
                if reason is not None and reason.points:
                    return (reason, *notes)
                notes += [reason] if reason is not None else []
        return tuple(notes)

    def _reason(self, sender: Sender, level: Level, owner: str, word: Word) -> Reason | None:
        found = self._get(level, owner, word)
        whose = owner or "the server"
        rule = f"{word}-{level}"
        points = -POINTS if word == "allow" else POINTS
        entry = found.names_client(sender.client)
        if entry is not None:
            return Reason(rule, points, f"{whose} has {entry} in its list to {word}")
        for address in sender.claimed:
            entry = found.names_address(address)
            if entry is None:
                continue
            words = f"{whose} has {entry} in its list to {word}"
            if word == "block":
                return Reason(rule, points, words)
            if address in sender.proved:
                return Reason(rule, points, f"{words}, and {address} is proved to have sent it")
            return Reason(rule, 0.0, f"{words}, but nothing proves that {address} sent it")
        return None

    def _get(self, level: Level, owner: str, word: Word) -> SenderList:
        return self._files.get(f"{list_folder(self.data, level, owner)}/{word}") or EMPTY
