"""Write REQUIREMENTS.md: every requirement of the specification, and the tests that prove it.

A test names what it proves with `@pytest.mark.req("FR-036", ...)`, on a function, a class or, as
`pytestmark`, on a file. The marks are read from the syntax tree, so nothing is imported or run.
The list of ids comes from the specification beside the checkout when it is there, and otherwise
from the REQUIREMENTS.md of before.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent
TABLE = TESTS / "REQUIREMENTS.md"
SPECIFICATION = TESTS.parents[1] / "shared" / "spec" / "requirements.tsv"
ROW = re.compile(r"^\| (?P<id>\S+) \| (?P<kind>\S+) \| (?P<text>.*?) \| .* \|$", re.MULTILINE)
HEAD = """# Requirements and the tests that prove them

Written by `make requirements`; do not edit. {proved} of {total} have a test.

| id | kind | requirement | tests |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of the specification; `kind` is its priority or sort."""

    id: str
    kind: str
    text: str


def read_requirements() -> list[Requirement]:
    """All requirements, in the specification's order."""
    if SPECIFICATION.exists():
        rows = [line.split("\t") for line in SPECIFICATION.read_text().splitlines()[1:]]
        return [Requirement(*row) for row in rows]
    return requirements_of_table(TABLE.read_text())


def requirements_of_table(table: str) -> list[Requirement]:
    """The requirements that a REQUIREMENTS.md lists."""
    rows = [Requirement(**row.groupdict()) for row in ROW.finditer(table)]
    return [Requirement(r.id, r.kind, r.text.replace(r"\|", "|")) for r in rows if r.id != "id"]


def marks_of(source: str) -> Iterator[tuple[str, str]]:
    """(requirement id, test name) of every mark in the text of a test file."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.Assign) and _assigns(node, "pytestmark"):
            yield from ((req, "(whole file)") for req in _ids(node.value))
    yield from _marks_in(tree.body, prefix="")


def _marks_in(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, str]]:
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        name = prefix + node.name
        for decorator in node.decorator_list:
            yield from ((req, name) for req in _ids(decorator))
        if isinstance(node, ast.ClassDef):
            yield from _marks_in(node.body, f"{name}.")


def _assigns(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def _ids(expression: ast.expr) -> Iterator[str]:
    """The arguments of each `pytest.mark.req(...)` anywhere in `expression`."""
    for node in ast.walk(expression):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.req":
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant))


def collect_marks() -> dict[str, list[str]]:
    """Requirement id to the tests that carry it, as "unit/smtp/test_server.py: test_x"."""
    proofs: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("*.py")):
        source = path.read_text()
        if "mark.req(" not in source:
            continue
        for req, name in marks_of(source):
            proofs.setdefault(req, []).append(f"{path.relative_to(TESTS)}: {name}")
    return proofs


def render(requirements: list[Requirement], proofs: dict[str, list[str]]) -> str:
    """The text of REQUIREMENTS.md."""
    proved = sum(requirement.id in proofs for requirement in requirements)
    rows = [_row(requirement, proofs.get(requirement.id, [])) for requirement in requirements]
    return HEAD.format(proved=proved, total=len(requirements)) + "".join(rows)


def _row(requirement: Requirement, proofs: list[str]) -> str:
    text = requirement.text.replace("|", r"\|")
    tests = "<br>".join(f"`{proof}`" for proof in proofs) or "open"
    return f"| {requirement.id} | {requirement.kind} | {text} | {tests} |\n"


if __name__ == "__main__":
    TABLE.write_text(render(read_requirements(), collect_marks()))
