"""From a message that has ended to a reply that is true: into Maildirs, or into the spool.

One reply speaks for all recipients, so a message goes one way as a whole: into the Maildirs when
all its recipients are accounts, else into the spool, from where queued brings their copies back by
LMTP. There is no second step that could fail after the first one, and a sender who hears 4yz and
tries again duplicates nothing.
"""

import asyncio
import errno
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from mailraven.config.directory import Account
from mailraven.daemons.smtp_house import House, date_of
from mailraven.daemons.smtp_quota import refusal, room_for
from mailraven.daemons.smtp_routing import Routed, demand_no_loop, domain_of
from mailraven.files.atomic import write_all
from mailraven.mail import headers
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.mail.types import TraceId
from mailraven.observe import log
from mailraven.policy.spam_headers import LOOK_ALIKES, is_marked
from mailraven.senderauth.authentication_results import remove_own
from mailraven.smtp import submission, trace_header
from mailraven.smtp.events import Kind, Mail
from mailraven.smtp.trace_header import Hop
from mailraven.store.delivery import Content
from mailraven.store.quarantine import quarantine_place

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
COPY_SIZE = 1 << 20  # octets copied at once
HEADER_LIMIT = 256 * 1024  # octets: each field costs work
MESSAGE_ID_LIMIT = 300  # octets of one that is written down
RETURN_PATH = frozenset({b"return-path"})
NOT_OF_STRANGERS = RETURN_PATH | LOOK_ALIKES

Result = TemporaryError | PermanentError | None  # of one recipient; None is good


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
    marks: bytes = b""  # fields that tell of the verdict
    mailbox: str = ""  # where it is filed; empty is INBOX
    is_judged: bool = False  # mail of strangers: the head waits for the verdict (smtp_shares.py)
    is_recorded: bool = False  # its verdict is written down
    came_with: bytes = b""  # the header of a judged message that is in a file, as it came
    is_filtered: bool = False  # milters see it: its file gets our fields later, too
    is_clean: bool = False  # its header has been set right
    notes: list[dict[str, object]] = field(default_factory=list)  # what milters did
    score: float | None = None  # the lowest of all recipients
    is_share: bool = False  # a part of the recipients; the whole has been through the checks
    message_id: str = ""
    known: Mapping[str, int] | None = None  # whom its account wrote to, if that was looked up
    proved_sender: str = ""  # the reverse-path, when MAIL has found that it is the account's
    hold: str = ""  # why the queue keeps it back
    as_it_came: bool = False  # who sends it on keeps its reverse-path
    filed: dict[str, str] = field(default_factory=dict)  # accounts, each with the mailbox

    def spill_path(self) -> Path:
        """Where a large message is written, so that it needs no copy to get where it stays.

        Waits for the disk. Raises OSError, TemporaryError.
        """
        name = f".{self.trace}~"
        if self.is_for_queue():
            return self.house.spool.folder("msg") / name
        maildirs = self._maildirs()
        self.house.make_maildirs(maildirs)
        return maildirs[0] / "tmp" / name

    def prepare(self, data: bytes) -> bytes:
        """The head of a large message as it is written to its file."""
        before, header, rest = self.head(data)
        if self.is_judged or self.is_filtered:
            self.came_with = headers.split_message(data)[0]
            return header + rest
        return (b"" if self.is_for_queue() else self._final_fields()) + before + header + rest

    # The header --------------------------------------------------------------------------------

    def fields_before(self) -> bytes:
        """What stands before a judged message in its file."""
        before = self._received() + self.marks
        return before if self.is_for_queue() else self._final_fields() + before

    def head(self, data: bytes) -> tuple[bytes, bytes, bytes]:
        """Our fields, the header set right, the rest. Raises PermanentError for loops, and for a
        From that is not the submitter's."""
        if self.origin.kind == "lmtp":
            self._know_again(data)
        header, rest = submission.split_header(data)
        if len(header) > HEADER_LIMIT:
            raise PermanentError(552, "5.3.4 the header is too large")
        if trace_header.hops(header) > trace_header.HOP_LIMIT:
            raise PermanentError(554, "5.4.6 too many hops")
        if not self.is_share:
            demand_no_loop(header, self.routed)
        right = self._set_right(header)
        self.message_id = message_id_of(right)
        return self._received() + self.marks, right, rest

    def _set_right(self, header: bytes) -> bytes:
        account = self.origin.account
        if self.is_clean:
            return header
        if account is not None:
            submitter = submission.Submitter(account.address, partial(self._may_use, account))
            return submission.set_right(header, submitter, self._date(), self._message_id())
        if self.is_judged:
            header = headers.remove_fields(header, NOT_OF_STRANGERS)
            return remove_own(header, self.house.config.hostname)
        if b"return-path:" in header.lower():  # only ours is true. RFC 5321 §4.4
            return headers.remove_fields(header, RETURN_PATH)
        return header

    def _may_use(self, account: Account, address: str) -> bool:
        """Whether it is the account's; mostly one address is in From and in MAIL."""
        directory = self.house.directory
        return address == self.proved_sender or directory.may_send_as(account, address)

    def _know_again(self, data: bytes) -> None:
        """Mail that our queue brings back keeps its trace; it has been through the aliases before
        and is for the account of that name alone, for "alice: alice, far@example.net" would send
        another copy away each time."""
        known = trace_header.trace_of(data, self.house.config.hostname)
        if known:
            self.trace = TraceId(known)
            self.mailbox = self.house.config.spam.quarantine if is_marked(data) else ""
            self.routed = [self._without_aliases(routed) for routed in self.routed]

    def _without_aliases(self, routed: Routed) -> Routed:
        account = self.house.directory.account(routed.path)
        if account is None or not account.enabled:
            return routed
        return replace(routed, accounts=(account,), remote=())

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
        return f"<{self.trace}.{int(self.began * 1000):x}@{domain}>"

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
        await self.file_parts(self.head(data))

    async def file_parts(self, parts: tuple[bytes, bytes, bytes]) -> None:
        """The same for what `head` gave."""
        if self.is_for_queue():
            await self.spool(parts)
            return
        whole = (self._final_fields(), *parts)
        if not await self.all_have_room(sum(map(len, whole))):
            await self.spool(parts)  # queued brings it to each, and only the full one must wait
            return
        try:
            await self._deliver(Content(sum(map(len, whole)), whole))
        except OSError as error:
            alone = self.origin.kind == "lmtp" or len(self._maildirs()) == 1
            if alone or error.errno in FULL:
                raise as_reply(error, self.trace) from error
            log.event("delivery-deferred", level="warn", trace=self.trace, error=str(error))
            await self.spool(parts)

    async def all_have_room(self, size: int) -> bool:
        """Whether every account has room for the message; False when only some have.

        Raises TemporaryError, PermanentError when nobody has, and when the queue cannot help.
        """
        accounts, directory = self._accounts(), self.house.directory
        try:
            count = await room_for(directory, accounts, size)
        except OSError as error:
            raise as_reply(error, self.trace) from error
        if count == len(accounts):
            return True
        if count == 0 or self.origin.kind == "lmtp":
            raise refusal(directory, accounts, size)
        return False

    async def file_each(self, data: bytes) -> list[Result]:
        """The same with a result for every recipient, as LMTP asks for (RFC 2033 §4.2)."""
        try:
            await self.file(data)
        except (TemporaryError, PermanentError) as error:
            if len(self.routed) == 1:
                return [error]
        else:
            return [None] * len(self.routed)
        results: list[Result] = []
        for routed in self.routed:  # nobody has got it yet
            alone = Transaction(
                self.house, self.origin, self.mail, self.trace, [routed], filed=self.filed
            )
            try:
                await alone.file(data)
                results.append(None)
            except (TemporaryError, PermanentError) as error:
                results.append(error)
        return results

    async def file_spilled(self, path: Path, size: int) -> None:
        """Make a message that prepare() has begun and that is now whole in `path` durable."""
        if self.is_for_queue():
            await self.spool(path)
            return
        if not await self.all_have_room(size):
            await self.spool_spilled(path)
            return
        try:
            await self._deliver(Content(size, spilled=path))
        except OSError as error:
            raise as_reply(error, self.trace) from error

    async def file_spilled_each(self, path: Path, size: int) -> list[Result]:
        """The same with a result for every recipient: who is full holds up nobody else."""
        results = [await self._refusal_of(routed, size) for routed in self.routed]
        roomy = [one for one, result in zip(self.routed, results, strict=True) if result is None]
        if not roomy:
            return results
        try:
            await replace(self, routed=roomy).file_spilled(path, size)
        except (TemporaryError, PermanentError) as error:
            return [error if result is None else result for result in results]
        return results

    async def _refusal_of(self, routed: Routed, size: int) -> Result:
        try:
            await replace(self, routed=[routed]).all_have_room(size)
        except (TemporaryError, PermanentError) as error:
            return error
        return None

    async def spool_spilled(self, path: Path) -> None:
        """Hand such a message to the queue: queued brings it to each, and only the full wait.

        Raises TemporaryError.
        """
        if self.is_for_queue():
            await self.spool(path)
            return
        copy = self.house.spool.folder("msg") / f".{self.trace}.{secrets.token_hex(4)}~"
        try:
            await asyncio.to_thread(_copy_from, path, len(self._final_fields()), copy)
            await self.spool(copy)
        except OSError as error:
            raise as_reply(error, self.trace) from error
        finally:
            with suppress(OSError):  # it has become a message
                copy.unlink()

    async def _deliver(self, content: Content) -> None:
        """File the message for every account, or for none. Raises OSError, TemporaryError."""
        maildirs = self._maildirs()
        try:
            if not self.house.are_made(maildirs):
                await asyncio.to_thread(self.house.make_maildirs, maildirs)
            await self.house.deliverer.deliver(maildirs, content)
        except FileNotFoundError:  # somebody removed a folder: delivery needs all three
            await asyncio.to_thread(self.house.make_maildirs, maildirs)
            if content.spilled is not None:
                raise  # its file is gone; the next try goes well
            await self.house.deliverer.deliver(maildirs, content)
        for account in self._accounts():
            self.filed[account.address] = self.mailbox or "INBOX"

    async def spool(self, content: Sequence[bytes] | Path) -> None:
        """Hand the message to the queue for everyone. Raises TemporaryError."""
        mail = self.mail
        envelope = Envelope(
            reverse_path=mail.reverse_path,
            recipients=tuple(dict.fromkeys(one for r in self.routed for one in _everyone(r))),
            trace=self.trace,
            body=mail.parameters.body,
            smtputf8=mail.parameters.smtputf8,
            require_tls=mail.parameters.require_tls,
            ret=mail.parameters.ret,
            envid=mail.parameters.envid,
            account=self.origin.account.address if self.origin.account else None,
            as_it_came=self.as_it_came,
            received_at=self.began,
        )
        try:
            if self.hold or isinstance(content, Path):
                queue_id = await asyncio.to_thread(
                    self.house.spool.submit, envelope, content, self.hold
                )
            else:
                queue_id = await self.house.submitter.submit(envelope, content)
        except OSError as error:
            raise as_reply(error, self.trace) from error
        count = len(envelope.recipients)
        held = self.hold or None
        log.event("queued", trace=self.trace, queue_id=queue_id, recipients=count, held=held)

    def _accounts(self) -> list[Account]:
        return list({a.address: a for one in self.routed for a in one.accounts}.values())

    def _maildirs(self) -> list[Path]:
        maildirs = list(dict.fromkeys(account.maildir for account in self._accounts()))
        if not self.mailbox:
            return maildirs
        return [quarantine_place(maildir, self.mailbox) for maildir in maildirs]

    def is_for_queue(self) -> bool:
        """Whether somebody is elsewhere, it is held, or success must be reported, which queued does
        after its LMTP. RFC 3461 §5.2.3"""
        return bool(self.hold) or any(
            routed.remote
            or (self.origin.kind != "lmtp" and "SUCCESS" in routed.rcpt.parameters.notify)
            for routed in self.routed
        )


def message_id_of(header: bytes) -> str:
    """The Message-ID, as far as anyone will ask for it; "" where there is none."""
    value = headers.first(header, b"message-id") or b""
    return value[:MESSAGE_ID_LIMIT].strip().decode("utf-8", "replace")


def _copy_from(path: Path, offset: int, copy: Path) -> None:
    """Write the octets of `path` from `offset` on to a new file. Raises OSError."""
    fd = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with path.open("rb", buffering=0) as source:
            source.seek(offset)
            while piece := source.read(COPY_SIZE):
                write_all(fd, piece)
    finally:
        os.close(fd)


def _everyone(routed: Routed) -> list[Recipient]:
    local = [account.address for account in routed.accounts]
    return [routed.spooled(address) for address in (*local, *routed.remote)]


def as_reply(error: OSError, trace: TraceId) -> TemporaryError:
    """What a sender hears of a disk that does not do its work: to come again."""
    log.event("delivery-failed", level="error", trace=trace, error=str(error))
    if error.errno in FULL:
        return TemporaryError(452, "4.3.1 no space left")
    return TemporaryError(451, "4.3.0 local error, try again later")
