"""What smtpd put into the quarantine of an account: list it, look at it, release or delete it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mailraven.config.schema import Config
from mailraven.mail.headers import decode_words, first, split_message
from mailraven.ops.audit import record
from mailraven.ops.errors import OperationError
from mailraven.ops.learning import released
from mailraven.ops.names import checked_account, directory_of
from mailraven.store.names import place_of
from mailraven.store.quarantine import (
    arrived_at,
    head_of,
    is_ours,
    messages_in,
    quarantine_name,
    release,
)

_TRACE = re.compile(rb"^Received: (?:.*\n[ \t])*?.*\bid ([0-9a-f]{1,32})\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Item:
    """A message in quarantine; `id` is its trace id, `arrived` Unix seconds."""

    id: str
    path: Path
    arrived: float
    author: str
    subject: str
    score: str


def quarantined(config: Config, account: str) -> list[Item]:
    """What lies there, the newest first. Raises OperationError."""
    place = place_of(_maildir(config, account), _name(config, account))
    return sorted(_items(place), key=lambda item: -item.arrived)


def find_item(config: Config, account: str, id: str) -> Item:
    """One message. Raises OperationError."""
    for item in quarantined(config, account):
        if item.id == id:
            return item
    raise OperationError(f"{account} has no {id} in quarantine")


def release_item(config: Config, account: str, id: str) -> None:
    """Move a message to the inbox, as new, and learn that it is good mail. Raises OperationError,
    and then it was not moved."""
    item = find_item(config, account, id)
    released(config, account, item.path)
    release(item.path, _maildir(config, account))
    record(config, "quarantine-release", account=account, message=id)


def delete_item(config: Config, account: str, id: str) -> None:
    """Delete a message. Raises OperationError."""
    find_item(config, account, id).path.unlink()
    record(config, "quarantine-delete", account=account, message=id)


def _items(place: Path) -> Iterator[Item]:
    for path in messages_in(place):
        try:
            head = head_of(path)
        except FileNotFoundError:
            continue
        if is_ours(head):
            header, _ = split_message(head)
            trace = _TRACE.search(header)
            yield Item(
                trace[1].decode() if trace else path.name,
                path,
                arrived_at(path),
                _text(header, b"from"),
                _text(header, b"subject"),
                _text(header, b"x-spam-score"),
            )


def _text(header: bytes, name: bytes) -> str:
    text = decode_words(first(header, name) or b"")
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _maildir(config: Config, address: str) -> Path:
    local, domain = checked_account(address)
    account = directory_of(config).account(f"{local}@{domain}")
    if account is None:
        raise OperationError(f"{address} is not an account")
    return account.maildir


def _name(config: Config, address: str) -> str:
    return quarantine_name(_maildir(config, address), config.spam.quarantine)
