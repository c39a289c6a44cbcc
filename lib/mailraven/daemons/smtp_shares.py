"""A judged message on its way to disk: one share for all who get it alike.

What our fields say of a message may differ from one recipient to the next (who they know is nobody
else's business), and so may the mailbox. Each difference makes a share, which is filed as a
message of its own. The first share decides about the reply; what a later one cannot file at once
is given to the queue, so that a sender who is told to come again duplicates nothing. Shares that go
to the queue anyway come first: if it cannot take them, nobody has got anything yet.
"""

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mailraven.daemons.smtp_delivery import Transaction, as_reply
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
    parts = _parts(whole, shares)
    if len(parts) == 1:
        await parts[0].file(data)
        return
    roomy = await whole.all_have_room(len(data))
    for number, part in enumerate(parts):
        head = part.head(data)
        if not roomy:
            await part.spool(head)
            continue
        try:
            await part.file_parts(head)
        except (TemporaryError, PermanentError) as error:
            if number == 0:
                raise
            log.event("delivery-deferred", level="warn", trace=whole.trace, error=error.text)
            await part.spool(head)


async def file_spilled_shares(whole: Transaction, shares: list[Share], path: Path) -> None:
    """The same for a message whose file `path` has no fields of ours yet."""
    roomy = len(shares) == 1 or await whole.all_have_room(path.stat().st_size)
    for number, part in enumerate(_parts(whole, shares)):
        copy = path
        try:
            copy, size = await asyncio.to_thread(_copy, path, part)
            await (part.file_spilled(copy, size) if roomy else part.spool_spilled(copy))
        except (TemporaryError, PermanentError) as error:
            if number == 0:
                raise
            log.event("delivery-deferred", level="warn", trace=whole.trace, error=error.text)
            await part.spool_spilled(copy)
        except OSError as error:
            raise as_reply(error, whole.trace) from error
        finally:
            if copy != path:
                with suppress(OSError):  # it has become a message
                    copy.unlink()


def _parts(whole: Transaction, shares: list[Share]) -> list[Transaction]:
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
