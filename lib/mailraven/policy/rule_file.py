"""The rule language: one file of spam.d, already read as TOML, to rules.

Each table is a rule and its name; `description` tells in words what it found, `points` what that
counts (0, and left out: a rule that only conditions ask for). One more key is the question:

    [raw-subject-html]
    description = "8-bit letters in the subject of an HTML message"
    points = 1.5
    when = "raw-subject & html & !list"

    finding = NAME                   a test of the catalogue; mailraven-spam(5) lists them
    when = CONDITION                 other rules and tests, joined by & | ! ( ) and `2 of (a, b, c)`
    subject, author, body, html, url, raw_header = PATTERN      found in that place
    field = NAME, match = PATTERN    found in the value of that header field
    field = NAME                     the field is there
    result = "spf=fail"              what sender authentication said: spf, dkim, dmarc or arc

A pattern is of RE2's syntax and blind to case. A condition may only name what stands before it.
A rule of a later file replaces one of the same name: points = 0 turns it off.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from mailraven.mail.errors import ConfigError
from mailraven.policy.catalogue import CATALOGUE
from mailraven.policy.conditions import parse_condition
from mailraven.policy.rules import Pattern, Rule, check_pattern

Lines = Mapping[tuple[str, ...], int]

POINTS_LIMIT = 100.0
PATTERN_LENGTH = 3000  # characters
RULE_LIMIT = 2000  # of all files together
_PLACES = {"raw_header": "header"} | {z: z for z in ("subject", "author", "body", "html", "url")}
_QUESTIONS = ("finding", "when", "field", "result", *_PLACES)
_KEYS = frozenset(_QUESTIONS) | {"description", "points", "match"}
_METHODS = ("spf", "dkim", "dmarc", "arc")
_RESULTS = ("pass", "fail", "softfail", "neutral", "none", "temperror", "permerror")


@dataclass(slots=True)
class RuleReading:
    """Rules so far, by name, and every mistake that was met."""

    rules: dict[str, Rule] = field(default_factory=dict)
    errors: list[ConfigError] = field(default_factory=list)

    def file(self, path: str, tables: Mapping[str, object], lines: Lines) -> None:
        """Adds the rules of one file; `lines` are those of its keys, for the mistakes."""
        for name, table in tables.items():
            try:
                self.rules[name] = self._rule(name, table)
            except _Mistake as mistake:
                line = lines.get((name, mistake.key)) or lines.get((name,), 0)
                self.errors.append(ConfigError(path, line, f"{name}: {mistake.what}"))
        if len(self.rules) > RULE_LIMIT:
            self.errors.append(ConfigError(path, 0, f"more than {RULE_LIMIT} rules"))

    def _rule(self, name: str, table: object) -> Rule:
        if not isinstance(table, dict):
            raise _Mistake("", "a rule is a table: [name]")
        if name in CATALOGUE and table.get("finding") != name:
            raise _Mistake("", "a test has that name")
        for key in table:
            if key not in _KEYS:
                raise _Mistake(key, _unknown(key, sorted(_KEYS)))
        points, words = table.get("points", 0), table.get("description", "")
        if isinstance(points, bool) or not isinstance(points, int | float):
            raise _Mistake("points", "points is a number")
        if not -POINTS_LIMIT <= points <= POINTS_LIMIT:
            raise _Mistake("points", f"points go from -{POINTS_LIMIT:g} to {POINTS_LIMIT:g}")
        if not isinstance(words, str) or (points and not words.strip()):
            raise _Mistake("description", "say in words what it found: description = ...")
        asked = [key for key in _QUESTIONS if key in table]
        if len(asked) != 1:
            raise _Mistake("", f"one question, please: one of {', '.join(_QUESTIONS)}")
        if not isinstance(table[asked[0]], str) or not isinstance(table.get("match", ""), str):
            raise _Mistake(asked[0], f"{asked[0]} is text")
        return self._question(Rule(name, words, float(points)), asked[0], table)

    def _question(self, rule: Rule, kind: str, table: Mapping[str, str]) -> Rule:
        text = table[kind]
        if "match" in table and kind != "field":
            raise _Mistake("match", "match belongs to field")
        if kind == "finding":
            if text not in CATALOGUE:
                raise _Mistake(kind, _unknown(text, list(CATALOGUE)))
            return replace(rule, finding=text)
        if kind == "when":
            return self._condition(rule, text)
        if kind == "result":
            method, _, result = text.partition("=")
            if method not in _METHODS or result not in _RESULTS:
                raise _Mistake(kind, f"{text!r} is no result (write spf=fail)")
            return replace(rule, result=(method, result))
        if kind != "field":
            return replace(rule, pattern=_pattern(kind, _PLACES[kind], text))
        if not text.isascii() or not text or ":" in text:
            raise _Mistake(kind, f"{text!r} is no name of a header field")
        if "match" not in table:
            return replace(rule, field=text.lower().encode())
        return replace(rule, pattern=_pattern("match", f"header:{text.lower()}", table["match"]))

    def _condition(self, rule: Rule, text: str) -> Rule:
        try:
            parsed = parse_condition(text)
        except ValueError as error:
            raise _Mistake("when", f"when: {error}") from None
        for name in sorted(parsed.names):
            if name not in CATALOGUE and (name not in self.rules or name == rule.name):
                known = [*CATALOGUE, *self.rules]
                raise _Mistake(
                    "when", f"{_unknown(name, known)}; rules it asks for stand before it"
                )
        return replace(rule, condition=parsed.holds)


class _Mistake(Exception):
    """What is wrong with one rule, and at which of its keys."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(what)
        self.key = key
        self.what = what


def _pattern(key: str, zone: str, text: str) -> Pattern:
    if len(text) > PATTERN_LENGTH:
        raise _Mistake(key, f"a pattern is {PATTERN_LENGTH} characters long at most")
    try:
        check_pattern(text)
    except ValueError as error:
        raise _Mistake(key, f"not a pattern: {error}") from None
    return Pattern(zone, text)


def _unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f"{name!r} is not known" + (f"; did you mean {near[0]!r}?" if near else "")
