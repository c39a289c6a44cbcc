"""Where mail for a domain goes: the next hop by configuration, its hosts and addresses by DNS.

In this order: a domain of ours to the local delivery agent, a fixed route, the smarthost, an
address literal, else the MX records and, where there are none, the domain's own address
(RFC 5321 §5.1). A null MX says that the domain takes no mail (RFC 7505).
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Literal

from mailraven.dns.answers import LookupFailed, NameMissing
from mailraven.dns.resolver import Resolver
from mailraven.mail.address import normalise_domain
from mailraven.mail.errors import PermanentError, TemporaryError

HOPS_LIMIT = 10  # addresses tried for one delivery; the rest wait for the next attempt
MX_LIMIT = 20  # hosts of one domain that are considered
DEFAULT_PORT = 25

Tls = Literal["none", "opportunistic", "required", "verified"]


@dataclass(frozen=True, slots=True)
class NextHop:
    """Whom to hand mail to. Messages with an equal `key` may share a connection.

    `kind` "mx" looks up MX records of `host`, "host" its addresses only, "lmtp" is the Unix socket
    `socket`. `tls` "required" refuses to send without TLS, "verified" without a certificate that is
    valid for the host; `policies` says whether DANE and MTA-STS may ask for more, `require_tls`
    that the sender does (RFC 8689).
    """

    kind: Literal["mx", "host", "lmtp"]
    host: str
    port: int = DEFAULT_PORT
    socket: Path | None = None
    tls: Tls = "opportunistic"
    policies: bool = True
    require_tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def key(self) -> str:
        """Name of the destination in the queue, in logs and for limits."""
        if self.kind == "lmtp":
            return "lmtp"
        name = self.host if self.kind == "mx" else f"[{self.host}]:{self.port}"
        name = f"{self.user}@{name}" if self.user else name
        if self.require_tls:
            return f"{name} (REQUIRETLS)"
        return f"{name} (TLS)" if self.tls in ("required", "verified") else name


@dataclass(frozen=True, slots=True)
class Hop:
    """One address to connect to; `host` is the name whose address it is."""

    host: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}[{self.address}]:{self.port}"


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """What the configuration says; `routes` maps domain (or "*") to "host:port"."""

    own_name: str
    is_local: Callable[[str], bool]
    lmtp: Path
    routes: Mapping[str, str] = field(default_factory=dict)
    smarthost: str = ""
    smarthost_tls: Literal["opportunistic", "required"] = "required"
    user: str = ""
    password: str = field(default="", repr=False)
    port: int = DEFAULT_PORT
    tls: Mapping[str, Tls] = field(default_factory=dict)


def next_hop(table: RoutingTable, domain: str) -> NextHop:
    """The next hop for mail to `domain`. Raises PermanentError for an address literal that is none.

    An empty domain is the bare postmaster, who is ours. RFC 5321 §4.5.1
    """
    name = normalise_domain(domain)
    if not name or table.is_local(name):
        return NextHop("lmtp", "local", socket=table.lmtp)
    if route := table.routes.get(name) or table.routes.get("*"):
        host, port = _endpoint(route)
        return NextHop("host", host, port, tls=table.tls.get(name, "opportunistic"))
    if table.smarthost:
        host, port = _endpoint(table.smarthost)
        user, password = table.user, table.password
        # A password is for nobody but the host that we mean.
        is_sure = user or table.smarthost_tls == "required"
        tls: Tls = "verified" if is_sure else "opportunistic"
        return NextHop("host", host, port, tls=tls, user=user, password=password)
    if name.startswith("["):
        return NextHop("host", _literal(name), table.port)
    # Who writes down less than required does not want policies; they may ask for more than it.
    word = table.tls.get(name)
    is_policed = word not in ("none", "opportunistic")
    return NextHop("mx", name, table.port, tls=word or "opportunistic", policies=is_policed)


async def hops(
    hop: NextHop, own_name: str, resolver: Resolver, shuffle: Callable[[list[str]], None]
) -> AsyncIterator[Hop]:
    """The addresses to try, best first; each host is looked up only when its turn has come.

    Hosts of one preference come in any order (RFC 5321 §5.1), which `shuffle` makes. Raises, if
    there was not a single address: PermanentError or TemporaryError.
    """
    if address := _address(hop.host):
        yield Hop(hop.host, address, hop.port)
        return
    hosts = [hop.host] if hop.kind == "host" else await _mx_hosts(hop, own_name, resolver, shuffle)
    count, failure = 0, ""
    for host in hosts:
        try:
            addresses = _address_order(await resolver.addresses(host))
        except LookupFailed as error:
            failure = str(error)
            continue
        except NameMissing:
            continue
        for address in addresses:
            if count >= HOPS_LIMIT:
                return
            count += 1
            yield Hop(host, address, hop.port)
    if count:
        return
    if failure:
        raise TemporaryError(451, f"4.4.3 {failure}")  # RFC 3463 §3.5: directory server failure
    raise PermanentError(550, f"5.4.4 no mail host of {hop.host} has an address")


async def _mx_hosts(
    hop: NextHop, own_name: str, resolver: Resolver, shuffle: Callable[[list[str]], None]
) -> list[str]:
    try:
        records = await resolver.mx(hop.host)
    except NameMissing as error:
        raise PermanentError(550, f"5.1.2 {error}") from error
    except LookupFailed as error:
        raise TemporaryError(451, f"4.4.3 {error}") from error
    if not records:
        return [hop.host]  # the implicit MX. RFC 5321 §5.1
    if all(not host for _, host in records):
        raise PermanentError(556, f"5.1.10 {hop.host} does not accept mail (null MX)")
    ours = [preference for preference, host in records if normalise_domain(host) == own_name]
    if ours:  # those at and behind us would send it back to us. RFC 5321 §5.1
        records = [record for record in records if record[0] < min(ours)]
        if not records:
            raise PermanentError(554, f"5.4.6 MX of {hop.host} is this server, which knows it not")
    return _by_preference(records, shuffle)[:MX_LIMIT]


def _by_preference(
    records: Sequence[tuple[int, str]], shuffle: Callable[[list[str]], None]
) -> list[str]:
    ordered: list[str] = []
    for preference in sorted({preference for preference, _ in records}):
        equal = sorted({host for one, host in records if one == preference and host})
        shuffle(equal)
        ordered += equal
    return ordered


def _address_order(addresses: list[str]) -> list[str]:
    """IPv6 and IPv4 by turns: when one family is broken, the second try is the other."""
    six = [address for address in addresses if ":" in address]
    four = [address for address in addresses if ":" not in address]
    ordered: list[str] = []
    for position in range(max(len(six), len(four))):
        ordered += six[position : position + 1] + four[position : position + 1]
    return ordered


def _endpoint(text: str) -> tuple[str, int]:
    """Host and port of "mx.example.org:25" or "[2001:db8::1]:25"; the port may be missing."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        return text.strip("[]").lower(), DEFAULT_PORT
    return host.strip("[]").lower(), int(port)


def _literal(domain: str) -> str:
    """The address in "[192.0.2.1]" or "[ipv6:2001:db8::1]". RFC 5321 §4.1.3"""
    address = _address(domain.strip("[]").removeprefix("ipv6:"))
    if address is None:
        raise PermanentError(550, f"5.1.2 {domain[:100]} is no address")
    return address


def _address(text: str) -> str | None:
    for kind in (IPv4Address, IPv6Address):
        try:
            return str(kind(text))
        except ValueError:
            continue
    return None
