"""A real name server on loopback whose zone is a table: name and type to records or a failure."""

import asyncio
from typing import Self

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Records = list[str] | dns.rcode.Rcode | None


class DnsServer(asyncio.DatagramProtocol):
    """Answers by `zone`: {("example.org", "MX"): ["10 mx.example.org."]}.

    A name that is in no key does not exist; a value may be an rcode, or None for silence.
    """

    def __init__(self, zone: dict[tuple[str, str], Records]) -> None:
        self.zone = zone
        self.asked: list[tuple[str, str]] = []
        self.endpoint = ""
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        address, port = self._transport.get_extra_info("sockname")
        self.endpoint = f"{address}:{port}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._transport is not None
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        response = self._answer(query, question, name, kind)
        if response is not None and self._transport is not None:
            self._transport.sendto(response.to_wire(), addr)

    def _answer(
        self, query: dns.message.Message, question: dns.rrset.RRset, name: str, kind: str
    ) -> dns.message.Message | None:
        response = dns.message.make_response(query)
        if not any(known == name for known, _ in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
            return response
        records = self.zone.get((name, kind), [])
        if records is None:
            return None
        if isinstance(records, dns.rcode.Rcode):
            response.set_rcode(records)
        elif records:
            response.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, records))
        return response
