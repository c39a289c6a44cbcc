"""Questions to the DNS, answered from a cache where possible; each has a time limit.

The one distinction that matters for mail: a name that is not there is for ever (as far as a
message lives), a name server that does not answer is for now. RFC 5321 §5.1
"""

import asyncio
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

CACHE_SIZE = 20_000  # answers, positive and negative
TRY_TIMEOUT = 3.0  # seconds until the next name server is asked


class NameMissing(Exception):
    """The domain does not exist (NXDOMAIN), or is no possible name."""


class LookupFailed(Exception):
    """No name server gave a usable answer in time; the message says what happened."""


class Resolver(Protocol):
    """What routing needs of the DNS."""

    async def mx(self, domain: str) -> list[tuple[int, str]]:
        """(preference, host) of every MX; [] when there is none. Raises NameMissing, LookupFailed.

        A null MX (RFC 7505) is the host "".
        """
        ...

    async def addresses(self, host: str) -> list[str]:
        """IPv6 and IPv4 addresses; [] when there is none. Raises NameMissing, LookupFailed."""
        ...


class DnsResolver:
    """A Resolver over dnspython. `servers` are "192.0.2.1:53", empty for the system's own."""

    def __init__(self, servers: tuple[str, ...] = (), timeout: float = 10.0) -> None:
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=not servers)
        except dns.resolver.NoResolverConfiguration:  # no /etc/resolv.conf: as the libc does
            self._resolver = dns.asyncresolver.Resolver(configure=False)
            self._resolver.nameservers = ["127.0.0.1"]
        if servers:
            self._resolver.nameservers = [_name_server(server) for server in servers]
        self._resolver.cache = dns.resolver.LRUCache(CACHE_SIZE)
        self._resolver.lifetime = timeout
        self._resolver.timeout = min(TRY_TIMEOUT, timeout)

    async def mx(self, domain: str) -> list[tuple[int, str]]:
        """See Resolver.mx."""
        answer = await self._ask(domain, "MX")
        return [
            (record.preference, record.exchange.to_text(omit_final_dot=True).removesuffix("."))
            for record in answer
            if isinstance(record, MX)
        ]

    async def addresses(self, host: str) -> list[str]:
        """See Resolver.addresses. One family's failure is forgiven when the other is known."""
        found = await asyncio.gather(
            self._ask(host, "AAAA"), self._ask(host, "A"), return_exceptions=True
        )
        addresses: list[str] = []
        failures: list[BaseException] = []
        for answer in found:
            if isinstance(answer, BaseException):
                failures.append(answer)
                continue
            addresses += [one.address for one in answer if isinstance(one, A | AAAA)]
        if failures and not addresses:
            raise failures[0]
        return addresses

    async def _ask(self, name: str, kind: str) -> list[object]:
        try:
            wanted = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError, ValueError) as error:
            raise NameMissing(f"{name} is no domain name") from error
        try:
            answer = await self._resolver.resolve(wanted, kind, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as error:
            raise NameMissing(f"{name} does not exist") from error
        except dns.resolver.LifetimeTimeout as error:
            raise LookupFailed(f"no name server answered for {name} {kind} in time") from error
        except dns.resolver.NoNameservers as error:
            raise LookupFailed(f"name servers failed for {name} {kind}") from error
        except (dns.exception.DNSException, OSError) as error:
            raise LookupFailed(f"look-up of {name} {kind}: {type(error).__name__}") from error
        return list(answer.rrset or ())


def _name_server(server: str) -> dns.nameserver.Nameserver:
    host, _, port = server.rpartition(":")
    return dns.nameserver.Do53Nameserver(host.strip("[]"), int(port))
