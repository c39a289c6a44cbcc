"""The house has floors: imports point down (lib/mailraven/README.md), and the lowest are pure."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "lib" / "mailraven"
FLOORS = (  # from the ground up; rooms of one floor do not know each other
    {"mail"},
    {"smtp", "imap", "senderauth", "policy", "milter"},
    {"config", "observe", "files", "dns", "fetch"},
    {"store", "queue", "auth", "limits", "spam", "acme", "backup", "reports"},
    {"ops"},
    {"web", "cli"},
    {"daemons"},
)
PURE = FLOORS[0] | FLOORS[1]
IMPURE_MODULES = {"asyncio", "socket", "ssl", "os", "pathlib", "time", "random", "logging"}

FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def imports_of(source: str, module: str) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything that `source`, the text of `module`, imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def complaint(room: str, name: str) -> str | None:
    """Why a module of `room` may not import `name`; None if it may."""
    top, _, rest = name.partition(".")
    if top != "mailraven":
        impure = room in PURE and top in IMPURE_MODULES
        return f"{room} is pure and may not import {top}" if impure else None
    other = rest.partition(".")[0]
    if other not in FLOOR_OF or other == room or FLOOR_OF[other] < FLOOR_OF[room]:
        return None
    return f"{room} may not import {other}: imports point down"


def complaints(source: str, module: str) -> list[str]:
    room = module.split(".")[1]
    found = ((line, complaint(room, name)) for line, name in imports_of(source, module))
    return sorted({f"{module}:{line}: {words}" for line, words in found if words})


def test_imports_point_down_and_pure_rooms_stay_pure() -> None:
    wrong: list[str] = []
    for path in PACKAGE.glob("*/**/*.py"):
        module = ".".join(("mailraven", *path.relative_to(PACKAGE).with_suffix("").parts))
        wrong += complaints(path.read_text(), module)
    assert not wrong, "\n".join(wrong)


def test_every_room_is_on_a_floor() -> None:
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms <= FLOOR_OF.keys()


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("import mailraven.store.mailbox", "mailraven.config.load"),
        ("from mailraven import queue", "mailraven.store.mailbox"),
        ("from ..queue import spool", "mailraven.store.mailbox"),
        ("def late() -> None:\n    from mailraven.daemons.run import main", "mailraven.cli.run"),
        ("import os.path", "mailraven.mail.headers"),
        ("from time import time", "mailraven.smtp.server"),
    ],
)
def test_an_import_up_or_sideways_or_impure_is_found(source: str, module: str) -> None:
    assert complaints(source, module)


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from mailraven.mail.errors import PeerError", "mailraven.smtp.server"),
        ("from .grammar import Cursor", "mailraven.imap.commands"),
        ("import os, time, asyncio", "mailraven.files.atomic"),
    ],
)
def test_an_import_that_points_down_is_fine(source: str, module: str) -> None:
    assert not complaints(source, module)
