"""Exemptions from limits, and what limitd has counted: looked at, changed, forgotten."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import tomlkit
from tomlkit.items import AoT, Table

from mailraven.config.rates import parse_rate
from mailraven.config.schema import Config
from mailraven.limits.allow import LONGEST, Entry, checked_who, read_entries
from mailraven.limits.desk import LIMIT_NAMES, allow_path
from mailraven.mail.errors import ConfigErrors
from mailraven.ops.audit import record
from mailraven.ops.control_client import Message, ask
from mailraven.ops.edit import replace_file
from mailraven.ops.errors import OperationError
from mailraven.ops.ownership import editing, give_to_owner_of

HEAD = "Who is not limited, or otherwise; change it with mailraven limit allow, or here.\n"


@dataclass(frozen=True, slots=True)
class Wish:
    """An exemption as typed: `rates` are words like "account_messages=1000/hour,5000/day"."""

    who: str
    owner: str
    reason: str
    expires: str
    rates: Sequence[str] = ()


def entries_of(config: Config) -> tuple[Entry, ...]:
    """All exemptions, the expired ones too; raises OperationError when the file is broken."""
    try:
        return read_entries(allow_path(config), LIMIT_NAMES)
    except ConfigErrors as error:
        raise OperationError(f"mend the file first:\n{error}") from None


def allow(config: Config, wish: Wish, today: date) -> None:
    """Add an exemption, or put it in place of the one for the same network or account."""
    who, table = _who(wish.who), _table(wish, today)

    def change(tables: AoT) -> None:
        for number, old in enumerate(tables):
            if _names(old, who):
                tables[number] = table
                return
        tables.append(table)

    _change(config, change)
    record(config, "limit-allow-add", who=who, owner=wish.owner, expires=wish.expires)


def allow_no_more(config: Config, who: str) -> None:
    """Take the exemption away."""
    name = _who(who)

    def change(tables: AoT) -> None:
        numbers = [number for number, old in enumerate(tables) if _names(old, name)]
        if not numbers:
            raise OperationError(f"there is no exemption for {name}")
        for number in reversed(numbers):
            del tables[number]

    _change(config, change)
    record(config, "limit-allow-remove", who=name)


def uses(config: Config, part: str) -> list[tuple[str, int, int]]:
    """(key, seconds of the window, used) of the keys that contain `part`, the most used first."""
    found = _asked(config, {"op": "uses", "part": part}).get("uses")
    rows = found if isinstance(found, list) else []
    return [(str(one["key"]), int(one["window"]), int(one["used"])) for one in rows]


def forget(config: Config, key: str) -> int:
    """Let limitd forget what `key` has used; how many windows that were."""
    count = _asked(config, {"op": "forget", "key": key}).get("forgotten")
    record(config, "limit-reset", key=key)
    return count if isinstance(count, int) else 0


def _asked(config: Config, request: Message) -> Message:
    answer = ask(config.paths.run, "limitd", request)
    if "error" in answer:
        raise OperationError(f"limitd: {answer['error']}")
    return answer


def _change(config: Config, change: Callable[[AoT], None]) -> None:
    """Rewrite the file, comments and all, unless it would be broken then."""
    path = allow_path(config)
    if not path.parent.exists():
        path.parent.mkdir(mode=0o750)
        give_to_owner_of(config.paths.data, path.parent)
    with editing(path.parent):
        entries_of(config)
        document = tomlkit.parse(path.read_text()) if path.exists() else _new_document()
        tables = document.setdefault("allow", tomlkit.aot())
        change(tables)
        _replace(path, tomlkit.dumps(document))


def _replace(path: Path, text: str) -> None:
    replace_file(path, text)


def _new_document() -> tomlkit.TOMLDocument:
    document = tomlkit.document()
    document.add(tomlkit.comment(HEAD.strip()))
    return document


def _names(table: Table, who: str) -> bool:
    return checked_who(str(table["who"])) == who


def _who(text: str) -> str:
    try:
        return checked_who(text)
    except ValueError as error:
        raise OperationError(str(error)) from None


def _table(wish: Wish, today: date) -> Table:
    if not wish.owner.strip() or not wish.reason.strip():
        raise OperationError("an exemption has an owner and a reason")
    table = tomlkit.table()
    table["who"], table["owner"], table["reason"] = _who(wish.who), wish.owner, wish.reason
    table["expires"] = _end(wish.expires, today)
    if wish.rates:
        rates = tomlkit.table()
        for word in wish.rates:
            name, _, text = word.partition("=")
            rates[name] = _rates(name, text)
        table["rates"] = rates
    return table


def _end(text: str, today: date) -> date:
    try:
        end = date.fromisoformat(text)
    except ValueError:
        raise OperationError(f"{text!r} is no date (write 2027-01-31)") from None
    if not today <= end <= today + LONGEST:
        raise OperationError(f"{text} is not within the next {LONGEST.days} days")
    return end


def _rates(name: str, text: str) -> list[str]:
    if name not in LIMIT_NAMES:
        known = ", ".join(sorted(LIMIT_NAMES))
        raise OperationError(f"there is no limit {name!r}; there are {known}")
    try:
        return [str(parse_rate(word.strip())) for word in text.split(",") if word.strip()]
    except ValueError as error:
        raise OperationError(str(error)) from None
