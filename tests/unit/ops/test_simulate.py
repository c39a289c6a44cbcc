"""What other rules would change: whose mail is looked at, and what counts."""

import json
from pathlib import Path

import pytest

from mailraven.cli.main import main
from mailraven.config.schema import Config
from mailraven.ops.accounts import add_account
from mailraven.ops.errors import OperationError
from mailraven.ops.simulate import Change, simulate
from mailraven.ops.spam import knowledge_of
from mailraven.policy.lessons import moved_in
from mailraven.spam.learned_file import changing
from mailraven.spam.learner import tokens_of_stored
from unit.ops.conftest import PASSWORD
from unit.policy.letters import letter

ALICE = "alice@example.org"
RULE = '[{name}]\ndescription = "a word"\npoints = {points}\nfield = "Subject"\nmatch = "{word}"\n'


def put(config: Config, mailbox: str, subject: str, local: str = "alice") -> Path:
    folder = config.paths.mail / "example.org" / local / "Maildir" / mailbox / "cur"
    path = folder / f"1700.M{len(list(folder.iterdir()))}P1.mx:2,S"
    path.write_bytes(b"X-Spam-Status: Yes, score=99.0\r\n" + letter(Subject=subject))
    return path


def rules(folder: Path, points: float, word: str = "prize") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "own.toml").write_text(RULE.format(name="own-word", points=points, word=word))
    return folder


def changes(config: Config, folder: Path, count: int = 100, address: str = "") -> list[Change]:
    knowledge = knowledge_of(config, config.paths.data / "etc")
    return list(filter(None, simulate(config, knowledge, folder, count, address)))


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return rules(tmp_path / "other", 7)


@pytest.mark.req("FR-020")
def test_messages_whose_verdict_would_change_are_told_with_the_points(
    config: Config, other: Path
) -> None:
    rules(config.paths.data / "etc" / "spam.d", 1)
    paths = {put(config, "", "a prize"), put(config, ".Junk", "a prize"), put(config, "", "lunch")}
    put(config, ".Trash", "a prize")
    put(config, ".Sent", "a prize")
    found = changes(config, other)
    assert {change.path for change in found} < paths
    assert len(found) == 2
    assert {change.after.action for change in found} == {"quarantine"}
    assert all(change.reasons() == {"own-word": (1.0, 7.0)} for change in found)


def test_one_account_is_looked_at_alone_and_only_its_newest_messages(
    config: Config, other: Path
) -> None:
    add_account(config, "bob@example.org", PASSWORD)
    for _ in range(3):
        put(config, "", "a prize")
        put(config, "", "a prize", "bob")
    assert len(changes(config, other)) == 6
    assert len(changes(config, other, address=ALICE)) == 3
    assert len(changes(config, other, count=2, address=ALICE)) == 2


def test_what_the_account_taught_and_its_thresholds_count(config: Config, other: Path) -> None:
    path = put(config, "", "a prize")
    account = config.paths.domains / "example.org" / "accounts" / "alice.toml"
    account.write_text("quarantine_score = 50\nreject_score = 60\n")
    assert changes(config, other) == []
    account.write_text("")
    tokens = tokens_of_stored(path.read_bytes())
    with changing(path.parents[2]) as lessons:
        for number in range(20):
            lessons.change(str(number), moved_in, lambda: tokens, 0)
    (change,) = changes(config, other)
    assert "learned" in [reason.rule for reason in change.before.reasons]


def test_only_a_folder_has_rules(config: Config, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="is no folder"):
        changes(config, tmp_path / "missing")


def test_the_command_tells_people_and_programs(
    config: Config, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(config, "", "a prize")
    etc = str(config.paths.data / "etc")
    words = ["--etc", etc, "spam", "simulate", "--rules", str(other), "--account", ALICE]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "own-word 0 -> 7" in told
    assert str(path) in told
    assert "1 of 1 messages would change\n      1 from accept to quarantine\n" in told
    assert main([*words, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["messages"], len(facts["changes"])) == (1, 1)
    assert facts["changes"][0]["after"]["action"] == "quarantine"
