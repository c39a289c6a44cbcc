"""Rules: what they ask of a message, and asking all of them at once.

All patterns for one place are compiled into one automaton of RE2, which reads that place once, in
time linear in its length, whatever the patterns and the text: no rule can hang.
"""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field

import re2

from mailraven.mail.headers import decode_words
from mailraven.policy.catalogue import findings_of
from mailraven.policy.conditions import Condition
from mailraven.policy.facts import Facts
from mailraven.policy.verdict import Reason
from mailraven.policy.view import VALUE_LIMIT, View

PATTERN_MEMORY = 64 << 20  # octets of one automaton; a rule file that needs more is refused
ZONE_LIMIT = 64 << 10  # characters of one place that patterns see
ZONES = ("subject", "author", "body", "html", "url", "header")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression of RE2 (letters of either case) and the zone that it is looked for in:
    one of ZONES, or "header:name" for the value of one field."""

    zone: str
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Exactly one of the questions is there: `finding` of the catalogue, `pattern`, `field` that
    is there, `result` ("spf", "fail") of authentication, `condition` on other rules."""

    name: str
    description: str
    points: float = 0
    finding: str = ""
    pattern: Pattern | None = None
    field: bytes = b""
    result: tuple[str, str] | None = None
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in the order of their files; a condition asks only for what stands before it."""

    rules: tuple[Rule, ...] = ()
    version: int = 0
    _zones: "tuple[_Zone, ...]" = field(default=(), compare=False)
    _late: tuple[Rule, ...] = field(default=(), compare=False)

    def hits(self, view: View) -> Set[str]:
        """The names of all rules, and of all tests of the catalogue, that are true."""
        true = set(findings_of(view))
        for zone in self._zones:
            true.update(zone.hits(view))
        for rule in self._late:
            if _holds(rule, view, true):
                true.add(rule.name)
        return true

    def reasons(self, hits: Set[str]) -> list[Reason]:
        """A reason for each rule with points that is among `hits`."""
        return [
            Reason(rule.name, rule.points, rule.description)
            for rule in self.rules
            if rule.points and rule.name in hits
        ]


@dataclass(frozen=True, slots=True)
class _Zone:
    """The patterns for one place, as one automaton."""

    name: str
    automaton: re2.Set
    rules: tuple[str, ...]

    def hits(self, view: View) -> list[str]:
        text = zone_text(view, self.name)
        return [self.rules[number] for number in self.automaton.Match(text) or ()]


def compile_rules(rules: Iterable[Rule], version: int = 0) -> RuleSet:
    """The rules ready to be asked; raises ValueError if the patterns together are too large."""
    kept = tuple(rules)
    by_zone: dict[str, list[Rule]] = {}
    for rule in kept:
        if rule.pattern is not None:
            by_zone.setdefault(rule.pattern.zone, []).append(rule)
    zones = tuple(_zone(name, members) for name, members in by_zone.items())
    return RuleSet(kept, version, zones, tuple(rule for rule in kept if rule.pattern is None))


def check_pattern(text: str) -> None:
    """Raises ValueError with RE2's words for what it does not take."""
    try:
        re2.compile(text, _options())
    except re2.error as error:
        what = error.args[0] if error.args else "not a pattern"
        raise ValueError(what.decode() if isinstance(what, bytes) else str(what)) from None


def zone_text(view: View, zone: str) -> bytes:
    """The text of a zone as UTF-8."""
    if zone.startswith("header:"):
        name = zone.removeprefix("header:").encode()
        return "\n".join(map(_field_text, view.fields.get(name, [])[:20])).encode()[:ZONE_LIMIT]
    text = _TEXTS[zone](view)
    return text[:ZONE_LIMIT].encode(errors="replace")


def _field_text(value: bytes) -> str:
    return decode_words(value[:VALUE_LIMIT])


def _body(view: View) -> str:
    if not view.has_html:
        return view.plain
    half = ZONE_LIMIT // 2
    return f"{view.html.text[:half]}\n{view.plain[:half]}"


_TEXTS: dict[str, Callable[[View], str]] = {
    "subject": lambda view: view.subject,
    "author": lambda view: f"{view.author.name} <{view.author.address}>",
    "body": _body,
    "html": lambda view: view.source,
    "url": lambda view: "\n".join(url.text for url in view.urls),
    "header": lambda view: view.header.decode("latin-1"),
}


def _options() -> re2.Options:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY
    return options


def _zone(name: str, members: list[Rule]) -> _Zone:
    automaton = re2.Set.SearchSet(_options())
    for rule in members:
        if rule.pattern is not None:
            automaton.Add(rule.pattern.text)
    try:
        automaton.Compile()
    except re2.error:
        raise ValueError(f"the patterns for {name} are too large together") from None
    return _Zone(name, automaton, tuple(rule.name for rule in members))


def _holds(rule: Rule, view: View, true: Set[str]) -> bool:
    if rule.condition is not None:
        return rule.condition(true)
    if rule.finding:
        return rule.finding in true
    if rule.field:
        return rule.field in view.fields
    return rule.result is not None and _results(view.facts).get(rule.result[0]) == rule.result[1]


def _results(facts: Facts) -> dict[str, str | None]:
    return {"spf": facts.spf, "dkim": facts.dkim, "dmarc": facts.dmarc, "arc": facts.arc}
