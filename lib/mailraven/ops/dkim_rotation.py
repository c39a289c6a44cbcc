"""New DKIM keys for old ones, without a moment in which a signature cannot be verified.

    new ------> signing -----> kept ----> gone
       the DNS       a newer one   its time is over
       shows it      signs         (queue.dkim_overlap)

What a key is stands in its file (dkim_keys.py), so a rotation goes on where it was left, whoever
calls it and whenever: `rotate` does all that can be done now. The new key signs before the old one
ceases to, and a key that signs no more stays published until mail that it has signed can no longer
be on its way.
"""

import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import tomlkit

from mailraven.config.schema import Config
from mailraven.dns.resolver import Resolver
from mailraven.files import fsync_dir
from mailraven.ops.audit import record
from mailraven.ops.dkim_dns import Seen, seen
from mailraven.ops.dkim_keys import dkim_records, make_dkim_keys
from mailraven.ops.edit import replace_file
from mailraven.ops.errors import OperationError
from mailraven.ops.ownership import as_owner_of, editing

State = Literal["new", "signing", "kept", "off"]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a domain. `since` is when it got into its state; "off" is what a person made
    inactive, which is left alone."""

    selector: str
    algorithm: str
    created: datetime
    state: State
    since: datetime
    is_rotated: bool = False  # it came in the place of another


@dataclass(slots=True)
class Turn:
    """What one call of `rotate` did, and what it waits for."""

    made: list[str] = field(default_factory=list)
    waiting: dict[str, Seen] = field(default_factory=dict)
    activated: list[str] = field(default_factory=list)
    kept: dict[str, datetime] = field(default_factory=dict)  # until when they stay published
    removed: list[str] = field(default_factory=list)


@contextmanager
def _editing(folder: Path) -> Iterator[None]:
    """As its owner and alone."""
    with as_owner_of(folder), editing(folder):
        yield


def folder_of(config: Config, domain: str) -> Path:
    """Where the keys of a domain are."""
    return config.paths.domains / domain / "dkim"


def keys_of(folder: Path) -> list[Key]:
    """The keys, sorted by selector. Raises OperationError for a file that cannot be read."""
    return [_read(path) for path in sorted(folder.glob("*.pem"))]


def _read(path: Path) -> Key:
    settings: dict[str, object] = {}
    beside = path.with_suffix(".toml")
    try:
        with suppress(FileNotFoundError):
            settings = tomllib.loads(beside.read_text())
    except (OSError, ValueError) as error:
        raise OperationError(f"{beside}: {error}") from None
    made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    created = _moment(settings.get("created"), made)
    algorithm = str(settings.get("algorithm", "rsa-sha256"))
    if settings.get("active", True) is True:
        since = _moment(settings.get("activated"), created)
        return Key(path.stem, algorithm, created, "signing", since, "activated" in settings)
    if "retired" in settings:
        return Key(path.stem, algorithm, created, "kept", _moment(settings["retired"], made))
    return Key(path.stem, algorithm, created, "new" if settings.get("pending") else "off", created)


def _moment(value: object, otherwise: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return otherwise
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def rotate(
    config: Config, domain: str, resolver: Resolver, oldest: timedelta, now: datetime
) -> Turn:
    """Do what can be done now: make new keys when one that signs is older than `oldest`, sign with
    those that the DNS shows, let go of those before them. Raises OperationError.
    """
    folder, turn = folder_of(config, domain), Turn()
    with as_owner_of(folder):
        folder.mkdir(mode=0o750, exist_ok=True)
    with _editing(folder):
        if _wants_new(keys_of(folder), now - oldest):
            turn.made = make_dkim_keys(folder, pending=True)
            fsync_dir(folder)
    records = {one.selector: one for one in dkim_records(folder)}
    new = [key.selector for key in keys_of(folder) if key.state == "new"]
    shown = {selector: await seen(resolver, domain, records[selector]) for selector in new}
    with _editing(folder):
        _go_on(folder, shown, turn, now)
        _let_go(folder, turn, now, timedelta(seconds=config.queue.dkim_overlap))
    if turn.made or turn.activated or turn.removed:
        did = {"made": turn.made, "activated": turn.activated, "removed": turn.removed}
        record(config, "dkim-rotate", domain=domain, **did)
    return turn


def _wants_new(keys: Iterable[Key], oldest: datetime) -> bool:
    """Whether a rotation begins: none is under way, and the newest key of an algorithm is old."""
    newest: dict[str, datetime] = {}
    for key in keys:
        if key.state == "new":
            return False
        if key.state == "signing":
            newest[key.algorithm] = max(key.created, newest.get(key.algorithm, key.created))
    return not newest or min(newest.values()) <= oldest


def _go_on(folder: Path, shown: dict[str, Seen], turn: Turn, now: datetime) -> None:
    """Sign with new keys that the DNS shows, and then no longer with older ones of their kind."""
    for key in keys_of(folder):
        said = shown.get(key.selector, Seen("unknown", "made this moment"))
        if key.state == "new" and said.word == "shown":
            _write(folder, key.selector, active=True, activated=now)
            turn.activated.append(key.selector)
        elif key.state == "new":
            turn.waiting[key.selector] = said
    signing = [key for key in keys_of(folder) if key.state == "signing"]
    for key in signing:
        if any(_supersedes(other, key) for other in signing):
            _write(folder, key.selector, active=False, retired=now)


def _supersedes(other: Key, key: Key) -> bool:
    """Whether `other` came by a rotation in the place of `key`."""
    if not other.is_rotated or other.algorithm != key.algorithm or other.selector == key.selector:
        return False
    return other.since > key.since or not key.is_rotated


def _let_go(folder: Path, turn: Turn, now: datetime, overlap: timedelta) -> None:
    for key in keys_of(folder):
        if key.state != "kept":
            continue
        if key.since + overlap > now:
            turn.kept[key.selector] = key.since + overlap
        else:
            remove(folder, key.selector)
            turn.removed.append(key.selector)


def _write(folder: Path, selector: str, *, active: bool, **times: datetime) -> None:
    """Change the state of a key, at once or not at all."""
    path = folder / f"{selector}.toml"
    document = tomlkit.parse(path.read_text()) if path.exists() else tomlkit.document()
    document["active"] = active
    document.pop("pending", None)
    for name, moment in times.items():
        document[name] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    replace_file(path, tomlkit.dumps(document))


def remove(folder: Path, selector: str) -> None:
    """Delete a key; the .pem first, for without its .toml it would sign."""
    for suffix in ("pem", "toml"):
        (folder / f"{selector}.{suffix}").unlink(missing_ok=True)
    fsync_dir(folder)


def retire(config: Config, domain: str, selector: str, now: datetime) -> datetime:
    """Sign no more with a key that others do the work of; until when it stays published.

    Raises OperationError when nothing would sign.
    """
    folder = folder_of(config, domain)
    with _editing(folder):
        signing = [key.selector for key in keys_of(folder) if key.state == "signing"]
        if selector not in signing:
            raise OperationError(f"{domain} signs with no key {selector}: {', '.join(signing)}")
        if len(signing) == 1:
            raise OperationError(f"{selector} alone signs for {domain}: mailraven dkim rotate")
        _write(folder, selector, active=False, retired=now)
    record(config, "dkim-retire", domain=domain, selector=selector)
    return now + timedelta(seconds=config.queue.dkim_overlap)


def forget(config: Config, domain: str, selector: str) -> None:
    """Delete a key that does not sign, whatever its time. Raises OperationError."""
    folder = folder_of(config, domain)
    with _editing(folder):
        states = {key.selector: key.state for key in keys_of(folder)}
        if selector not in states:
            raise OperationError(f"{domain} has no DKIM key {selector}")
        if states[selector] == "signing":
            raise OperationError(f"{selector} signs for {domain}: retire it first")
        remove(folder, selector)
    record(config, "dkim-forget", domain=domain, selector=selector)
