"""The mailboxes of an account: list, create, delete, rename, subscribe; special use.

All functions wait for the disk (call them in a thread) and raise the errors of errors.py.
`mailraven.subscriptions` has one name a line; `mailraven.special-use` lines such as "\\Sent Sent".
Both are UTF-8 and may be edited by hand.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mailraven.files import fsync_dir, lock_file, write_atomically
from mailraven.imap.quirks import names_of_use, use_of_name
from mailraven.store.errors import (
    BadMailboxName,
    MailboxExists,
    NoSuchMailbox,
    SpecialUseTaken,
    TooManyMailboxes,
    TooManySubscriptions,
    store_errors,
)
from mailraven.store.journal import keyword_line
from mailraven.store.journal_file import lock_mailbox, open_journal
from mailraven.store.names import (
    INBOX,
    SEPARATOR,
    canonical,
    find,
    is_mailbox,
    name_of,
    place_of,
    superiors,
)
from mailraven.store.usage import forget_usage

SUBSCRIPTIONS = "mailraven.subscriptions"
SPECIAL_USE = "mailraven.special-use"
MAILBOX_LIMIT = 20_000  # of one account; each LIST looks at all of them
SUBSCRIPTION_LIMIT = 10_000  # names of one account: each LIST goes through them
SUBSCRIPTION_SIZE = 512 << 10  # characters in all these names
METADATA = "mailraven.metadata"  # annotations of a mailbox; see metadata.py
ACCOUNT_LOCK = "mailraven.account.lock"
# A new account has a mailbox for each. RFC 6154 §2
FIRST_USES = ("\\Sent", "\\Drafts", "\\Junk", "\\Trash", "\\Archive")


@dataclass(frozen=True, slots=True)
class MailboxInfo:
    r"""A name for LIST. Not `selectable`: no mailbox, but others lie below it (\NonExistent)."""

    name: str
    special_use: str | None
    subscribed: bool
    has_children: bool
    selectable: bool


def create_mailboxes(maildir: Path) -> None:
    """Make the Maildir of a new account, with the mailboxes that clients expect, subscribed.

    What is there already stays as it is, and serves under the name that a client gave it.
    """
    with store_errors(), _locked(_made(maildir)):
        known = {use for uses in special_uses(maildir).values() for use in uses.split()}
        first = {use: _first_mailbox(maildir, use) for use in FIRST_USES if use not in known}
        for name in first.values():
            if not is_mailbox(place_of(maildir, name)):
                _make_folder(maildir, place_of(maildir, name))
        if not (maildir / SPECIAL_USE).exists():
            _write_lines(maildir / SPECIAL_USE, [f"{use} {name}" for use, name in first.items()])
        if not (maildir / SUBSCRIPTIONS).exists():
            # quirk: subscribed-only
            _write_lines(maildir / SUBSCRIPTIONS, [INBOX, *first.values()])


def _first_mailbox(maildir: Path, use: str) -> str:
    """Which mailbox shall have the use: one that a client made for it, else one of our name."""
    names = names_of_use(use)
    return next((name for name in names if _exists(maildir, name)), names[0])


def list_mailboxes(maildir: Path) -> list[MailboxInfo]:
    """All names, sorted, INBOX first: mailboxes, those above them, and subscribed ones."""
    with store_errors():
        there = {INBOX} | set(_folders(maildir))
        subscribed = set(_read_lines(maildir / SUBSCRIPTIONS))
        uses = special_uses(maildir)
    parents = {above for name in there for above in superiors(name)}
    names = sorted(there | parents | subscribed, key=lambda name: (name != INBOX, name))
    return [
        MailboxInfo(name, uses.get(name), name in subscribed, name in parents, name in there)
        for name in names
    ]


def mailbox_info(maildir: Path, name: str) -> MailboxInfo:
    """The same of one mailbox, without a look at all others. Raises NoSuchMailbox."""
    with store_errors():
        place = find(maildir, name)
        name = INBOX if place == maildir else name_of(place.name) or name
        below = "." + INBOX + "." if name == INBOX else place.name + "."
        has_children = any(
            folder.name.startswith(below) and is_mailbox(folder) for folder in maildir.iterdir()
        )
        subscribed = name in _read_lines(maildir / SUBSCRIPTIONS)
        use = special_uses(maildir).get(name)
    return MailboxInfo(name, use, subscribed, has_children, selectable=True)


def special_uses(maildir: Path) -> dict[str, str]:
    r"""The special use of mailboxes: {"Sent": "\Sent"}; several are separated by blanks."""
    uses: dict[str, str] = {}
    for line in _read_lines(maildir / SPECIAL_USE):
        use, _, name = line.partition(" ")
        if use.startswith("\\") and name:
            uses[name] = f"{uses[name]} {use}" if name in uses else use
    return uses


def create(maildir: Path, name: str, uses: Sequence[str] = ()) -> None:
    r"""Make a mailbox, and those above it (RFC 9051 §6.3.4). Raises MailboxExists.

    `uses` are its special uses, such as "\Sent". A use has one mailbox, so that all clients agree
    which it is: raises SpecialUseTaken. RFC 6154 §3. Without `uses` it gets the one that its name
    speaks of, if no other mailbox has that.
    """
    name = canonical(name)
    with store_errors(), _locked(maildir):
        if is_mailbox(place_of(maildir, name)):
            raise MailboxExists
        if len(list(maildir.iterdir())) >= MAILBOX_LIMIT:
            raise TooManyMailboxes
        # Of what is not there yet: nothing after a crash.
        if uses:
            _designate(maildir, name, uses)
        elif use := use_of_name(name):
            with suppress(SpecialUseTaken):
                _designate(maildir, name, [use])  # quirk: folder-names
        for new in [*superiors(name), name]:
            place = place_of(maildir, new)
            if not is_mailbox(place):
                _make_folder(maildir, place)


def _designate(maildir: Path, name: str, uses: Sequence[str]) -> None:
    """Note the special uses of a mailbox to be made; one that is gone leaves its own to it."""
    known = special_uses(maildir).items()
    lines = [(use, other) for other, words in known for use in words.split()]
    if any(use in uses and _exists(maildir, other) for use, other in lines):
        raise SpecialUseTaken
    kept = [line for line in lines if line[0] not in uses]
    wanted = kept + [(use, name) for use in dict.fromkeys(uses)]
    _write_lines(maildir / SPECIAL_USE, [f"{use} {other}" for use, other in wanted])


def _exists(maildir: Path, name: str) -> bool:
    with suppress(NoSuchMailbox):
        return bool(find(maildir, name))
    return False


def delete(maildir: Path, name: str) -> None:
    """Remove a mailbox with its messages; those below it stay. Raises NoSuchMailbox.

    It is moved aside first, so it is gone at once and not half there after a crash.
    """
    place = find(maildir, name)
    if place == maildir:
        raise BadMailboxName("INBOX cannot be deleted")
    with store_errors(), _locked(maildir):
        aside = maildir / "tmp" / f"deleted.{secrets.token_hex(8)}"
        place.rename(aside)
        os.utime(aside)  # rename keeps the time by which tmp/ is cleaned
        fsync_dir(maildir)
    forget_usage(maildir)
    shutil.rmtree(aside, ignore_errors=True)


def rename(maildir: Path, old: str, new: str) -> None:
    """Rename a mailbox and all below it; of INBOX the messages move and it stays, empty.

    RFC 9051 §6.3.6. Raises NoSuchMailbox, MailboxExists, BadMailboxName.
    """
    old, new = canonical(old), canonical(new)
    if old == INBOX:
        create(maildir, new)
        with store_errors():
            _move_messages(maildir, place_of(maildir, new))
            _copy_metadata(maildir, place_of(maildir, new))
        return
    with store_errors(), _locked(maildir):
        moves = _moves(maildir, old, new)
        for above in superiors(new):
            if not is_mailbox(place_of(maildir, above)):
                _make_folder(maildir, place_of(maildir, above))
        for source, target in moves:
            source.rename(target)
        fsync_dir(maildir)
        _rename_special_use(maildir, old, new)


@contextmanager
def unchanging(maildir: Path) -> Iterator[None]:
    """Within this no other process of ours is halfway through a change of names."""
    with store_errors(), _locked(maildir):
        yield


def subscribe(maildir: Path, name: str) -> None:
    """Add `name` to the subscriptions; it need not exist. RFC 9051 §6.3.7

    Raises TooManySubscriptions, BadMailboxName.
    """
    _change_subscriptions(maildir, add={canonical(name)}, remove=set())


def unsubscribe(maildir: Path, name: str) -> None:
    """Take `name` out of the subscriptions."""
    _change_subscriptions(maildir, add=set(), remove={canonical(name), name})


def _change_subscriptions(maildir: Path, add: set[str], remove: set[str]) -> None:
    with store_errors(), _locked(maildir):
        names = set(_read_lines(maildir / SUBSCRIPTIONS))
        changed = (names | add) - remove
        if changed != names:
            if not changed <= names and _are_too_many(changed):
                raise TooManySubscriptions
            _write_lines(maildir / SUBSCRIPTIONS, sorted(changed))


def _are_too_many(names: set[str]) -> bool:
    return len(names) > SUBSCRIPTION_LIMIT or sum(map(len, names)) > SUBSCRIPTION_SIZE


def _folders(maildir: Path) -> Iterator[str]:
    """The names of all mailboxes but INBOX."""
    for folder in maildir.iterdir():
        name = name_of(folder.name)
        if name is not None and name.upper() != INBOX and is_mailbox(folder):
            yield name


def _moves(maildir: Path, old: str, new: str) -> list[tuple[Path, Path]]:
    """Which folders a rename moves where."""
    if new == INBOX or is_mailbox(place_of(maildir, new)):
        raise MailboxExists
    if new.startswith(old + SEPARATOR):
        raise BadMailboxName("a mailbox cannot move below itself")
    below = old + SEPARATOR
    names = [name for name in _folders(maildir) if name == old or name.startswith(below)]
    if not names:
        raise NoSuchMailbox
    moves = [(find(maildir, n), place_of(maildir, new + n.removeprefix(old))) for n in names]
    if any(target.exists() for _, target in moves):
        raise MailboxExists
    return sorted(moves)


def _move_messages(inbox: Path, target: Path) -> None:
    """Move all messages of INBOX; the next scans of both mailboxes give and take the UIDs."""
    journal = open_journal(str(inbox), inbox)
    keywords = journal.state.keywords
    journal.close()
    with lock_mailbox(str(inbox)):
        copy = open_journal(str(target), inbox)
        copy.write("".join(keyword_line(n, word) for n, word in enumerate(keywords)))
        copy.close()
        for place in ("cur", "new"):
            for path in (inbox / place).iterdir():
                if not path.name.startswith("."):
                    path.rename(target / place / path.name)
            fsync_dir(target / place)


def _copy_metadata(inbox: Path, target: Path) -> None:
    """Annotations of INBOX are its own and the new mailbox's as well. RFC 5464 §3.3"""
    with suppress(FileNotFoundError):
        write_atomically(target / METADATA, (inbox / METADATA).read_bytes(), 0o660)


def _rename_special_use(maildir: Path, old: str, new: str) -> None:
    """Uses follow the mailbox, and those below it."""
    uses = special_uses(maildir)
    below = old + SEPARATOR
    if any(name == old or name.startswith(below) for name in uses):
        moved = {
            new + name.removeprefix(old) if name == old or name.startswith(below) else name: words
            for name, words in uses.items()
        }
        lines = [f"{use} {name}" for name, words in moved.items() for use in words.split()]
        _write_lines(maildir / SPECIAL_USE, lines)


def _made(maildir: Path) -> Path:
    """`maildir`, with its three folders."""
    for folder in reversed([above for above in maildir.parents if not above.exists()]):
        folder.mkdir(0o750, exist_ok=True)  # mail is nobody else's to list
    maildir.mkdir(0o770, exist_ok=True)
    for name in ("tmp", "new", "cur"):
        (maildir / name).mkdir(0o770, exist_ok=True)
    return maildir


def _make_folder(maildir: Path, place: Path) -> None:
    """Make a mailbox folder whole, then put it into its place, durably.

    What another program has left of a mailbox there becomes one again.
    """
    aside = maildir / "tmp" / f"new.{secrets.token_hex(8)}"
    _made(aside)
    (aside / "maildirfolder").touch(0o660)  # Maildir++: this is no account's own Maildir
    fsync_dir(aside)
    try:
        aside.rename(place)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        (_made(place) / "maildirfolder").touch(0o660)
    fsync_dir(maildir)


def _locked(maildir: Path) -> AbstractContextManager[int]:
    """One change of the account's mailboxes at a time."""
    return lock_file(maildir / ACCOUNT_LOCK, 0o660)


def _read_lines(path: Path) -> list[str]:
    with suppress(FileNotFoundError):
        lines = path.read_text("utf-8", "replace").splitlines()
        return [line.strip() for line in lines if line.strip()]
    return []


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode(), 0o660)
