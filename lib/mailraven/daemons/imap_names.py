"""What changed among the names of an account: created, deleted, renamed, subscribed (RFC 5465)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mailraven.imap.responses import list_line
from mailraven.store import account as folders
from mailraven.store.noticing import folders_of


@dataclass(frozen=True, slots=True)
class Known:
    """A name of LIST; `folder` and `inode` are None and 0 when no mailbox is there."""

    folder: Path | None
    inode: int
    subscribed: bool
    has_children: bool
    special_use: str | None

    def attributes(self) -> list[bytes]:
        """As LIST gives them. RFC 5465 §5.4, §5.5"""
        found = [] if self.folder else [b"\\NonExistent", b"\\Noselect"]
        found.append(b"\\HasChildren" if self.has_children else b"\\HasNoChildren")
        if self.special_use:
            found.append(self.special_use.encode())
        return [*found, b"\\Subscribed"] if self.subscribed else found


Names = dict[str, Known]
NOWHERE = Known(None, 0, False, False, None)


def look(maildir: Path) -> Names:
    """All names as they are now. Reads folders: for a thread. Raises the store's errors."""
    with folders.unchanging(maildir):
        there = folders_of(maildir)
        listed = folders.list_mailboxes(maildir)
    known = {}
    for info in listed:
        folder, inode = there.get(info.name, (None, 0))
        known[info.name] = Known(
            folder, inode, info.subscribed, info.has_children, info.special_use
        )
    return known


def changes(
    before: Mapping[str, Known],
    now: Mapping[str, Known],
    events: Callable[[str], frozenset[bytes]],
    *,
    utf8: bool,
) -> Iterator[bytes]:
    """The LIST responses that tell how `before` became `now`, as far as `events` of each ask."""
    old_names = _renamed(before, now)
    moved = set(old_names.values())
    for name in sorted({*before, *now}):
        old, new = before.get(name, NOWHERE), now.get(name, NOWHERE)
        if old == new or name in moved:
            continue
        wanted = events(name)
        if name in old_names:
            if b"MAILBOXNAME" in wanted and not _with_parent(name, old_names):
                yield list_line(name, new.attributes(), utf8=utf8, old_name=old_names[name])
        elif _is_told(old, new, wanted):
            yield list_line(name, new.attributes(), utf8=utf8)


def _is_told(old: Known, new: Known, wanted: frozenset[bytes]) -> bool:
    if b"SUBSCRIPTIONCHANGE" in wanted and old.subscribed != new.subscribed:
        return True
    is_other = (old.inode, old.has_children) != (new.inode, new.has_children)
    return b"MAILBOXNAME" in wanted and is_other


def _renamed(before: Mapping[str, Known], now: Mapping[str, Known]) -> dict[str, str]:
    """Old names by new ones: the folder is the same."""
    gone = {old.inode: name for name, old in before.items() if old.inode and name not in now}
    gone |= {
        old.inode: name
        for name, old in before.items()
        if old.inode and name in now and now[name].inode != old.inode
    }
    return {
        name: gone[new.inode]
        for name, new in now.items()
        if new.inode in gone and (name not in before or before[name].inode != new.inode)
    }


def _with_parent(name: str, old_names: Mapping[str, str]) -> bool:
    """Whether it only went along with the mailbox above it. RFC 5465 §5.4"""
    parent, _, leaf = name.rpartition("/")
    return parent in old_names and old_names[name] == f"{old_names[parent]}/{leaf}"
