"""A judged message on its way to disk: one share for all who get it alike.

What our fields say of a message may differ from one recipient to the next (who they know is nobody
else's business), and so may the mailbox. Each difference makes a share, which is filed as a
message of its own. The first share decides about the reply; what a later one cannot file at once
is given to the queue, so that a sender who is told to come again duplicates nothing. Shares that go
to the queue anyway come first: if it cannot take them, nobody has got anything yet. If neither
mailbox nor queue can take a later one, who has the message is noted (smtp_half_filed.py).
"""

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mailraven.daemons.smtp_delivery import Transaction, as_reply
from mailraven.daemons.smtp_half_filed import (
    addresses_of,
    digest_of,
    forget,
    have_it,
    is_empty,
    note_filed,
    without,
)
from mailraven.daemons.smtp_routing import Routed
from mailraven.files.atomic import write_all
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.observe import log

COPY_SIZE = 1 << 20  # octets copied at once


@dataclass(frozen=True, slots=True)
class Share:
    """Who gets the message with the fields `marks`, in `mailbox` ("" is INBOX)."""

    routed: tuple[Routed, ...]
    marks: bytes
    mailbox: str


async def file_shares(whole: Transaction, shares: list[Share], data: bytes) -> None:
    """Make a message that is in memory durable for all. Raises TemporaryError, PermanentError."""
    past = _past_of(whole, data)
    parts = _parts(whole, shares, past)
    if len(parts) == 1 and past is None:
        await parts[0].file(data)
        return
    roomy = not parts or await whole.all_have_room(len(data))
    for number, part in enumerate(parts):
        try:
            await _file(part, data, roomy=roomy, is_first=number == 0)
        except (TemporaryError, PermanentError):
            _note_filed(whole, parts[:number], data)
            raise
    if past is not None:
        forget(whole.house.config.paths.run, past.digest)


async def _file(part: Transaction, data: bytes, *, roomy: bool, is_first: bool) -> None:
    head = part.head(data)
    if not roomy:
        await part.spool(head)
        return
    try:
        await part.file_parts(head)
    except (TemporaryError, PermanentError) as error:
        if is_first:
            raise
        log.event("delivery-deferred", level="warn", trace=part.trace, error=error.text)
        await part.spool(head)


async def file_spilled_shares(whole: Transaction, shares: list[Share], path: Path) -> None:
    """The same for a message whose file `path` has no fields of ours yet."""
    past = await asyncio.to_thread(_past_of, whole, path)
    parts = _parts(whole, shares, past)
    roomy = len(shares) == 1 or await whole.all_have_room(path.stat().st_size)
    for number, part in enumerate(parts):
        try:
            await _file_spilled(part, path, roomy=roomy, is_first=number == 0)
        except (TemporaryError, PermanentError):
            await asyncio.to_thread(_note_filed, whole, parts[:number], path)
            raise
    if past is not None:
        forget(whole.house.config.paths.run, past.digest)


async def _file_spilled(part: Transaction, path: Path, *, roomy: bool, is_first: bool) -> None:
    copy = path
    try:
        copy, size = await asyncio.to_thread(_copy, path, part)
        await (part.file_spilled(copy, size) if roomy else part.spool_spilled(copy))
    except (TemporaryError, PermanentError) as error:
        if is_first:
            raise
        log.event("delivery-deferred", level="warn", trace=part.trace, error=error.text)
        await part.spool_spilled(copy)
    except OSError as error:
        raise as_reply(error, part.trace) from error
    finally:
        if copy != path:
            with suppress(OSError):  # it has become a message
                copy.unlink()


def _note_filed(whole: Transaction, parts: list[Transaction], content: bytes | Path) -> None:
    """The sender will come again; these parts are filed."""
    done = [address for part in parts for address in addresses_of(part.routed)]
    if done:
        with suppress(OSError):
            digest = digest_of(whole.mail.reverse_path, content)
            note_filed(whole.house.config.paths.run, digest, done)


@dataclass(frozen=True, slots=True)
class _Past:
    """The message was brought before, and some have it."""

    digest: str
    done: frozenset[str]


def _past_of(whole: Transaction, content: bytes | Path) -> _Past | None:
    run = whole.house.config.paths.run
    if is_empty(run):
        return None
    with suppress(OSError):
        digest = digest_of(whole.mail.reverse_path, content)
        done = have_it(run, digest)
        return _Past(digest, done) if done else None
    return None


def _parts(whole: Transaction, shares: list[Share], past: _Past | None) -> list[Transaction]:
    """A transaction for each share, without who has the message since it was last brought."""
    if past is not None:
        left = [replace(share, routed=without(share.routed, past.done)) for share in shares]
        shares = [share for share in left if share.routed]
    parts = [_part(whole, share) for share in shares]
    return sorted(parts, key=lambda part: not part.is_for_queue())


def _part(whole: Transaction, share: Share) -> Transaction:
    """The transaction of some recipients; the whole one has been through the checks of loops."""
    return replace(
        whole,
        routed=list(share.routed),
        marks=share.marks,
        mailbox=share.mailbox,
        is_share=True,
    )


def _copy(path: Path, part: Transaction) -> tuple[Path, int]:
    """Our fields and the file in a new one, near where it belongs; its name and size."""
    before, target = part.fields_before(), part.spill_path()
    target = target.with_name(f"{target.name}{os.getpid()}~")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    size = len(before)
    try:
        fd = os.open(target, flags, 0o600)
        try:
            write_all(fd, before)
            with path.open("rb", buffering=0) as source:
                while piece := source.read(COPY_SIZE):
                    write_all(fd, piece)
                    size += len(piece)
        finally:
            os.close(fd)
    except OSError:
        target.unlink(missing_ok=True)
        raise
    return target, size
