"""Conditions of meta rules: names joined by & and |, turned round by !, grouped by brackets.

    condition = term *("|" term)
    term      = factor *("&" factor)
    factor    = name / "!" factor / "(" condition ")" / number "of" "(" name *("," name) ")"

`2 of (a, b, c)` is true if two of the names or more are.
"""

import re
from collections.abc import Callable, Set
from dataclasses import dataclass

Condition = Callable[[Set[str]], bool]  # of the names that are true
NESTING_LIMIT = 20
LENGTH_LIMIT = 2000  # characters

_TOKEN = re.compile(r"\s*(?:([a-zA-Z][\w.-]*)|(\d+)|([&|!(),]))")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A condition, and the names that it asks for."""

    holds: Condition
    names: frozenset[str]


def parse_condition(text: str) -> Parsed:
    """The condition that `text` writes; raises ValueError that says what is wrong with it."""
    if len(text) > LENGTH_LIMIT:
        raise ValueError(f"longer than {LENGTH_LIMIT} characters")
    cursor = _Cursor(_tokens(text))
    holds = cursor.condition()
    if cursor.tokens:
        raise ValueError(f"{cursor.tokens[-1]!r} is one too many")
    return Parsed(holds, frozenset(cursor.names))


def _tokens(text: str) -> list[str]:
    """The tokens, the first one last."""
    found, position, text = [], 0, text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(
                f"{text[position:].strip()[:20]!r} is no name and no sign of & | ! ( )"
            )
        found.append(match[1] or match[2] or match[3])
        position = match.end()
    return found[::-1]


class _Cursor:
    """Methods are named after the grammar above."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.names: set[str] = set()
        self.nesting = 0

    def take(self, wanted: str) -> bool:
        if self.tokens and self.tokens[-1] == wanted:
            self.tokens.pop()
            return True
        return False

    def expect(self, wanted: str) -> None:
        if not self.take(wanted):
            raise ValueError(f"{wanted!r} is missing before {self.next()!r}")

    def next(self) -> str:
        return self.tokens[-1] if self.tokens else "the end"

    def condition(self) -> Condition:
        self.nesting += 1
        if self.nesting > NESTING_LIMIT:
            raise ValueError(f"more than {NESTING_LIMIT} brackets inside one another")
        terms = [self.term()]
        while self.take("|"):
            terms.append(self.term())
        self.nesting -= 1
        return terms[0] if len(terms) == 1 else _any_of(terms)

    def term(self) -> Condition:
        factors = [self.factor()]
        while self.take("&"):
            factors.append(self.factor())
        return factors[0] if len(factors) == 1 else _all_of(factors)

    def factor(self) -> Condition:
        if self.take("!"):
            self.nesting += 1
            if self.nesting > NESTING_LIMIT:
                raise ValueError(f"more than {NESTING_LIMIT} signs inside one another")
            turned = self.factor()
            self.nesting -= 1
            return lambda true: not turned(true)
        if self.take("("):
            inner = self.condition()
            self.expect(")")
            return inner
        return self.count() if self.next().isdigit() else self.name_holds()

    def count(self) -> Condition:
        least = int(self.tokens.pop()[:9])
        self.expect("of")
        self.expect("(")
        names = {self.name()}
        while self.take(","):
            names.add(self.name())
        self.expect(")")
        return lambda true: len(names & true) >= least

    def name_holds(self) -> Condition:
        name = self.name()
        return lambda true: name in true

    def name(self) -> str:
        if not self.tokens or not self.tokens[-1][0].isalpha():
            raise ValueError(f"a name is missing before {self.next()!r}")
        name = self.tokens.pop()
        self.names.add(name)
        return name


def _any_of(terms: list[Condition]) -> Condition:
    def holds(true: Set[str]) -> bool:
        for term in terms:  # noqa: SIM110  a generator would cost more than the terms
            if term(true):
                return True
        return False

    return holds


def _all_of(factors: list[Condition]) -> Condition:
    def holds(true: Set[str]) -> bool:
        for factor in factors:  # noqa: SIM110
            if not factor(true):
                return False
        return True

    return holds
