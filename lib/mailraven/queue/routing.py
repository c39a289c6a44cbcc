"""Where mail for a domain goes: the next hop by configuration, its hosts and addresses by DNS.

In this order: a domain of ours to the local delivery agent, a fixed route of the domain, the
smarthost of the sender, the route of any other domain, the server's smarthost, an address literal,
else the MX records and, where there are none, the domain's own address (RFC 5321 §5.1). A null MX
says that the domain takes no mail (RFC 7505).
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Literal

from mailraven.config.directory import WayOut
from mailraven.config.schema import Config
from mailraven.config.smarthosts import DIRECT, Smarthost
from mailraven.dns.answers import LookupFailed, NameMissing
from mailraven.dns.resolver import Resolver
from mailraven.mail.address import normalise_domain
from mailraven.mail.errors import PermanentError, TemporaryError

HOPS_LIMIT = 10  # addresses tried for one delivery; the rest wait for the next attempt
MX_LIMIT = 20  # hosts of one domain that are considered
DEFAULT_PORT = 25
TLS_PORT = 465  # where submission begins with the handshake. RFC 8314 §7.3

Tls = Literal["none", "opportunistic", "required", "verified"]
Family = Literal["any", "ipv4-first", "ipv6-first", "ipv4", "ipv6"]

_TLS: dict[str, Tls] = {
    "none": "none",
    "opportunistic": "opportunistic",
    "required": "required",
    "verified": "verified",
}
_TLS_MARKS = {"none": " (no TLS)", "required": " (TLS)", "verified": " (verified TLS)"}
NO_WAY_OUT = WayOut()


@dataclass(frozen=True, slots=True)
class NextHop:
    """Whom to hand mail to. Messages with an equal `key` may share a connection.

    `kind` "mx" looks up MX records of `host`, "host" its addresses only, "lmtp" is the Unix socket
    `socket`. `tls` "required" refuses to send without TLS, "verified" without a certificate that is
    valid for the host; `policies` says whether DANE and MTA-STS may ask for more, `require_tls`
    that the sender does (RFC 8689). The password is `password`, or in `password_file`. `family`
    and `sources` say which addresses of theirs, and from which of ours; `tls_at_once` that the
    other side says nothing before the handshake.
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
    password_file: Path | None = None
    family: Family = "any"
    sources: tuple[str, ...] = ()
    tls_at_once: bool = False

    @property
    def key(self) -> str:
        """Name of the destination in the queue, in logs and for limits: all that tells apart the
        sessions that one message may use from those that another may."""
        if self.kind == "lmtp":
            return "lmtp"
        name = self.host if self.kind == "mx" else f"[{self.host}]:{self.port}"
        name = f"{self.user}@{name}" if self.user else name
        name += " (REQUIRETLS)" if self.require_tls else _TLS_MARKS.get(self.tls, "")
        if self.kind == "mx" and not self.policies:
            name += " (no policies)"
        if self.family != "any":
            name += f" ({self.family})"
        return f"{name} from {' '.join(self.sources)}" if self.sources else name


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
    """What the configuration says; `routes` maps domain (or "*") to "host:port", `smarthosts` by
    name, `smarthost` is the server's own."""

    own_name: str
    is_local: Callable[[str], bool]
    lmtp: Path
    routes: Mapping[str, str] = field(default_factory=dict)
    smarthost: Smarthost | None = None
    password: str = field(default="", repr=False)  # of `smarthost`
    smarthosts: Mapping[str, Smarthost] = field(default_factory=dict)
    port: int = DEFAULT_PORT
    tls: Mapping[str, Tls] = field(default_factory=dict)
    families: Mapping[str, Family] = field(default_factory=dict)
    sources: tuple[str, ...] = ()


def routing_table(config: Config, is_local: Callable[[str], bool]) -> RoutingTable:
    """The table by `config`; `is_local` says which domains are ours."""
    queue = config.queue
    # A password is for nobody but the host that we mean.
    is_sure = queue.smarthost_user or queue.smarthost_tls == "required"
    tls: Tls = "verified" if is_sure else "opportunistic"
    smarthost = Smarthost("smarthost", queue.smarthost, queue.smarthost_user, tls=tls)
    return RoutingTable(
        own_name=config.hostname,
        is_local=is_local,
        lmtp=config.smtp.lmtp,
        routes=queue.routes,
        smarthost=smarthost if queue.smarthost else None,
        password=queue.smarthost_password,
        smarthosts=queue.smarthosts,
        port=queue.port,
        tls=queue.tls,
        families=queue.families,
        sources=queue.source_addresses,
    )


def next_hop(table: RoutingTable, domain: str, way_out: WayOut = NO_WAY_OUT) -> NextHop:
    """The next hop for mail to `domain` whose sender has `way_out`.

    An empty domain is the bare postmaster, who is ours (RFC 5321 §4.5.1). Raises PermanentError for
    an address literal that is none, TemporaryError for a smarthost that is not configured.
    """
    name = normalise_domain(domain)
    if not name or table.is_local(name):
        return NextHop("lmtp", "local", socket=table.lmtp)
    hop = _hop_out(table, name, way_out.smarthost)
    sources = way_out.source_addresses or table.sources
    return replace(hop, family=_family(table, name, hop), sources=sources)


def _family(table: RoutingTable, name: str, hop: NextHop) -> Family:
    """That of the host to connect to; of the domain if it leads to its own hosts, or has a route of
    its own."""
    keys = [hop.host, name if hop.kind == "mx" or name in table.routes else "", "*"]
    return next((table.families[key] for key in keys if key in table.families), "any")


def _hop_out(table: RoutingTable, name: str, wanted: str) -> NextHop:
    tls = table.tls.get(name)
    route = table.routes.get(name)
    if not route and not wanted:
        route = table.routes.get("*")
    if route:
        host, port = _endpoint(route)
        return NextHop("host", host, port, tls=tls or "opportunistic")
    smarthost = table.smarthost if not wanted else table.smarthosts.get(wanted)
    if smarthost is not None:
        return _by_smarthost(smarthost, "" if wanted else table.password)
    if wanted not in ("", DIRECT):  # never another way: there it may not be believed, or be read
        raise TemporaryError(451, f"4.3.5 queue.smarthosts has no {wanted}")
    if name.startswith("["):
        return NextHop("host", _literal(name), table.port)
    # Who writes down less than required does not want policies; they may ask for more than it.
    is_policed = tls not in ("none", "opportunistic")
    return NextHop("mx", name, table.port, tls=tls or "opportunistic", policies=is_policed)


def _by_smarthost(smarthost: Smarthost, password: str) -> NextHop:
    host, port = _endpoint(smarthost.endpoint)
    tls, at_once = _TLS[smarthost.tls], port == TLS_PORT
    return NextHop(
        "host",
        host,
        port,
        tls="required" if at_once and tls == "opportunistic" else tls,  # it knows nothing else
        user=smarthost.user,
        password=password,
        password_file=smarthost.password_file,
        tls_at_once=at_once,
    )


async def hops(
    hop: NextHop, own_name: str, resolver: Resolver, shuffle: Callable[[list[str]], None]
) -> AsyncIterator[Hop]:
    """The addresses to try, best first; each host is looked up only when its turn has come.

    Hosts of one preference come in any order (RFC 5321 §5.1), which `shuffle` makes. Raises, if
    there was not a single address: PermanentError, or TemporaryError, also where the only addresses
    are of the family that `hop` leaves out, and for a host that our configuration names.
    """
    if address := _address(hop.host):
        yield Hop(hop.host, address, hop.port)
        return
    hosts = [hop.host] if hop.kind == "host" else await _mx_hosts(hop, own_name, resolver, shuffle)
    count, failure = 0, ""  # with its enhanced status: RFC 3463 §3.5
    for host in hosts:
        try:
            found = await resolver.addresses(host)
        except LookupFailed as error:
            failure = f"4.4.3 {error}"
            continue
        except NameMissing:
            continue
        addresses = _address_order(found, hop.family)
        if found and not addresses:
            failure = f"4.4.4 {host} has no address for us: queue.families says {hop.family}"
        for address in addresses:
            if count >= HOPS_LIMIT:
                return
            count += 1
            yield Hop(host, address, hop.port)
    if not count:
        raise _no_address(hop, failure)


def _no_address(hop: NextHop, failure: str) -> PermanentError | TemporaryError:
    if not failure and hop.kind == "host":  # our configuration is wrong, not the address
        failure = f"4.3.5 {hop.host}, the way that is configured, has no address"
    if failure:
        return TemporaryError(451, failure)
    return PermanentError(550, f"5.4.4 no mail host of {hop.host} has an address")


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


def _address_order(addresses: list[str], family: Family) -> list[str]:
    """Those of the family; of "any" IPv6 and IPv4 by turns: when one family is broken, the second
    try is the other."""
    six = [address for address in addresses if ":" in address]
    four = [address for address in addresses if ":" not in address]
    if family != "any":
        return {"ipv4": four, "ipv6": six, "ipv4-first": four + six}.get(family, six + four)
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
