"""What accounts teach by command, from their mailboxes, and what is forgotten."""

import os
import stat
import time
from pathlib import Path

import pytest

from mailraven.cli.main import main
from mailraven.config.schema import Config
from mailraven.mail.flags import ANSWERED, DELETED, FLAGGED, SEEN, keyword_bit
from mailraven.ops import learning
from mailraven.ops.errors import OperationError
from mailraven.ops.learning import forget, forget_all, learning_of, retrain, teach
from mailraven.policy.lessons import Role
from mailraven.spam.jobs import Job, add_job, waiting_jobs
from mailraven.spam.learned_file import read_lessons
from mailraven.spam.learner import apply_jobs
from mailraven.store.evidence import kind_of
from unit.policy.letters import letter

ALICE = "alice@example.org"
OLD = int(time.time()) - 10 * 86400


def put(config: Config, place: str, number: int, flags: str = "", when: int = OLD) -> Path:
    path = folder(config) / "Maildir" / place / f"{when}.M{number}P1.mx:2,{flags}"
    path.write_bytes(letter(f"letter {place} {number}"))
    return path


def folder(config: Config) -> Path:
    return config.paths.mail / "example.org" / "alice"


@pytest.mark.req("FR-017")
def test_a_message_is_learned_once_changed_and_forgotten(config: Config) -> None:
    path = put(config, "cur", 1)
    assert teach(config, ALICE, "spam", [path, path]) == 1
    assert teach(config, ALICE, "spam", [path]) == 0
    assert (learning_of(config, ALICE).spam, learning_of(config, ALICE).good) == (1, 0)
    assert teach(config, ALICE, "ham", [path]) == 1
    assert (learning_of(config, ALICE).spam, learning_of(config, ALICE).good) == (0, 1)
    assert forget(config, ALICE, [path]) == 1
    assert learning_of(config, ALICE).tokens == 0


def test_a_missing_file_teaches_nothing_at_all(config: Config) -> None:
    path = put(config, "cur", 1)
    with pytest.raises(OperationError, match="No such file"):
        teach(config, ALICE, "spam", [path, path.with_name("missing")])
    assert learning_of(config, ALICE).spam == 0


def test_only_accounts_can_be_taught(config: Config) -> None:
    with pytest.raises(OperationError, match="is not an account"):
        teach(config, "nobody@example.org", "spam", [])


@pytest.mark.req("FR-017")
def test_retrain_learns_what_the_mailboxes_say_and_nothing_else(config: Config) -> None:
    for number in range(3):
        put(config, ".Junk/cur", number)
    put(config, "cur", 1, "S")
    put(config, "cur", 2)
    put(config, "cur", 3, "R", int(time.time()))
    put(config, "cur", 4, "S", int(time.time()))
    put(config, ".Archive/cur", 5)
    put(config, ".Sent/cur", 6, "S")
    gone = put(config, ".Trash/cur", 7, "F")
    teach(config, ALICE, "spam", [gone])
    told = retrain(config, ALICE)
    assert (told.spam, told.good) == (3, 3)
    assert told.sources == {"fs": 3, "fg": 3}
    before = read_lessons(folder(config)).learned
    retrain(config, ALICE)
    assert read_lessons(folder(config)).learned == before


def test_retrain_takes_the_newest_of_each_kind(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "RETRAIN_LIMIT", 2)
    paths = [put(config, ".Junk/cur", number, when=OLD + number) for number in range(4)]
    assert retrain(config, ALICE).spam == 2
    assert forget(config, ALICE, paths[:2]) == 0
    assert forget(config, ALICE, paths[2:]) == 2


@pytest.mark.parametrize("again", [retrain, forget_all])
def test_jobs_from_before_are_not_learned_after(config: Config, again: object) -> None:
    path = put(config, ".Junk/cur", 1)
    add_job(
        config.paths.data,
        Job(folder=str(folder(config)), changes=["moved-in"], paths=[str(path)]),
    )
    assert learning_of(config, ALICE).waiting == 1
    assert callable(again)
    again(config, ALICE)
    before = read_lessons(folder(config)).claims
    apply_jobs(config.paths.data, 0)
    assert waiting_jobs(config.paths.data) == []
    assert read_lessons(folder(config)).claims == before


@pytest.mark.parametrize(
    ("role", "mask", "kind"),
    [
        ("junk", 0, "s"),
        ("junk", keyword_bit(1), "g"),
        ("inbox", 0, ""),
        ("inbox", SEEN, "g"),
        ("inbox", ANSWERED, "g"),
        ("inbox", FLAGGED, "g"),
        ("inbox", SEEN | keyword_bit(0), "s"),
        ("other", 0, "g"),
        ("other", DELETED, ""),
        ("junk", DELETED, ""),
    ],
)
def test_what_place_and_flags_say(role: Role, mask: int, kind: str) -> None:
    assert kind_of(role, mask, ["$Junk", "NonJunk"], is_settled=True) == kind


def test_what_was_learned_is_nobody_elses_to_read(config: Config) -> None:
    teach(config, ALICE, "ham", [put(config, "cur", 1)])
    path = folder(config) / "learned"
    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0
    assert path.stat().st_uid == os.geteuid()


def test_the_commands(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(put(config, "cur", 1))

    def said(*words: str) -> str:
        etc = str(config.paths.data / "etc")
        assert main(["--etc", etc, "spam", *words]) == 0
        return capsys.readouterr().out

    assert said("learn", "--account", ALICE, "spam", path) == "learned 1 of 1 messages as spam\n"
    told = said("status", "--account", ALICE)
    assert told.startswith(f"{ALICE} taught 1 messages as spam, 0 as good mail\n")
    assert "      1 spam, said on the command line\n" in told
    assert '"cs": 1' in said("status", "--json", "--account", ALICE)
    assert said("forget", "--account", ALICE, path) == "forgot 1 of 1 messages\n"
    assert said("retrain", "--account", ALICE).startswith(f"{ALICE} taught 0 messages as spam")
    assert said("forget", "--all", "--account", ALICE) == f"{ALICE} has taught nothing any more\n"
