"""The manual pages say what the source does: standards, log events and their keys."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
SOURCES = sorted((TOP / "lib").rglob("*.py"))
PAGES = sorted((TOP / "man").glob("*.[0-9]"))
STANDARDS = TOP / "man" / "mailraven-standards.7"
LOG = TOP / "man" / "mailraven-log.5"
RFC = re.compile(r"\bRFCs?\s(\d{3,5})\b")
ROW = re.compile(r"^\.It (\d+) Ta (yes|partly|no) Ta \S.*$", re.MULTILINE)


def test_every_standard_in_the_source_is_in_the_standards_page() -> None:
    listed = {number for number, _ in ROW.findall(STANDARDS.read_text())}
    cited = {number for path in SOURCES for number in RFC.findall(path.read_text())}
    assert not sorted(cited - listed)


def test_the_standards_page_lists_each_standard_once() -> None:
    numbers = [number for number, _ in ROW.findall(STANDARDS.read_text())]
    assert len(numbers) == len(set(numbers))
    assert len(numbers) == STANDARDS.read_text().count("\n.It ") - len(("yes", "partly", "no"))


def logged(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(event, key) of each literal event(...) and exception(...); key "" for the event itself."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        first = node.args[0]
        if not isinstance(first, ast.Constant) or _called(node.func) not in ("event", "exception"):
            continue
        yield str(first.value), ""
        keys = [word.arg.removesuffix("_") for word in node.keywords if word.arg]
        yield from ((str(first.value), key) for key in keys if key != "level")


def _called(function: ast.expr) -> str:
    """The last word of what is called."""
    match function:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
    return ""


@cache
def all_logged() -> set[tuple[str, str]]:
    texts = [
        text for path in SOURCES if re.search(r"(event|exception)\(", text := path.read_text())
    ]
    return {found for text in texts for found in logged(ast.parse(text))}


def test_every_event_is_in_the_log_page() -> None:
    documented = set(re.findall(r"^\.It Ic (\S+)", LOG.read_text(), re.MULTILINE))
    assert not sorted({event for event, _ in all_logged()} - documented)


def test_every_key_of_an_event_is_in_the_log_page() -> None:
    documented = set(re.findall(r"^\.It Va (\S+)", LOG.read_text(), re.MULTILINE))
    assert not sorted({key for _, key in all_logged() if key} - documented)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_manual_page_is_clean_mdoc(page: Path) -> None:
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
