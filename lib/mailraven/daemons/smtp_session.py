"""One SMTP or LMTP connection: octets to the engine, its events to the rooms, replies back."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

from mailraven.config.directory import Account
from mailraven.daemons import smtp_auth, smtp_brake, smtp_limits
from mailraven.daemons.connection import Closed, Connection
from mailraven.daemons.smtp_checks import Checks, Client
from mailraven.daemons.smtp_delivery import Origin, Result, Transaction, as_reply
from mailraven.daemons.smtp_filtered import file_submitted, filters_of
from mailraven.daemons.smtp_house import (
    House,
    child,
    connections,
    delivery_seconds,
    messages,
    octets,
    recipients,
)
from mailraven.daemons.smtp_inbound import Visitor, visitor_of
from mailraven.daemons.smtp_login import Login, mechanisms
from mailraven.daemons.smtp_message import Incoming
from mailraven.daemons.smtp_milters import Filters
from mailraven.daemons.smtp_quota import demand_room
from mailraven.daemons.smtp_records import log_accepted
from mailraven.daemons.smtp_returned import beginning_of
from mailraven.daemons.smtp_routing import route, way_back
from mailraven.mail.errors import PeerError, PermanentError, TemporaryError
from mailraven.observe import log
from mailraven.observe.trace import new_session, new_trace
from mailraven.smtp.events import (
    Abandoned,
    Auth,
    AuthCancelled,
    AuthResponse,
    BodyPart,
    Event,
    Kind,
    Mail,
    Pause,
    Port,
    Rcpt,
    StartTls,
)
from mailraven.smtp.replies import split_reply
from mailraven.smtp.server import ServerEngine

EVENTS_AT_ONCE = 50  # decided without giving others a turn
LOGIN_SECONDS = 600.0  # from the greeting to the log-in, on the ports of users
STEP_NAMES = {Mail: "mail", Rcpt: "rcpt", Auth: "auth", AuthResponse: "auth"}


@dataclass(slots=True, eq=False)
class SmtpSession:
    """The loop around one engine, with the configuration of the moment it began."""

    house: House
    kind: Kind
    connection: Connection
    checks: Checks | None = None  # without: mail is neither checked nor written down
    id: str = field(default_factory=new_session)
    engine: ServerEngine = field(init=False)
    binding: bytes = field(init=False)  # what -PLUS binds to; empty when it is not offered
    began: float = field(default_factory=time.monotonic)
    account: Account | None = None
    transaction: Transaction | None = None
    incoming: Incoming | None = None
    login: Login | None = None
    visitor: Visitor | None = None  # a stranger, whose mail is checked
    filters: Filters | None = None  # milters

    def __post_init__(self) -> None:
        before = self.house.channel_binding  # of the certificate that a TLS connection has seen
        self.house.look_for_certificate()
        self.binding = before if self.connection.tls else self.house.channel_binding
        self.engine = ServerEngine(self._port(), tls=self.connection.tls)
        if self.checks is not None:
            self.visitor = visitor_of(self.checks, self.kind, self.connection.peer)
            if self.visitor is not None:
                self.filters = self.visitor.filters
            elif self.kind in ("submission", "submissions"):
                self.filters = filters_of(self.checks, "submission", self.connection.peer)

    def _port(self) -> Port:
        config, tls = self.house.config, self.house.tls
        offers_auth = self.kind in ("submission", "submissions")
        return Port(
            self.kind,
            config.hostname,
            message_size=config.smtp.message_size,
            recipients=config.smtp.recipients,
            starttls=tls is not None and self.kind in ("smtp", "submission"),
            mechanisms=mechanisms(bool(self.binding)) if offers_auth else (),
            plaintext_auth=config.smtp.plaintext_auth,
            errors=config.limits.connection_errors,
            idle_commands=config.limits.connection_commands,
        )

    # The loop ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve the connection to its end."""
        connections.labels(self.kind).inc()
        log.event("connect", level="debug", session=self.id, peer=self._peer(), via=self.kind)
        try:
            await smtp_limits.greet(self)
            while not self.engine.closed:
                await self._send()
                data = await self._read()
                if not data:
                    break
                await self._feed(data)
            await self._send()
        finally:
            self._forget_message()
            if self.visitor is not None:
                self.visitor.leave()
            if self.filters is not None:
                self.filters.leave()
            log.event(
                "disconnect",
                level="debug",
                session=self.id,
                errors=self.engine.patience.errors or None,
            )

    async def _send(self) -> None:
        if self.engine.awaits_data:
            await self.house.deliverer.room()
        data = self.engine.data_to_send()
        if data:
            log.show()  # whoever hears the reply finds what is said of it
            self.connection.write(data)
            await self.connection.drain()

    async def _read(self) -> bytes:
        """What comes next, b"" at the end; a peer that is silent for too long is told so."""
        if self.house.service.stopping.is_set() and self.transaction is None:
            self.engine.shut(421, "4.3.2 shutting down")
            return b""
        try:
            self.connection.expect_within(self._patience())
            return await self.connection.read()
        except TimeoutError:
            stopping = self.house.service.stopping.is_set()
            self.engine.shut(421, "4.3.2 shutting down" if stopping else "4.4.2 timeout")
            return b""

    def _patience(self) -> float:
        """Seconds that the peer has for its next octets. Raises TimeoutError when it had them."""
        seconds = self.house.config.smtp.command_timeout
        if self.account is not None or self.kind not in ("submission", "submissions"):
            return seconds
        left = self.began + LOGIN_SECONDS - time.monotonic()
        if left <= 0:
            raise TimeoutError  # however busily it talks
        return min(seconds, left)

    def wind_down(self) -> None:
        """The daemon stops: an idle peer is told now, a busy one after its message."""
        if self.transaction is None:
            self.connection.expire()

    async def _feed(self, data: bytes) -> None:
        self.engine.receive(data)
        try:
            decided = 0
            while (event := self.engine.next_event()) is not None:
                await self._decide(event)
                decided += 1
                if decided % EVENTS_AT_ONCE == 0 or isinstance(event, Pause):
                    await self._send()
                    await asyncio.sleep(0)  # a flood of tiny commands must not stop the others
        except (OSError, Closed):
            raise  # the connection's end is nobody's bug
        except Exception:
            log.exception(
                "bug",
                session=self.id,
                trace=self.transaction.trace if self.transaction else None,
                account=self.account.address if self.account else None,
                peer=self._peer(),
            )
            self.engine.shut(451, "4.3.0 internal error")

    async def _decide(self, event: Event) -> None:
        """Answer one event; an error carries its answer."""
        try:
            match event:
                case Mail():
                    await self._mail(event)
                case Rcpt():
                    await self._rcpt(event)
                case BodyPart():
                    await self._body(event)
                case Abandoned(why):
                    self._abandoned(why)
                case StartTls():
                    await smtp_auth.start_tls(self)
                case Pause():
                    pass
                case Auth() | AuthResponse() | AuthCancelled():
                    await smtp_auth.authenticate(self, event)
        except (TemporaryError, PermanentError) as error:
            self._log_refusal(event, error)
            self._refuse(event, error.code, error.text)
        except PeerError as error:
            self._log_refusal(event, error)
            self._refuse(event, *split_reply(error.reply))

    def _log_refusal(self, event: Event, error: Exception) -> None:
        if isinstance(error, smtp_limits.LimitedError):
            if error.is_first:  # it was logged, a flood of it as one line
                self._record_refusal(event, error)
            return
        log.event(
            "reject",
            session=self.id,
            trace=self.transaction.trace if self.transaction else None,
            peer=self._peer(),
            via=self.kind,
            account=self.account.address if self.account else None,
            at=STEP_NAMES.get(type(event), "message"),
            from_=event.reverse_path if isinstance(event, Mail) else self._sender(),
            to=event.forward_path if isinstance(event, Rcpt) else None,
            reply=str(error),
        )
        self._record_refusal(event, error)

    def _record_refusal(self, event: Event, error: Exception) -> None:
        if self.checks is not None and self.kind != "lmtp":
            self.checks.refused(self.client(), self.transaction, event, str(error))

    def client(self) -> Client:
        """Who talks to us, for a record."""
        notes = self.filters.notes if self.filters is not None else ()
        return Client(self.kind, self._peer(), self.engine.helo, self.account, notes)

    def _refuse(self, event: Event, code: int, text: str) -> None:
        if isinstance(event, Rcpt):
            child(recipients, self.kind, "refused").inc()
        if isinstance(event, BodyPart):
            child(messages, self.kind, "refused").inc()
            self._end_body(event, code, text)
        else:
            self.engine.reply(code, text)

    def _peer(self) -> str:
        return self.connection.peer[0] or "local"

    def _sender(self) -> str | None:
        return self.transaction.mail.reverse_path if self.transaction else None

    # The envelope ------------------------------------------------------------------------------

    async def _mail(self, event: Mail) -> None:
        account, reverse_path = self.account, event.reverse_path
        # The null reverse-path is for receipts and other notices. RFC 8098 §3
        if account and reverse_path and not self.house.directory.may_send_as(account, reverse_path):
            raise PermanentError(553, "5.7.1 this sender address is not one of yours")
        await smtp_limits.demand_message(self)
        origin = Origin(
            self.kind,
            self.engine.helo,
            self.connection.peer[0],
            self.engine.protocol,
            self.connection.tls_facts() if self.engine.tls else ("", ""),
            account,
        )
        transaction = Transaction(self.house, origin, event, new_trace())
        transaction.proved_sender = reverse_path if account else ""
        transaction.hold = smtp_brake.hold_of(self.house.config, account)
        if self.visitor is not None:
            transaction.is_judged = True
            self.visitor.sender(self.engine.helo, reverse_path)
        if self.filters is not None:
            transaction.is_filtered = True
            await self.filters.mail(transaction)
        self.transaction = transaction
        self.engine.reply(250, "2.1.0 ok")

    async def _rcpt(self, event: Rcpt) -> None:
        transaction = self._open_transaction()
        house, hostname = self.house, self.house.config.hostname
        routed = way_back(house, event, transaction.mail.reverse_path) or route(
            house.directory, event, hostname, may_relay=self.account is not None
        )
        if self.visitor is not None:
            await self.visitor.admit(routed)
        await demand_room(self.house.directory, routed, transaction.mail)
        await smtp_limits.demand_recipient(self, routed.path)
        if self.filters is not None:
            await self.filters.rcpt(event, routed.path)
        transaction.routed.append(routed)
        self.engine.reply(250, "2.1.5 ok")

    def _open_transaction(self) -> Transaction:
        if self.transaction is None:
            raise RuntimeError("the engine let a command through without MAIL")
        return self.transaction

    def _abandoned(self, why: str) -> None:
        if why:
            child(messages, self.kind, "refused").inc()
            log.event(
                "reject",
                session=self.id,
                trace=self.transaction.trace if self.transaction else None,
                peer=self._peer(),
                via=self.kind,
                account=self.account.address if self.account else None,
                at="message",
                from_=self._sender(),
                reply=why,
            )
        self._forget_message()

    # The message -------------------------------------------------------------------------------

    async def _body(self, part: BodyPart) -> None:
        transaction = self._open_transaction()
        if self.incoming is None:
            self.incoming = Incoming(transaction.prepare)
        incoming = self.incoming
        incoming.add(part.data)
        if part.last:
            incoming.end_line()
        try:
            if incoming.is_full or (part.last and incoming.file is not None):
                await incoming.relieve(transaction.spill_path)
        except OSError as error:
            raise as_reply(error, transaction.trace) from error
        if part.last:
            await self._accept(transaction, incoming)

    async def _accept(self, transaction: Transaction, incoming: Incoming) -> None:
        """Make the message durable, then say so. Raises TemporaryError, PermanentError."""
        if self.checks is not None:
            await smtp_brake.weigh(self.checks, transaction, incoming)
        report = b"" if self.visitor is not None else beginning_of(self.kind, transaction, incoming)
        with delivery_seconds.time():
            results = await self._file(transaction, incoming)
        if self.checks is not None and self.kind != "lmtp" and not transaction.is_recorded:
            self.checks.record(transaction, {"at": "message", "action": "accept"})
            self.checks.wrote_to(transaction)
            self.checks.returned.note(transaction, report, None)
        trace, size = transaction.trace, incoming.size
        self._forget_message()
        good = results.count(None)
        child(messages, self.kind, "accepted" if good else "refused").inc()
        child(recipients, self.kind, "accepted").inc(good)
        octets.inc(size)
        for result in results:
            if result is None:
                self.engine.reply(250, f"2.0.0 ok {trace}")
            else:
                self.engine.reply(result.code, result.text)
        log_accepted(transaction, self.id, size)

    async def _file(self, transaction: Transaction, incoming: Incoming) -> list[Result]:
        """The results to report: one, or in LMTP one for each recipient."""
        each = len(transaction.routed) if self.kind == "lmtp" else 1
        if self.visitor is not None:
            await self.visitor.receive(transaction, incoming)
            return [None]
        if self.filters is not None and self.checks is not None:
            await file_submitted(self.filters, self.checks, transaction, incoming)
            return [None]
        if incoming.file is not None:
            incoming.close()
            if each > 1:
                return await transaction.file_spilled_each(incoming.file, incoming.written)
            await transaction.file_spilled(incoming.file, incoming.written)
            return [None]
        if self.kind == "lmtp":
            return await transaction.file_each(incoming.take())
        await transaction.file(incoming.take())
        return [None]

    def _end_body(self, part: BodyPart, code: int, text: str) -> None:
        """Refuse the message: now if it has ended, else at its end."""
        each = len(self._open_transaction().routed) if self.kind == "lmtp" else 1
        self._forget_message()
        if not part.last:
            self.engine.refuse_body(code, text)
            return
        for _ in range(each):
            self.engine.reply(code, text)

    def _forget_message(self) -> None:
        if self.incoming is not None:
            with contextlib.suppress(OSError):
                self.incoming.discard()
            self.incoming = None
        self.transaction = None
