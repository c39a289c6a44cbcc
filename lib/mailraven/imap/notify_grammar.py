"""NOTIFY's arguments (RFC 5465 §8), and which events a mailbox has by them."""

from mailraven.imap.commands import EventGroup, Notify
from mailraven.imap.fetch_commands import Item
from mailraven.imap.fetch_items import fetch_items
from mailraven.imap.grammar import Cursor
from mailraven.imap.names import with_above
from mailraven.mail.errors import PeerError

MESSAGE_EVENTS = frozenset({b"MESSAGENEW", b"MESSAGEEXPUNGE", b"FLAGCHANGE", b"ANNOTATIONCHANGE"})
SUPPORTED = {
    b"MESSAGENEW": b"MessageNew",
    b"MESSAGEEXPUNGE": b"MessageExpunge",
    b"FLAGCHANGE": b"FlagChange",
    b"MAILBOXNAME": b"MailboxName",
    b"SUBSCRIPTIONCHANGE": b"SubscriptionChange",
    b"MAILBOXMETADATACHANGE": b"MailboxMetadataChange",
    b"SERVERMETADATACHANGE": b"ServerMetadataChange",
}
SELECTED = frozenset({b"SELECTED", b"SELECTED-DELAYED"})
WHOLE = frozenset({b"PERSONAL", b"INBOXES", b"SUBSCRIBED"})
NAMED = frozenset({b"SUBTREE", b"MAILBOXES"})
GROUP_LIMIT = 100
NAME_LIMIT = 10_000  # mailboxes named in all groups


def notify(cursor: Cursor) -> Notify:
    """notify-set / notify-none"""
    verb = cursor.keyword()
    if verb == b"NONE":
        return Notify(())
    if verb != b"SET":
        raise PeerError("NOTIFY has SET and NONE")
    cursor.space()
    status = cursor.peek() != b"("
    if status:
        if cursor.keyword() != b"STATUS":
            raise cursor.fail("STATUS or a group before")
        cursor.space()
    groups = [_group(cursor)]
    named = len(groups[0].mailboxes)
    while not cursor.at_end():
        cursor.space()
        groups.append(_group(cursor))
        named += len(groups[-1].mailboxes)
        if len(groups) > GROUP_LIMIT or named > NAME_LIMIT:
            raise PeerError("too many groups or mailboxes")
    if sum(group.scope in SELECTED for group in groups) > 1:
        raise PeerError("SELECTED stands in one group only")  # RFC 5465 §6.1
    return Notify(tuple(groups), status)


def _group(cursor: Cursor) -> EventGroup:
    cursor.octet(b"(")
    scope = cursor.keyword()
    if scope not in SELECTED | WHOLE | NAMED:
        raise PeerError("unknown choice of mailboxes")
    cursor.space()
    names = frozenset[str]()
    if scope in NAMED:
        several = cursor.peek() == b"("
        names = frozenset(cursor.parenthesised(cursor.mailbox) if several else (cursor.mailbox(),))
        cursor.space()
    events, items = _events(cursor, scope)
    cursor.octet(b")")
    return EventGroup(scope, names, events, items)


def _events(cursor: Cursor, scope: bytes) -> tuple[frozenset[bytes], tuple[Item, ...]]:
    """events: names in capitals, and what is to be fetched of new messages."""
    if cursor.peek() != b"(":
        if cursor.keyword() != b"NONE":
            raise cursor.fail("events or NONE before")
        return frozenset(), ()
    items: list[Item] = []

    def event() -> bytes:
        name = cursor.keyword()
        if name == b"MESSAGENEW" and cursor.data[cursor.at : cursor.at + 2] == b" (":
            cursor.space()
            items.extend(fetch_items(cursor))
        return name

    events = frozenset(cursor.parenthesised(event))
    _check(events, scope, bool(items))
    return events, tuple(dict.fromkeys(items))


def _check(events: frozenset[bytes], scope: bytes, has_items: bool) -> None:
    """RFC 5465 §5, §6.1, §8: what cannot be asked for. Raises PeerError."""
    pair = events & {b"MESSAGENEW", b"MESSAGEEXPUNGE"}
    if len(pair) == 1 or (events & MESSAGE_EVENTS and not pair):
        raise PeerError("MessageNew and MessageExpunge come together")
    if scope not in SELECTED and has_items:
        raise PeerError("only of the selected mailbox can new messages be fetched")
    if scope in SELECTED and not events <= MESSAGE_EVENTS:
        raise PeerError("the selected mailbox has events of messages only")


def selected_group(request: Notify) -> EventGroup | None:
    """What is told of the selected mailbox; None is nothing."""
    groups = [group for group in request.groups if group.scope in SELECTED and group.events]
    return groups[0] if groups else None


def events_of(request: Notify, mailbox: str, *, subscribed: bool) -> frozenset[bytes]:
    """The events that are told of a mailbox that is not selected; groups add up. RFC 5465 §6"""
    found: set[bytes] = set()
    for group in request.groups:
        if _fits(group, mailbox, subscribed=subscribed):
            found |= group.events
    return frozenset(found)


def _fits(group: EventGroup, mailbox: str, *, subscribed: bool) -> bool:
    match group.scope:
        case b"PERSONAL" | b"INBOXES":  # mail can be delivered to INBOX, filed by rules anywhere
            return True
        case b"SUBSCRIBED":
            return subscribed
        case b"MAILBOXES":
            return mailbox in group.mailboxes
        case b"SUBTREE":
            return not group.mailboxes.isdisjoint(with_above(mailbox))
    return False


def bad_events(request: Notify) -> bytes:
    """The response code for events that are not supported; empty when all are. RFC 5465 §3.1"""
    if all(group.events <= SUPPORTED.keys() for group in request.groups):
        return b""
    return b"[BADEVENT (%b)]" % b" ".join(SUPPORTED.values())
