"""The rule language: what a rule asks, and what is said of one that makes no sense."""

import tomllib

import pytest

from mailraven.mail.errors import ConfigError
from mailraven.policy.conditions import parse_condition
from mailraven.policy.facts import Facts
from mailraven.policy.rule_file import RuleReading
from mailraven.policy.rules import RuleSet, compile_rules
from unit.policy.letters import html_letter, letter, seen


def read(text: str) -> tuple[RuleSet, list[ConfigError]]:
    reading = RuleReading()
    lines = {(name.strip("[]"),): number for number, name in enumerate(text.splitlines(), 1)}
    reading.file("a.toml", tomllib.loads(text), lines)
    return compile_rules(reading.rules.values()), reading.errors


def hits(question: str, message: bytes, facts: Facts | None = None) -> bool:
    rules, errors = read(f"[asked]\n{question}")
    assert not errors
    return "asked" in rules.hits(seen(message, facts))


@pytest.mark.req("FR-014")
@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("subject = '^cheap (pills|watches)$'", letter(Subject="Cheap WATCHES")),
        ("subject = 'größe'", letter(Subject="=?utf-8?q?Gr=C3=B6=C3=9Fe?=")),
        ("author = '^Eve <eve@'", letter(From="Eve <EVE@example.net>")),
        ("body = 'act now'", html_letter("<p>act <b>now</b></p>")),
        ("html = '<b>'", html_letter("<p>act <b>now</b></p>")),
        ("url = '^https://evil'", html_letter("<a href='https://evil.example/'>x</a>")),
        ("url = '^http://evil'", letter("look at http://evil.example/x!\n")),
        ("raw_header = '(?m)^X-Odd: 7'", letter(X_Odd="7")),
        ("field = 'X-Mailer'\nmatch = 'bulk'", letter(X_Mailer="BulkMailer 2")),
        ("field = 'X-Mailer'", letter(X_Mailer="anything")),
        ("finding = 'html-only'", html_letter("<p>hello</p>")),
        ("when = 'html & !signed'", html_letter("<p>hello</p>")),
        ("when = '2 of (html, signed, html-only)'", html_letter("<p>hello</p>")),
    ],
)
def test_a_rule_finds_what_it_asks_for(question: str, message: bytes) -> None:
    assert hits(question, message)
    assert not hits(question, letter())


def test_a_rule_asks_what_authentication_said() -> None:
    assert hits("result = 'spf=fail'", letter(), Facts(spf="fail"))
    assert not hits("result = 'spf=fail'", letter(), Facts(spf="pass"))
    assert not hits("result = 'spf=fail'", letter())


def test_a_condition_asks_for_rules_before_it() -> None:
    rules, errors = read("[one]\nsubject = 'lunch'\n[two]\nwhen = 'one'\n[three]\nwhen = '!two'")
    assert not errors
    assert {"one", "two"} <= rules.hits(seen(letter()))
    assert "three" not in rules.hits(seen(letter()))


def test_only_rules_with_points_are_reasons() -> None:
    rules, _ = read(
        "[one]\nsubject = 'lunch'\n[two]\nwhen = 'one'\npoints = 1.5\ndescription = 'lunch'"
    )
    [reason] = rules.reasons(rules.hits(seen(letter())))
    assert (reason.rule, reason.points, reason.text) == ("two", 1.5, "lunch")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[a]\nsubject = '('", "not a pattern: missing ): ("),
        ("[a]\nsubject = '(?=x)'", "not a pattern: invalid perl operator: (?="),
        (r"[a]" + "\n" + r"body = '(\w+)\1'", r"not a pattern: invalid escape sequence: \1"),
        ("[a]\nsubject = 'x{2000}'", "not a pattern: invalid repetition size: {2000}"),
        ("[a]\nfinding = 'html-onyl'", "'html-onyl' is not known; did you mean 'html-only'?"),
        (
            "[a]\nwhen = 'b'\n[b]\nsubject = 'x'",
            "'b' is not known; rules it asks for stand before it",
        ),
        ("[a]\nwhen = 'a'", "'a' is not known; rules it asks for stand before it"),
        ("[a]\nwhen = 'html &'", "when: a name is missing before 'the end'"),
        ("[a]\nwhen = 'html html'", "when: 'html' is one too many"),
        ("[a]\nwhen = '(html'", "when: ')' is missing before 'the end'"),
        ("[a]\nsubject = 'x'\nbody = 'y'", "one question, please"),
        ("[a]\npoints = 1\ndescription = 'x'", "one question, please"),
        ("[a]\nsubject = 'x'\npoints = 1", "say in words what it found"),
        ("[a]\nsubject = 'x'\npoints = 1000\ndescription = 'x'", "points go from -100 to 100"),
        ("[a]\nsubject = 'x'\nscore = 1", "'score' is not known"),
        ("[a]\nresult = 'spf=maybe'", "'spf=maybe' is no result (write spf=fail)"),
        ("[html]\nsubject = 'x'", "a test has that name"),
        ("a = 1", "a rule is a table: [name]"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_rule(text: str, what: str) -> None:
    _, errors = read(text)
    [error] = errors
    assert what in error.what
    assert error.path == "a.toml"
    assert error.line in (0, 1)


def test_one_bad_rule_leaves_the_others() -> None:
    reading = RuleReading()
    reading.file("a.toml", tomllib.loads("[a]\nsubject = '('\n[b]\nsubject = 'x'"), {})
    assert list(reading.rules) == ["b"]
    assert len(reading.errors) == 1


def test_a_later_file_replaces_a_rule_and_can_turn_it_off() -> None:
    reading = RuleReading()
    reading.file("a", {"x": {"subject": "lunch", "points": 2, "description": "lunch"}}, {})
    reading.file("b", {"x": {"subject": "lunch", "points": 0}}, {})
    rules = compile_rules(reading.rules.values())
    assert rules.reasons(rules.hits(seen(letter()))) == []


@pytest.mark.parametrize(
    ("condition", "true", "expected"),
    [
        ("a | b & c", {"a"}, True),
        ("(a | b) & c", {"a"}, False),
        ("!a & !(b | c)", set(), True),
        ("!!a", {"a"}, True),
        ("3 of (a, b, c)", {"a", "b"}, False),
        ("0 of (a)", set(), True),
    ],
)
def test_conditions_bind_as_in_other_languages(
    condition: str, true: set[str], expected: bool
) -> None:
    assert parse_condition(condition).holds(true) is expected


@pytest.mark.parametrize("condition", ["(" * 50 + "a" + ")" * 50, "!" * 50 + "a", "a&" * 2000])
def test_a_monstrous_condition_is_refused(condition: str) -> None:
    with pytest.raises(ValueError):
        parse_condition(condition)
