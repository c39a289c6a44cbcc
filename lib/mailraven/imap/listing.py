"""Which mailboxes LIST and LSUB name, and with what attributes (RFC 3501 §6.3.8, RFC 5258)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mailraven.imap.commands import List
from mailraven.imap.names import SEPARATOR, matcher


@dataclass(frozen=True, slots=True)
class Listed:
    """A mailbox of the account, or only a subscription when it does not `exist`.

    `special_use` is its attribute (b"\\Sent") or None. RFC 6154 §2
    """

    name: str
    special_use: bytes | None = None
    subscribed: bool = False
    selectable: bool = True
    exists: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """One LIST response; `childinfo` as of RFC 5258 §4; `has_status` if STATUS may follow."""

    name: str
    attributes: tuple[bytes, ...]
    childinfo: tuple[bytes, ...] = ()
    has_status: bool = False


def entries(request: List, mailboxes: Iterable[Listed]) -> list[Entry]:
    """The answers to `request`, INBOX first, then by name."""
    tree = _with_parents(mailboxes)
    matchers = [matcher(request.reference, text) for text in dict.fromkeys(request.patterns)]
    fitting = {name for name in tree if any(fits(name) for fits in matchers)}
    if request.lsub:
        return _subscriptions(tree, fitting)
    parents = _above(name for name, mailbox in tree.items() if mailbox.exists)
    chosen = {
        name
        for name, each in tree.items()
        if _is_selected(each, request.selection, name in parents)
    }
    above: set[str] = set()  # a match, of any name
    above_unseen: set[str] = set()  # a match that no pattern fits
    criteria: tuple[bytes, ...] = ()
    if b"RECURSIVEMATCH" in request.selection:
        criteria = tuple(sorted(request.selection - {b"RECURSIVEMATCH", b"REMOTE"}))
        above, above_unseen = _above(chosen), _above(chosen - fitting)
    found = []
    for name in sorted(fitting & (chosen | above_unseen), key=_order):
        # What matches itself tells of matches below it in any case. RFC 9051 §6.3.9.6, Table 3
        childinfo = criteria if name in above else ()
        entry = _entry(request, tree[name], name in parents, childinfo)
        # No STATUS of what only stands above a match. RFC 9051 §6.3.9.8, example 11
        found.append(entry if name in chosen else replace(entry, has_status=False))
    return found


def _entry(
    request: List, mailbox: Listed, has_children: bool, childinfo: tuple[bytes, ...]
) -> Entry:
    tells_subscription = b"SUBSCRIBED" in request.selection | request.returned
    attributes = attributes_of(mailbox, has_children, tells_subscription)
    has_status = mailbox.selectable and mailbox.exists
    return Entry(mailbox.name, attributes, childinfo, has_status)


def attributes_of(
    mailbox: Listed, has_children: bool, tells_subscription: bool
) -> tuple[bytes, ...]:
    """The attributes of a LIST response. RFC 9051 §7.3.1"""
    attributes = [] if mailbox.exists else [b"\\NonExistent"]
    if not (mailbox.selectable and mailbox.exists):
        attributes.append(b"\\Noselect")
    attributes.append(b"\\HasChildren" if has_children else b"\\HasNoChildren")
    if mailbox.special_use:
        attributes.append(mailbox.special_use)
    if mailbox.subscribed and tells_subscription:
        attributes.append(b"\\Subscribed")
    return tuple(attributes)


def _is_selected(mailbox: Listed, selection: frozenset[bytes], has_children: bool) -> bool:
    if b"SPECIAL-USE" in selection and not mailbox.special_use:
        return False
    if b"SUBSCRIBED" in selection:
        return mailbox.subscribed
    return mailbox.exists or has_children


def _subscriptions(tree: dict[str, Listed], fitting: set[str]) -> list[Entry]:
    """LSUB: subscribed names, and \\Noselect for a parent that stands for its children.

    RFC 3501 §6.3.9: "%" must not hide a subscribed child of an unsubscribed parent.
    What is gone is \\Noselect, too. quirk: lsub-noselect
    """
    subscribed = {name for name, mailbox in tree.items() if mailbox.subscribed}
    implied = _above(subscribed - fitting) - subscribed
    found = []
    for name in sorted(fitting & (subscribed | implied), key=_order):
        usable = name in subscribed and tree[name].exists and tree[name].selectable
        found.append(Entry(name, () if usable else (b"\\Noselect",)))
    return found


def _with_parents(mailboxes: Iterable[Listed]) -> dict[str, Listed]:
    """By name, with the levels between that are no mailboxes themselves."""
    tree = {mailbox.name: mailbox for mailbox in mailboxes}
    for name in _above(tree) - tree.keys():
        tree[name] = Listed(name, selectable=False, exists=False)
    return tree


def _above(names: Iterable[str]) -> set[str]:
    """All names above some of these; a level that is known has known ones above it."""
    above: set[str] = set()
    for name in names:
        parent = name.rpartition(SEPARATOR)[0]
        while parent and parent not in above:
            above.add(parent)
            parent = parent.rpartition(SEPARATOR)[0]
    return above


def _order(name: str) -> tuple[bool, str]:
    return (name != "INBOX", name)
