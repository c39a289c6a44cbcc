"""A real name server on loopback whose zone is a table: name and type to records or a failure."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Records = list[str] | dns.rcode.Rcode | None


@dataclass(frozen=True)
class Manners:
    """How the server answers. `ttl` is of all records; a name without SOA has no negative one.

    `delay` is in seconds; with `tcp` it listens there, too, and answers of more than `udp_size`
    octets are cut off. `port` 0 is any. `authenticated` are names and questions, "mx.example A";
    questions that are `failing` get SERVFAIL.
    """

    address: str = "127.0.0.1"
    port: int = 0
    ttl: int = 60
    negative_ttl: int | None = None
    delay: float = 0.0
    udp_size: int = 1232
    tcp: bool = False
    authenticated: frozenset[str] = field(default_factory=frozenset)
    failing: frozenset[str] = field(default_factory=frozenset)


class DnsServer(asyncio.DatagramProtocol):
    """Answers by `zone`: {("example.org", "MX"): ["10 mx.example.org."]}.

    A name that is in no key does not exist; a value may be an rcode, or None for silence.
    """

    def __init__(
        self, zone: dict[tuple[str, str], Records], manners: Manners | None = None
    ) -> None:
        self.zone = zone
        self.manners = manners or Manners()
        self.asked: list[tuple[str, str]] = []
        self.endpoint = ""
        self._transport: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        while not await self._listen():
            pass
        return self

    async def _listen(self) -> bool:
        """Take a port, unless the same one is somebody else's in TCP."""
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=(self.manners.address, self.manners.port)
        )
        address, port = self._transport.get_extra_info("sockname")
        self.endpoint = f"{address}:{port}"
        try:
            if self.manners.tcp:
                self._tcp = await asyncio.start_server(self._serve_tcp, address, port)
        except OSError:
            self._transport.close()
            if self.manners.port:
                raise
            return False
        return True

    async def __aexit__(self, *exception: object) -> None:
        assert self._transport is not None
        self._transport.close()
        if self._tcp is not None:
            self._tcp.close()
            await self._tcp.wait_closed()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        response = self._respond(query)
        if response is None:
            return
        wire = response.to_wire(max_size=65535)
        if len(wire) > self.manners.udp_size:
            response = dns.message.make_response(query)
            response.flags |= dns.flags.TC
            wire = response.to_wire()
        asyncio.get_running_loop().call_later(self.manners.delay, self._send, wire, addr)

    def _send(self, wire: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(wire, addr)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        response = self._respond(dns.message.from_wire(await reader.readexactly(length)))
        if response is not None:
            wire = response.to_wire(max_size=65535)
            writer.write(len(wire).to_bytes(2, "big") + wire)
            await writer.drain()
        writer.close()

    def _respond(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        return self._answer(query, question.name, name, kind)

    def _answer(
        self, query: dns.message.Message, owner: dns.name.Name, name: str, kind: str
    ) -> dns.message.Message | None:
        response = dns.message.make_response(query)
        if self.manners.authenticated & {name, f"{name} {kind}"}:
            response.flags |= dns.flags.AD
        if f"{name} {kind}" in self.manners.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
            return response
        for _ in range(30):  # a chain, or a loop
            alias = self.zone.get((name, "CNAME")) if kind != "CNAME" else None
            if not isinstance(alias, list):
                break
            response.answer.append(self._records(owner, "CNAME", alias))
            owner = dns.name.from_text(alias[0])
            name = owner.to_text(omit_final_dot=True).lower()
        records = self.zone.get((name, kind), [])
        if not any(known == name for known, _ in self.zone):
            records = dns.rcode.NXDOMAIN
        if records is None:
            return None
        if isinstance(records, dns.rcode.Rcode):
            response.set_rcode(records)
        elif records:
            response.answer.append(self._records(owner, kind, records))
            return response
        if self.manners.negative_ttl is not None:
            response.authority.append(self._start_of_authority(owner))
        return response

    def _records(self, owner: dns.name.Name, kind: str, records: list[str]) -> dns.rrset.RRset:
        return dns.rrset.from_text_list(owner, self.manners.ttl, "IN", kind, records)

    def _start_of_authority(self, owner: dns.name.Name) -> dns.rrset.RRset:
        ttl = self.manners.negative_ttl
        text = f"ns.example. hostmaster.example. 1 3600 600 86400 {ttl}"
        return dns.rrset.from_text(owner, 86400, "IN", "SOA", text)


@contextmanager
def dns_thread(
    zone: dict[tuple[str, str], Records], manners: Manners | None = None
) -> Iterator[str]:
    """The endpoint of a server with a loop of its own, for daemons of another process."""
    loop = asyncio.new_event_loop()
    server = DnsServer(zone, manners)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    try:
        yield server.endpoint
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
