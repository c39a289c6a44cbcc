"""What an operator wants of messages: done at once to those that wait, noted for those under way.

    spool/wishes/ID              {"verb": "hold", "recipients": [], "route": ""}
    spool/wishes/.ID.PID.taken~  the same, while that process fulfils it

A message that waits is changed by renames, and its text only in held/, where no queued looks: a
crash in between leaves it there, whole. One that is being delivered belongs to queued, which
fulfils the wish when the attempt has ended and the message still waits. All of it works on folders
alone, so it is the same with one queued, with many processes of it, and with none. Synchronous.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from mailraven.files.atomic import write_all
from mailraven.mail.types import QueueId
from mailraven.queue.entry import Answer, BrokenEntry, QueuedRecipient, QueueEntry, instant
from mailraven.queue.names import is_queue_id
from mailraven.queue.spool import Listed, Spool, keep_owner

Verb = Literal["retry", "hold", "release", "fail", "drop", "route"]

Result = Literal["done", "noted", "none", "gone"]
"""Done; noted for when the attempt under way has ended; nothing to do; the message is gone."""

GIVEN_UP = "the operator of this server has given the message up"
TAKEN = ".taken~"
DROPPED = "the operator of this server has removed this recipient"
EDITS: tuple[Verb, ...] = ("fail", "drop", "route")  # those that change the text of an entry


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done with a message, or with those pending `recipients` of it (all of them when
    empty). `route` is "host:port" or the name of a smarthost, or "" for the usual way."""

    verb: Verb
    recipients: tuple[str, ...] = ()
    route: str = ""


def apply(spool: Spool, listed: Listed, wish: Wish, *, is_served: bool) -> Result:
    """Fulfil the wish, or note it where a queued (`is_served`) delivers the message right now.

    Raises BrokenEntry, for a text that cannot be understood, and OSError.
    """
    if listed.folder == "active" and is_served:
        return _note(spool, listed.id, wish)
    return "done" if _fulfil(spool, listed, wish) else "none"


def fulfil_noted(spool: Spool, id: QueueId) -> Wish | None:
    """Do what was noted for a message whose attempt has ended; the wish, if there was one and the
    message still waits. Raises BrokenEntry, OSError.
    """
    with _taken(spool, id) as wish:
        listed = spool.find(id) if wish is not None else None
        if wish is None or listed is None or not _fulfil(spool, listed, wish):
            return None
        return wish


def fulfil_all_noted(spool: Spool) -> None:
    """Do what was noted when a queued died; only as the one queued, before it claims anything."""
    folder = spool.root / "wishes"
    _clean(folder)
    with os.scandir(folder) as listing:
        names = [item.name for item in listing]
    for name in names:
        if is_queue_id(name):
            with suppress(BrokenEntry, OSError):  # it is in held/ now; or the wish stays noted
                fulfil_noted(spool, QueueId(name))


def _clean(folder: Path) -> None:
    """Nobody works here now: what was taken is noted again, what was half written is no wish."""
    with os.scandir(folder) as listing:
        asides = [Path(item.path) for item in listing if item.name.startswith(".")]
    for path in asides:
        id = path.name[1:].partition(".")[0]
        with suppress(OSError):
            if path.name.endswith(TAKEN) and is_queue_id(id) and not (folder / id).exists():
                path.rename(folder / id)
            else:
                path.unlink()


def hold_back(spool: Spool, listed: Listed, why: str) -> bool:
    """Hold a message that waits, and say why in its text; False when it is no longer there.

    Raises BrokenEntry, and it is held all the same; OSError, and it waits still: held without a
    word it would be nobody's to let go.
    """
    with _alone(spool):
        try:
            entry = spool.load(listed.id)
        except FileNotFoundError:
            return False
        except BrokenEntry:
            spool.hold(listed.id, listed.folder)
            raise
        return spool.hold_as(replace(entry, hold=why), listed.folder)


# -- noting ---------------------------------------------------------------------------------------


def _note(spool: Spool, id: QueueId, wish: Wish) -> Result:
    if wish.verb in ("retry", "release"):  # it goes on anyhow, once nobody wants it held
        with _taken(spool, id) as former:
            return "done" if former is not None else "none"
    path = spool.root / "wishes" / id
    aside = path.with_name(f".{id}.{os.getpid()}~")
    aside.unlink(missing_ok=True)  # of one who was killed
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        write_all(fd, msgspec.json.encode(wish))
    finally:
        os.close(fd)
    keep_owner(aside, spool.root)
    aside.rename(path)
    now = spool.find(id)
    if now is not None and now.folder == "active":
        return "noted"
    with _taken(spool, id) as unheard:
        if unheard is None:
            return "noted"  # the attempt ended this moment, and queued saw it
        if now is None:
            return "gone"
        return "done" if _fulfil(spool, now, wish) else "none"


@contextmanager
def _taken(spool: Spool, id: QueueId) -> Iterator[Wish | None]:
    """The noted wish, which is nobody else's meanwhile and then fulfilled; an OSError leaves it
    noted, for another time, and so does a crash."""
    path = spool.root / "wishes" / id
    mine = path.with_name(f".{id}.{os.getpid()}{TAKEN}")
    try:
        path.rename(mine)
    except FileNotFoundError:
        yield None
        return
    try:
        yield _decoded(mine.read_bytes())
    except OSError:
        mine.rename(path)
        raise
    except BrokenEntry:
        mine.unlink(missing_ok=True)
        raise
    mine.unlink(missing_ok=True)


def _decoded(text: bytes) -> Wish | None:
    try:
        return _decoder.decode(text)
    except msgspec.DecodeError:
        return None


# -- fulfilling -----------------------------------------------------------------------------------


def _fulfil(spool: Spool, listed: Listed, wish: Wish) -> bool:
    """Change a message that nobody delivers; False when there was nothing to change.

    One that is in held/ may only be so while somebody changes its text.
    """
    is_edit = wish.verb in EDITS and (wish.verb != "drop" or bool(wish.recipients))
    if listed.folder != "held" and not is_edit:
        return _change(spool, listed, wish)
    with _alone(spool):
        now = spool.find(listed.id)
        if now is None or (now.folder == "active" and listed.folder != "active"):
            return False
        return _change(spool, now, wish)


def _change(spool: Spool, listed: Listed, wish: Wish) -> bool:
    id, folder = listed.id, listed.folder
    match wish.verb:
        case "retry":
            return spool.retry(id)
        case "hold":
            return folder != "held" and spool.hold(id, folder)
        case "release":
            return spool.release(id)
        case "drop" if not wish.recipients:
            return spool.remove(id, folder)
        case "route":
            return _edit(spool, listed, wish, _routed(wish.route))
        case "fail":
            return _edit(spool, listed, wish, _failed)
        case "drop":
            return _edit(spool, listed, wish, _dropped)


Change = Callable[[QueuedRecipient], QueuedRecipient]


def _edit(spool: Spool, listed: Listed, wish: Wish, change: Change) -> bool:
    """Change recipients; then the message waits, due at once, or is held still."""
    id, was_held = listed.id, listed.folder == "held"
    if not was_held and not spool.hold(id, listed.folder):
        return False
    entry = spool.load(id)  # raises BrokenEntry: then held/ is where it belongs
    changed = _changed(entry, wish, change)
    if changed is not None:
        spool.rewrite(changed)
    if changed is not None and not _has_business(changed):
        spool.remove(id, "held")
    elif not was_held or (changed is not None and not changed.pending):
        spool.put_back(id)  # what is given up leaves held/, too: its sender is to hear of it
    return changed is not None


def _has_business(entry: QueueEntry) -> bool:
    """Whether anybody still has to get the message, or to hear of it."""
    return any(one.status == "pending" or not one.reported for one in entry.recipients)


@contextmanager
def _alone(spool: Spool) -> Iterator[None]:
    """One edit at a time, and nobody takes a message out of held/ meanwhile: two edits of one would
    lose the first, and the text of one that has gone would bring it back."""
    fd = os.open(spool.folder("held"), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _changed(entry: QueueEntry, wish: Wish, change: Change) -> QueueEntry | None:
    """The entry with its recipients changed as far as the wish means them; None when it is none."""
    meant = [n for n in entry.pending if _means(wish, entry.recipients[n])]
    changes = {n: change(entry.recipients[n]) for n in meant}
    changed = entry.with_recipients(changes)
    return changed if changed != entry else None


def _means(wish: Wish, one: QueuedRecipient) -> bool:
    return not wish.recipients or one.address in wish.recipients


def _routed(route: str) -> Change:
    return lambda one: replace(one, route=route)


def _failed(one: QueuedRecipient) -> QueuedRecipient:
    """The last answer stays: the sender is to read what the other side said."""
    answer = one.answer or _own_words(GIVEN_UP)
    return replace(one, status="failed", answer=answer)


def _dropped(one: QueuedRecipient) -> QueuedRecipient:
    return replace(one, status="failed", answer=_own_words(DROPPED), reported=True)


def _own_words(text: str) -> Answer:
    return Answer(text, "5.0.0", "", "queue", heard=False, at=instant(time.time()))


_decoder = msgspec.json.Decoder(Wish)
