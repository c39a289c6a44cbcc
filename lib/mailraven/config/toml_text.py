"""TOML text to values and line numbers. tomllib gives values no lines, so keys are found again."""

import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mailraven.mail.errors import ConfigError

KeyPath = tuple[str, ...]
Lines = Mapping[KeyPath, int]

# One token: what may hold brackets and line ends without meaning them comes first.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|[\n\[\]{}]',
    re.DOTALL,
)
_KEY = re.compile(r'\s*((?:[A-Za-z0-9_-]+|"[^"\n]*"|\'[^\'\n]*\'|\s*\.\s*)+?)\s*=')
_TABLE = re.compile(r"\s*\[\[?\s*([^\]]+?)\s*\]")
_NAME = re.compile(r'"([^"]*)"|\'([^\']*)\'|([A-Za-z0-9_-]+)')


def read_toml(path: Path) -> tuple[dict[str, object], dict[KeyPath, int]]:
    """Values and the line of every key of a file; raises ConfigError (bad syntax), OSError."""
    data = path.read_bytes()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(str(path), line, "this is not UTF-8") from None
    try:
        return tomllib.loads(text), key_lines(text)
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).partition(" (at ")
        number = re.search(r"line (\d+)", place)
        line = int(number[1]) if number else text.count("\n") + 1
        raise ConfigError(str(path), line, f"not TOML: {what[:1].lower()}{what[1:]}") from None


def key_lines(text: str) -> dict[KeyPath, int]:
    """The 1-based line of every table and key of well-formed TOML; inline tables count as one."""
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for line, statement in _statements(text):
        if match := _TABLE.match(statement):
            table = _names(match[1])
            lines.setdefault(table, line)
        elif match := _KEY.match(statement):
            lines[(*table, *_names(match[1]))] = line
    return lines


def salvage(text: str) -> dict[str, object]:
    """The keys of broken TOML that are right by themselves, one table deep at most."""
    found: dict[str, object] = {}
    table: dict[str, object] = found
    for _, statement in _statements(text):
        if match := _TABLE.match(statement):
            table = {}
            found[match[1]] = table
            continue
        with suppress(tomllib.TOMLDecodeError):
            table.update(tomllib.loads(statement))
    return found


def line_of(lines: Lines, key: KeyPath) -> int:
    """The line of a key, or of the nearest table around it; 0 is the whole file."""
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key, 0) if key else 0


def _names(dotted: str) -> KeyPath:
    return tuple(next(filter(None, groups), "") for groups in _NAME.findall(dotted))


def _statements(text: str) -> list[tuple[int, str]]:
    """Each statement with its first line: a line end outside of brackets and strings ends one."""
    statements, start, depth = [], 0, 0
    line, next_line = 1, 1
    for token in _TOKEN.finditer(text):
        word = token[0]
        next_line += word.count("\n")
        depth += (word in "[{") - (word in "]}")
        if word == "\n" and depth == 0:
            statements.append((line, text[start : token.start()]))
            start, line = token.end(), next_line
    statements.append((line, text[start:]))
    return statements
