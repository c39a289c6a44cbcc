"""A message on its way through milters: as they see it, and as it is filed after them.

They see it as it will be filed, but for our own trace fields: without what strangers may not say,
with what submission sets right.
"""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

from mailraven.daemons.milter_talk import Letter, Talk
from mailraven.daemons.smtp_checks import Checks
from mailraven.daemons.smtp_delivery import Transaction, as_reply
from mailraven.daemons.smtp_message import Incoming
from mailraven.daemons.smtp_milters import Filtered, Filters
from mailraven.daemons.smtp_records import named
from mailraven.daemons.smtp_routing import Routed, route
from mailraven.daemons.smtp_shares import Share, file_shares, file_spilled_shares
from mailraven.files.atomic import write_all
from mailraven.mail.address import parse_path
from mailraven.mail.errors import PeerError, PermanentError
from mailraven.milter.settings import Way
from mailraven.observe import log
from mailraven.smtp.events import Rcpt
from mailraven.smtp.parameters import NO_RCPT_PARAMETERS
from mailraven.smtp.submission import split_header

BEGINNING = 1 << 20  # octets of a file that its header is in
COPY_SIZE = 1 << 20  # octets copied at once


def filters_of(checks: Checks, way: Way, peer: tuple[str, int]) -> Filters | None:
    """The milters that see mail of that way; None where there are none."""
    milters = checks.service.config.milters
    found = checks.stations.of(milters.values(), way) if milters else []
    if not found:
        return None
    return Filters([Talk(one) for one in found], peer, is_judged=way == "inbound")


async def letter_of(transaction: Transaction, content: bytes | Path) -> Letter:
    """The message as milters see it. Raises TemporaryError, PermanentError."""
    if isinstance(content, bytes):
        return letter_in_memory(transaction, content)
    try:
        return await asyncio.to_thread(letter_in_file, content)
    except OSError as error:
        raise as_reply(error, transaction.trace) from error


def letter_in_memory(transaction: Transaction, data: bytes) -> Letter:
    """Raises PermanentError, as `Transaction.head` does."""
    _, header, rest = transaction.head(data)
    transaction.is_clean = True
    return Letter(header, rest[2:])


def letter_in_file(path: Path) -> Letter:
    """A message in a file that has none of our fields yet. Waits for the disk. Raises OSError."""
    with path.open("rb") as file:
        header, _ = split_header(file.read(BEGINNING))
    return Letter(header, path, len(header) + 2)


def octets_of(letter: Letter) -> bytes:
    """The whole of one that is in memory."""
    body = letter.body if isinstance(letter.body, bytes) else b""
    return b"%s\r\n%s" % (letter.header, body)


async def rewrite(path: Path, letter: Letter, transaction: Transaction) -> None:
    """Put the letter in the place of what it was. Raises TemporaryError."""
    try:
        await asyncio.to_thread(_rewrite, path, letter)
    except OSError as error:
        raise as_reply(error, transaction.trace) from error


def _rewrite(path: Path, letter: Letter) -> None:
    aside = path.with_name(f"{path.name}m~")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    fd = os.open(aside, flags, 0o600)
    try:
        write_all(fd, letter.header + b"\r\n")
        if isinstance(letter.body, bytes):
            write_all(fd, letter.body)
        else:
            _copy(fd, letter.body, letter.start)
        aside.rename(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def _copy(fd: int, path: Path, start: int) -> None:
    with path.open("rb", buffering=0) as source:
        source.seek(start)
        while piece := source.read(COPY_SIZE):
            write_all(fd, piece)


def adopt(transaction: Transaction, filtered: Filtered) -> None:
    """Change the envelope as the milters want it; a message that nobody gets is discarded."""
    if filtered.reverse_path is not None:
        path = _checked(transaction, filtered.reverse_path, null=True)
        if path is not None:
            transaction.mail = replace(transaction.mail, reverse_path=path)
    gone = {address.lower() for address in filtered.deleted}
    routed = [one for one in transaction.routed if one.path.lower() not in gone]
    known = {one.path.lower() for one in routed}
    for address in dict.fromkeys(filtered.added):
        one = _routed(transaction, address)
        if one is not None and one.path.lower() not in known:
            routed.append(one)
    transaction.routed = routed
    if not routed:
        filtered.discarded_by = filtered.discarded_by or "a filter that removed all recipients"


def _routed(transaction: Transaction, address: str) -> Routed | None:
    """Where it goes; None for what is no address, or nobody's here."""
    path = _checked(transaction, address, null=False)
    if path is None:
        return None
    house = transaction.house
    try:
        rcpt = Rcpt(path, NO_RCPT_PARAMETERS)
        return route(house.directory, rcpt, house.config.hostname, may_relay=True)
    except PermanentError as error:
        _refused(transaction, address, error.text)
        return None


def _checked(transaction: Transaction, address: str, *, null: bool) -> str | None:
    if not address and null:
        return ""
    try:
        return str(parse_path(address))
    except PeerError as error:
        _refused(transaction, address, error.reply)
        return None


def _refused(transaction: Transaction, address: str, why: str) -> None:
    trace = transaction.trace
    log.event("milter-address-refused", level="warn", trace=trace, to=address, why=why)


async def file_submitted(
    filters: Filters, checks: Checks, transaction: Transaction, incoming: Incoming
) -> None:
    """Make a message of a user durable that milters see. Raises TemporaryError, PermanentError."""
    content: bytes | Path = incoming.file or incoming.take()
    incoming.close()
    filtered = await filters.message(await letter_of(transaction, content))
    adopt(transaction, filtered)
    if filtered.discarded_by:
        discard(checks, transaction, filtered)
        return
    if filtered.quarantine:  # its writer is there to hear of it
        raise PermanentError(550, "5.7.1 a filter keeps this message back")
    shares = [Share(tuple(transaction.routed), b"", "")]
    await file_filtered(transaction, shares, content, filtered)


async def file_filtered(
    transaction: Transaction,
    shares: list[Share],
    content: bytes | Path,
    filtered: Filtered | None,
) -> None:
    """Make `content`, as it came, durable as it was left by milters, if there are any. Raises
    TemporaryError, PermanentError."""
    if isinstance(content, bytes):
        data = content if filtered is None else octets_of(filtered.letter)
        await file_shares(transaction, shares, data)
        return
    if filtered is not None and filtered.is_changed:
        await rewrite(content, filtered.letter, transaction)
    await file_spilled_shares(transaction, shares, content)


def discard(checks: Checks, transaction: Transaction, filtered: Filtered) -> None:
    """A milter has taken the message away: the client hears that all is well, the record does not
    lie."""
    transaction.is_recorded = True
    facts = {"at": "message", "action": "discard", "discarded_by": filtered.discarded_by}
    checks.record(transaction, {**named(filtered.letter.header), **facts})
    log.event("milter-discards", trace=transaction.trace, milter=filtered.discarded_by)
