"""Lists of senders to allow and to block: add, remove, show one line of a flat file."""

from dataclasses import dataclass
from pathlib import Path

from mailraven.config.schema import Config
from mailraven.ops.audit import record
from mailraven.ops.edit import replace_file
from mailraven.ops.errors import OperationError
from mailraven.ops.names import checked_account, checked_domain, directory_of, require_domain
from mailraven.ops.ownership import editing, give_to_owner_of
from mailraven.spam.lists import Level, Word, list_folder, parse_entry


@dataclass(frozen=True, slots=True)
class ListName:
    """Which list: `owner` is "" for the server, a domain, or an account's address."""

    word: Word
    level: Level
    owner: str


def list_name(config: Config, word: Word, domain: str | None, account: str | None) -> ListName:
    """The list that is meant. Raises OperationError where there is no such domain or account."""
    if domain and account:
        raise OperationError("either a domain or an account, not both")
    if account:
        local, host = checked_account(account)
        if directory_of(config).account(f"{local}@{host}") is None:
            raise OperationError(f"{account} is not an account")
        return ListName(word, "account", f"{local}@{host}")
    if domain:
        name = checked_domain(domain)
        require_domain(config, name)
        return ListName(word, "domain", name)
    return ListName(word, "server", "")


def add_to_list(config: Config, name: ListName, text: str, note: str) -> None:
    """Add an entry, or give it another note. Raises OperationError."""
    entry = _checked(text)
    if not note.isprintable():
        raise OperationError("the note holds a control character")
    lines = [line for line in show_list(config, name) if _entry(line) != entry]
    lines.append(f"{entry}  # {note}" if note else entry)
    _write(config, name, lines)
    record(config, "list-add", list=name.word, owner=name.owner or "server", entry=entry)


def remove_from_list(config: Config, name: ListName, text: str) -> None:
    """Take an entry away. Raises OperationError if it is not there."""
    entry, before = _checked(text), show_list(config, name)
    lines = [line for line in before if _entry(line) != entry]
    if len(lines) == len(before):
        raise OperationError(f"{entry} is not in that list")
    _write(config, name, lines)
    record(config, "list-remove", list=name.word, owner=name.owner or "server", entry=entry)


def show_list(config: Config, name: ListName) -> list[str]:
    """The lines of a list, as they stand."""
    try:
        return _path(config, name).read_text().splitlines()
    except FileNotFoundError:
        return []


def _write(config: Config, name: ListName, lines: list[str]) -> None:
    path = _path(config, name)
    if not path.parent.exists():
        path.parent.mkdir(mode=0o750, parents=True)
        give_to_owner_of(config.paths.data, path.parent)
    with editing(path.parent):
        replace_file(path, "".join(f"{line}\n" for line in lines))


def _path(config: Config, name: ListName) -> Path:
    return list_folder(config.paths.data, name.level, name.owner) / name.word


def _checked(text: str) -> str:
    try:
        return parse_entry(text)
    except ValueError as error:
        raise OperationError(str(error)) from None


def _entry(line: str) -> str | None:
    try:
        return parse_entry(line.partition("#")[0])
    except ValueError:
        return None
