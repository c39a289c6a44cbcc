"""Delivering one job: connect to the first host that answers, hand the message over, say what
became of each recipient.

When a host cannot be reached, greets with a refusal, or goes away before the message was sent, the
next one in MX order is tried at once (RFC 5321 §5.1). When TLS was offered and fails, the host is
tried again in plaintext, unless a policy, the operator or the sender demands TLS: as good as it
gets without (RFC 7435). What is demanded is tls_guard.py's word.
"""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mailraven.config.schema import Config
from mailraven.daemons.dialling import dial, helo_name, with_password
from mailraven.daemons.flight import Job
from mailraven.daemons.signing import Signatory
from mailraven.daemons.smtp_sender import (
    SMALL,
    HandshakeFailed,
    Message,
    SessionFailed,
    SmtpSender,
    TlsMissing,
)
from mailraven.daemons.tls_guard import Guard, Plan
from mailraven.daemons.tls_notes import Notes, failure_type
from mailraven.dns.resolver import Resolver
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.queue.conversion import CONVERSION_LIMIT, to_seven_bit, to_short_lines
from mailraven.queue.dane import authenticate
from mailraven.queue.demands import (
    Abilities,
    Objection,
    needs_conversion,
    needs_short_lines,
    objection,
)
from mailraven.queue.entry import Answer, Status, bounded, instant
from mailraven.queue.forwarding import Forwarder, mark
from mailraven.queue.progress import Attempt
from mailraven.queue.routing import Hop, NextHop, Tls, hops
from mailraven.queue.tls_demand import Demand, HostNotAllowed, Step
from mailraven.smtp.client import ClientEngine
from mailraven.smtp.client_commands import UnsafePath
from mailraven.smtp.client_events import Outcome, Stage
from mailraven.smtp.client_replies import Extensions, Reply


class Unreachable(Exception):
    """No host of a destination could be used; `attempt` is what its recipients get."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(attempt.answer.text)
        self.attempt = attempt


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a job, and the session if it may be used again."""

    attempts: dict[int, Attempt]
    sender: SmtpSender | None


@dataclass(frozen=True, slots=True)
class Pen:
    """What is written on the way out: signatures, and return addresses of ours."""

    signatory: Signatory
    forwarder: Forwarder


class Courier:
    """Delivers jobs by one configuration."""

    def __init__(self, config: Config, resolver: Resolver, pen: Pen, guard: Guard) -> None:
        self._config = config
        self._resolver = resolver
        self._pen = pen
        self._guard = guard
        self._trusting = _context(config.tls.ca, verify=False)
        self._verifying = _context(config.tls.ca, verify=True)

    async def deliver(self, job: Job, used: SmtpSender | None) -> Delivered:
        """Deliver over `used`, if it is still good, or else a new session.

        Raises Unreachable when not one host could be asked.
        """
        attempts: dict[int, Attempt] = {}
        left = job.positions
        sender: SmtpSender | None = None
        try:
            async with aclosing(self._sessions(job.hop, used)) as sessions:
                async for sender in sessions:
                    attempts |= await self._send(job, left, sender)
                    left = _worth_another_host(attempts, left)
                    if not left:
                        break
                    sender.close()
        except Unreachable as error:
            if not attempts:
                raise
            attempts |= _instead_of_silence(attempts, left, error.attempt)
        except BaseException:  # given up in the middle: nobody else knows of the session
            if sender is not None:
                sender.close()
            raise
        if sender is not None and not sender.is_usable:
            sender.close()  # a server that stays on the line would keep our end of it, too
            sender = None
        return Delivered(attempts, sender)

    async def _sessions(
        self, hop: NextHop, used: SmtpSender | None
    ) -> AsyncGenerator[SmtpSender, None]:
        """Sessions to try, best first. Raises Unreachable when the last one could not be opened."""
        if used is not None and used.is_usable:
            yield used
        elif used is not None:
            used.close()
        failed: tuple[Outcome, str] | None = None
        try:
            plan = await self._guard.plan(hop)
            async for host in self._hosts(hop):
                try:
                    sender = await self._open(plan, host)
                except SessionFailed as error:
                    failed = error.outcome, str(host)
                    continue
                failed = None
                yield sender
        except (PermanentError, TemporaryError) as error:
            reply = Reply(error.code, (error.text,))
            status: Status = "failed" if isinstance(error, PermanentError) else "pending"
            raise Unreachable(Attempt(status, _answer(Outcome(reply, "dns", False), ""))) from error
        if failed is not None:
            raise Unreachable(Attempt("pending", _answer(*failed)))

    async def _hosts(self, hop: NextHop) -> AsyncIterator[Hop]:
        if hop.kind == "lmtp":
            yield Hop("local", str(hop.socket), 0)
            return
        name = self._config.hostname
        async for host in hops(hop, name, self._resolver, random.shuffle):
            yield host

    async def _open(self, plan: Plan, host: Hop) -> SmtpSender:
        """A session with one host. Raises SessionFailed."""
        note = Notes(self._guard.ledger, plan.hop, host)
        try:
            asked = await self._guard.demand(plan, host)
        except HostNotAllowed as error:
            note.result(error.facts, "validation-failure", str(error))
            raise _no_session(f"4.7.5 {error}", "policy") from error
        except TemporaryError as error:
            raise _no_session(error.text, "dns") from error
        failure = ""
        for step in asked.steps:
            try:
                sender = await self._open_with(plan.hop, host, asked, step)
            except HandshakeFailed as error:
                failure = str(error)
                note.result(asked.facts, failure_type(error), failure)
            except TlsMissing as error:
                note.result(asked.facts, "starttls-not-supported")
                raise _explained(error, asked) from error
            else:
                is_plain = not sender.tls_version()
                note.result(asked.facts, "starttls-not-supported" if is_plain else asked.problem)
                return sender
        raise _no_session(f"4.7.5 TLS failed: {failure}{_because(asked)}", "STARTTLS")

    async def _open_with(self, hop: NextHop, host: Hop, asked: Demand, step: Step) -> SmtpSender:
        hop = with_password(hop)
        connection = await dial(self._config, hop, host)
        engine = ClientEngine(helo_name(self._config, connection), lmtp=hop.kind == "lmtp")
        sender = SmtpSender(connection, engine, str(host), self._config.queue.command_timeout)
        context = self._verifying if step in ("tested", "verified") else self._trusting
        if step == "dane":
            sender.handshake_check = lambda chain: _check(asked, chain)
        # What the step cannot do without is hop.tls to the session.
        wanted: Tls = "verified" if step in ("dane", "verified") else hop.tls
        if asked.steps[0] == "required":
            wanted = "required"
        try:
            await sender.open(
                replace(hop, tls=wanted), host.host, None if step == "none" else context
            )
        except BaseException:
            connection.abort()
            raise
        return sender

    async def _send(
        self, job: Job, positions: tuple[int, ...], sender: SmtpSender
    ) -> dict[int, Attempt]:
        """One transaction over an open session, for those recipients whom it may be offered to."""
        entry, is_local = job.flight.entry, job.hop.kind == "lmtp"
        abilities = Abilities(sender.extensions, sender.is_verified, is_local)
        attempts = {
            position: _objected(problem, sender.remote)
            for position in positions
            if (problem := objection(entry, entry.recipients[position], abilities)) is not None
        }
        rest = tuple(position for position in positions if position not in attempts)
        return attempts | await self._transact(job, rest, sender) if rest else attempts

    async def _transact(
        self, job: Job, positions: tuple[int, ...], sender: SmtpSender
    ) -> dict[int, Attempt]:
        flight, extensions = job.flight, sender.extensions
        try:
            message = await self._message(job, extensions)
            if message is None:
                cannot = Objection(554, "5.6.3", "8-bit content, which that server cannot take")
                return dict.fromkeys(positions, _objected(cannot, sender.remote))
            forwarder, path = self._pen.forwarder, flight.entry.reverse_path
            if not flight.entry.as_it_came:
                path = forwarder.reverse_path(path, job.via, time.time())
            envelope = job.envelope(positions, path, utf8="SMTPUTF8" in extensions)
            outcomes = await sender.send(envelope, message)
        except UnsafePath:
            refused = Objection(553, "5.1.3", "the address cannot be written in SMTP")
            return dict.fromkeys(positions, _objected(refused, sender.remote))
        except OSError as error:
            return dict.fromkeys(positions, _unreadable(error))
        is_local = job.hop.kind == "lmtp"
        passes_on = "DSN" in extensions and not is_local
        final: Status = "delivered" if is_local else "relayed"
        return {
            position: _attempt(outcome, final, sender, passes_on)
            for position, outcome in zip(positions, outcomes, strict=True)
        }

    async def _message(self, job: Job, extensions: Extensions) -> Message | None:
        """The message signed, and in 7 bits where it must be; None when it cannot be converted.

        Our own LMTP gets it as it is: its first field tells that we have seen it before. Raises
        OSError when it cannot be read.
        """
        entry, spool = job.flight.entry, job.flight.spool
        is_short = job.hop.kind == "lmtp" or not needs_short_lines(entry, job.via)
        is_clean = not needs_conversion(entry, extensions)
        if is_clean and (is_short or entry.size > CONVERSION_LIMIT):
            return await self._as_it_is(job)
        if not is_clean and (entry.content == "utf8-header" or entry.size > CONVERSION_LIMIT):
            return None

        def convert() -> bytes | None:
            octets = spool.read_message(entry)
            octets = octets if is_short else to_short_lines(octets)
            return octets if is_clean else to_seven_bit(octets)

        octets = await asyncio.to_thread(convert)
        if octets is None:
            return None
        octets = mark(job.via) + self._pen.signatory.sign_octets(entry, octets) + octets
        return Message(octets, None, len(octets))

    async def _as_it_is(self, job: Job) -> Message:
        """The message as it lies in the spool, signed unless it goes to our own LMTP."""
        entry, spool, is_signed = job.flight.entry, job.flight.spool, job.hop.kind != "lmtp"
        signatory, prefix = self._pen.signatory, mark(job.via)
        if entry.crc32 is None and entry.size > SMALL:
            path = spool.message_path(entry.id)
            prefix += await signatory.sign(entry, path) if is_signed else b""
            return Message(prefix, path, len(prefix) + entry.size)
        octets = spool.read_message(entry)  # a page or two: no thread is worth it
        if is_signed:
            prefix += signatory.sign_small(entry, octets)
        return Message(prefix + octets, None, len(prefix) + len(octets))


def _check(asked: Demand, chain: list[bytes]) -> None:
    """Raises NotAuthentic."""
    authenticate(asked.records, chain, asked.names, datetime.now(UTC))


def _because(asked: Demand) -> str:
    return f" ({asked.why})" if asked.why else ""


def _explained(error: TlsMissing, asked: Demand) -> SessionFailed:
    """The failure with the policy that makes it one; the server's own word is in it."""
    if not asked.why:
        return SessionFailed(error.outcome)
    outcome = error.outcome
    said = f"4.7.4 TLS is refused: {outcome.reply}" if outcome.heard else outcome.reply.lines[0]
    return _no_session(f"{said}{_because(asked)}", outcome.command)


def _no_session(text: str, command: str) -> SessionFailed:
    return SessionFailed(Outcome(Reply(451, (text,)), command, heard=False))  # RFC 3463 §3.8


def _attempt(outcome: Outcome, final: Status, sender: SmtpSender, passes_on: bool) -> Attempt:
    answer = _answer(outcome, sender.remote, sender.tls_version())
    if outcome.reply.is_positive:
        return Attempt(final, answer, passed_on=passes_on)
    if not outcome.reply.is_permanent or _means_too_many(outcome) or outcome.reply.code == 530:
        return Attempt("pending", answer)  # 530 is about our session: RFC 4954 §6, RFC 3207 §4
    return Attempt("failed", answer)


def _means_too_many(outcome: Outcome) -> bool:
    """552 to RCPT TO is an old way to say 452. RFC 5321 §4.5.3.1.10"""
    reply = outcome.reply
    return (
        outcome.command == "RCPT TO"
        and reply.code == 552
        and reply.enhanced_status in ("", "5.5.3")
    )


def _worth_another_host(
    attempts: dict[int, Attempt], positions: tuple[int, ...]
) -> tuple[int, ...]:
    """Who may do better at another host: those whose host went away before the message was sent.

    After the last octet a lost answer may hide a delivery: then nobody else is asked at once.
    """
    return tuple(
        position
        for position in positions
        if (attempt := attempts[position]).status == "pending"
        and (attempt.answer.text.startswith("421") or not attempt.answer.heard)
        and attempt.answer.stage not in (Stage.END_OF_DATA.value, "disk")
    )


def _instead_of_silence(
    attempts: dict[int, Attempt], positions: tuple[int, ...], later: Attempt
) -> dict[int, Attempt]:
    """Who heard nothing on a session that went bad has what its successor came to: that is so now.

    What a server said before it left stands.
    """
    silent = (position for position in positions if not attempts[position].answer.heard)
    return dict.fromkeys(silent, later)


def _answer(outcome: Outcome, remote: str, tls: str = "") -> Answer:
    reply = outcome.reply
    text = str(reply) if outcome.heard else reply.lines[0].partition(" ")[2]
    return Answer(
        bounded(text),
        reply.enhanced_status,
        remote,
        outcome.command,
        outcome.heard,
        instant(time.time()),
        tls,
    )


def _objected(problem: Objection, remote: str) -> Attempt:
    reply = Reply(problem.code, (f"{problem.enhanced_status} {problem.text}",))
    return Attempt("failed", _answer(Outcome(reply, "EHLO", heard=False), remote))


def _unreadable(error: OSError) -> Attempt:
    reply = Reply(451, (f"4.3.0 the message cannot be read: {error.strerror or error}",))
    return Attempt("pending", _answer(Outcome(reply, "disk", heard=False), ""))


def _context(ca: Path | None, *, verify: bool) -> ssl.SSLContext:
    """What we speak TLS with: 1.2 or better (RFC 8996); without `verify` any certificate will do,
    for the choice is between that and no encryption at all (RFC 7435 §3)."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # a server that asks for it has no good reason
    if ca is not None:
        with suppress(FileNotFoundError):
            context.load_verify_locations(ca)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
