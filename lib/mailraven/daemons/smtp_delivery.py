"""From a message that has ended to a reply that is true: Maildirs for accounts, spool for others.

One reply speaks for all recipients, so what cannot be filed at once is spooled and tried again,
and only when nothing can be kept is the answer 4yz. A crash between the two steps costs a
duplicate, never a message.
"""

import asyncio
import errno
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mailraven.config.directory import Account
from mailraven.daemons.smtp_house import House, date_of
from mailraven.daemons.smtp_routing import Routed, domain_of
from mailraven.mail import headers
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.mail.types import TraceId
from mailraven.observe import log
from mailraven.smtp import submission, trace_header
from mailraven.smtp.events import Kind, Mail
from mailraven.smtp.trace_header import Hop
from mailraven.store.delivery import Content

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
HEADER_LIMIT = 256 * 1024  # octets: each field costs work
RETURN_PATH = frozenset({b"return-path"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the message comes from, for Received and the log."""

    kind: Kind
    helo: str
    peer: str
    protocol: str
    tls: tuple[str, str]
    account: Account | None


@dataclass(slots=True)
class Transaction:
    """One MAIL with its recipients, until it is answered."""

    house: House
    origin: Origin
    mail: Mail
    trace: TraceId
    routed: list[Routed] = field(default_factory=list)
    began: float = field(default_factory=time.time)

    def make_maildirs(self) -> None:
        """See to it that every account has one. Raises TemporaryError."""
        self.house.make_maildirs(a.maildir for one in self.routed for a in one.accounts)

    def spill_path(self) -> Path:
        """Where a large message is written, so that it needs no copy to get where it stays."""
        name = f".{self.trace}~"
        for routed in self.routed:
            if routed.accounts:
                return routed.accounts[0].maildir / "tmp" / name
        return self.house.spool.folder("msg") / name

    def prepare(self, data: bytes) -> bytes:
        """The head of a large message as it is written to its file."""
        final = not any(self._queued(routed) for routed in self.routed)
        before, header, rest = self._head(data)
        return (self._final_fields() if final else b"") + before + header + rest

    # The header --------------------------------------------------------------------------------

    def _head(self, data: bytes) -> tuple[bytes, bytes, bytes]:
        """Received, the header set right, the rest. Raises PermanentError for loops and for a From
        that is not the submitter's."""
        if self.origin.kind == "lmtp":
            known = trace_header.trace_of(data, self.house.config.hostname)
            self.trace = TraceId(known) if known else self.trace
        header, rest = submission.split_header(data)
        if len(header) > HEADER_LIMIT:
            raise PermanentError(552, "5.3.4 the header is too large")
        if trace_header.hops(header) > trace_header.HOP_LIMIT:
            raise PermanentError(554, "5.4.6 too many hops")
        single = self._single_account()
        if single and trace_header.was_delivered_to(header, single.address):
            raise PermanentError(554, "5.4.6 mail loop: it was delivered here before")
        account = self.origin.account
        if account is not None:
            submitter = submission.Submitter(
                account.address, lambda a: self.house.directory.may_send_as(account, a)
            )
            header = submission.set_right(header, submitter, self._date(), self._message_id())
        elif b"return-path:" in header.lower():  # only ours is true. RFC 5321 §4.4
            header = headers.remove_fields(header, RETURN_PATH)
        return self._received(), header, rest

    def _single_account(self) -> Account | None:
        if len(self.routed) == 1 and len(self.routed[0].accounts) == 1:
            return self.routed[0].accounts[0]
        return None

    def _final_fields(self) -> bytes:
        single = self._single_account()
        mark = trace_header.delivered_to(single.address) if single else b""
        return trace_header.return_path(self.mail.reverse_path) + mark

    def _date(self) -> str:
        return date_of(int(self.began))

    def _message_id(self) -> str:
        account = self.origin.account
        domain = domain_of(account.address) if account else self.house.config.hostname
        return f"<{self.trace}.{secrets.token_hex(4)}@{domain}>"

    def _received(self) -> bytes:
        origin = self.origin
        return trace_header.received(
            Hop(
                origin.helo,
                origin.peer,
                self.house.config.hostname,
                origin.protocol,
                self.trace,
                self._date(),
                self.routed[0].path if len(self.routed) == 1 else "",
                origin.tls,
            )
        )

    # The way to disk ---------------------------------------------------------------------------

    async def file(self, data: bytes) -> None:
        """Make a message that is in memory durable. Raises TemporaryError, PermanentError."""
        received, header, rest = self._head(data)
        parts = (received, header, rest)
        size = len(received) + len(header) + len(rest)
        final = self._final_fields()
        content = Content(size + len(final), (final, *parts))
        await self._settle(self.routed, content, parts)

    async def file_each(self, data: bytes) -> list[TemporaryError | None]:
        """The same with a result for every recipient, as LMTP asks for (RFC 2033 §4.2)."""
        try:
            await self.file(data)
        except TemporaryError as error:
            if len(self.routed) == 1:
                return [error]
        else:
            return [None] * len(self.routed)
        results: list[TemporaryError | None] = []
        for routed in self.routed:
            alone = Transaction(self.house, self.origin, self.mail, self.trace, [routed])
            try:
                await alone.file(data)
                results.append(None)
            except TemporaryError as error:
                results.append(error)
        return results

    async def file_spilled(self, path: Path, size: int) -> None:
        """Make a message that prepare() has begun and that is now whole in `path` durable."""
        if any(self._queued(routed) for routed in self.routed):
            everyone = [self._everyone(routed) for routed in self.routed]
            await self._spool([one for some in everyone for one in some], path)
        else:
            await self._settle(self.routed, Content(size, spilled=path), None)

    async def _settle(
        self, routed: list[Routed], content: Content, parts: Sequence[bytes] | None
    ) -> None:
        """Deliver to the accounts and spool for the rest; accounts that fail beside others are
        spooled, too, if the message is still in memory (`parts`, without the final fields)."""
        accounts = {a.address: a for one in routed if not self._reports(one) for a in one.accounts}
        queued = [recipient for one in routed for recipient in self._queued(one)]
        if accounts:
            maildirs = [account.maildir for account in accounts.values()]
            try:
                await self.house.deliverer.deliver(maildirs, content)
            except OSError as error:
                self.house.forget_maildirs(maildirs)
                alone = not queued and len(accounts) == 1
                if error.errno in FULL or alone or parts is None or self.origin.kind == "lmtp":
                    raise as_reply(error, self.trace) from error
                log.event("delivery-deferred", level="warn", trace=self.trace, error=str(error))
                queued += [one.spooled(a.address) for one in routed for a in one.accounts]
        if queued and parts is not None:
            await self._spool(queued, parts)

    async def _spool(self, recipients: list[Recipient], content: Sequence[bytes] | Path) -> None:
        mail = self.mail
        envelope = Envelope(
            reverse_path=mail.reverse_path,
            recipients=tuple(dict.fromkeys(recipients)),
            trace=self.trace,
            body=mail.parameters.body,
            smtputf8=mail.parameters.smtputf8,
            require_tls=mail.parameters.require_tls,
            ret=mail.parameters.ret,
            envid=mail.parameters.envid,
            account=self.origin.account.address if self.origin.account else None,
            received_at=self.began,
        )
        try:
            queue_id = await asyncio.to_thread(self.house.spool.submit, envelope, content)
        except OSError as error:
            raise as_reply(error, self.trace) from error
        log.event("queued", trace=self.trace, queue_id=queue_id, recipients=len(recipients))

    def _reports(self, routed: Routed) -> bool:
        """Whether success must be reported: queued does that, after its LMTP. RFC 3461 §5.2.3"""
        return self.origin.kind != "lmtp" and "SUCCESS" in routed.rcpt.parameters.notify

    def _queued(self, routed: Routed) -> list[Recipient]:
        if self._reports(routed):
            return self._everyone(routed)
        return [routed.spooled(address) for address in routed.remote]

    def _everyone(self, routed: Routed) -> list[Recipient]:
        local = [account.address for account in routed.accounts]
        return [routed.spooled(address) for address in (*local, *routed.remote)]


def as_reply(error: OSError, trace: TraceId) -> TemporaryError:
    """What a sender hears of a disk that does not do its work: to come again."""
    log.event("delivery-failed", level="error", trace=trace, error=str(error))
    if error.errno in FULL:
        return TemporaryError(452, "4.3.1 no space left")
    return TemporaryError(451, "4.3.0 local error, try again later")
