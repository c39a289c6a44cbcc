"""Questions of an operator to the DNS: a name that is missing has no records, and that is all."""

from dataclasses import dataclass
from typing import Literal

from mailraven.dns.answers import Answer, Association, LookupFailed, MailHost, NameMissing, Service
from mailraven.dns.resolver import Resolver
from mailraven.senderauth.look_ups import RecordKind
from mailraven.senderauth.results import SpfResult
from mailraven.senderauth.spf import Needed, Records, Session, evaluate

Address = Literal["A", "AAAA"]
TURNS_LIMIT = 200  # look-ups of one SPF record


@dataclass(frozen=True, slots=True)
class Look:
    """A resolver; every method raises LookupFailed."""

    resolver: Resolver

    async def addresses(self, name: str, family: Address) -> Answer[str]:
        """A or AAAA records; the answer's name is another one behind a CNAME."""
        try:
            return await self.resolver.ask(name, family)
        except NameMissing:
            return Answer(())

    async def all_addresses(self, name: str) -> list[str]:
        """Of both families."""
        four = await self.addresses(name, "A")
        six = await self.addresses(name, "AAAA")
        return [*four.records, *six.records]

    async def texts(self, name: str) -> tuple[bytes, ...]:
        """TXT records."""
        try:
            return (await self.resolver.ask(name, "TXT")).records
        except NameMissing:
            return ()

    async def mail_hosts(self, name: str) -> tuple[MailHost, ...]:
        """MX records."""
        try:
            return (await self.resolver.ask(name, "MX")).records
        except NameMissing:
            return ()

    async def names_of(self, address: str) -> list[str]:
        """PTR records."""
        try:
            return await self.resolver.names_of(address)
        except NameMissing:
            return []

    async def service(self, name: str) -> tuple[Service, ...]:
        """SRV records."""
        try:
            return (await self.resolver.ask(name, "SRV")).records
        except NameMissing:
            return ()

    async def associations(self, name: str) -> Answer[Association]:
        """TLSA records, and whether DNSSEC proved them."""
        try:
            return await self.resolver.ask(name, "TLSA")
        except NameMissing:
            return Answer(())

    async def spf(self, client: str, sender: str, helo: str) -> SpfResult:
        """What a receiver finds of mail from the address `client`."""
        session = Session(client, helo, sender)
        answers: dict[Needed, Records] = {}

        def look_up(name: str, kind: RecordKind) -> Records | None:
            return answers.get(Needed(name, kind))

        for _ in range(TURNS_LIMIT):
            result = evaluate(session, "mailfrom", look_up)
            if isinstance(result, SpfResult):
                return result
            answers[result] = await self._records(result)
        raise LookupFailed("the SPF record asks for too much")

    async def _records(self, question: Needed) -> Records:
        try:
            found = (await self.resolver.ask(question.name, question.kind)).records
        except NameMissing:
            return ()
        return tuple(one for one in found if isinstance(one, str | bytes | tuple))
