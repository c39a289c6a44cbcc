"""Aliases are lines of a text file that people edit, too."""

from pathlib import Path

import pytest

from mailraven.config.directory import Directory
from mailraven.config.schema import Config
from mailraven.ops.aliases import (
    add_alias,
    find_alias,
    remove_alias,
    rotate_return_addresses,
    set_alias,
)
from mailraven.ops.check import problems_of_domains
from mailraven.ops.errors import OperationError
from mailraven.queue.srs_secrets import ensure_secret

BY_HAND = "# the team\n\nteam: alice,\tbob@example.net # both\n"


@pytest.fixture
def file(config: Config) -> Path:
    path = config.paths.domains / "example.org" / "aliases"
    path.write_text(BY_HAND)
    return path


def who(config: Config, address: str) -> tuple[list[str], list[str]]:
    found = Directory(config.paths.domains, config.paths.mail).expand(address)
    return [account.address for account in found.local], list(found.remote)


def test_a_new_alias_is_a_new_line(config: Config, file: Path) -> None:
    add_alias(config, "Info@example.org", ["alice", "Carol@example.net"])
    assert file.read_text() == BY_HAND + "info: alice, Carol@example.net\n"
    assert who(config, "info@example.org") == (["alice@example.org"], ["Carol@example.net"])


def test_targets_may_be_given_with_commas(config: Config, file: Path) -> None:
    add_alias(config, "info@example.org", ["alice,bob@example.net", "alice"])
    found = find_alias(config, "info@example.org")
    assert found.targets == ("alice@example.org", "bob@example.net")


def test_a_changed_alias_keeps_its_place(config: Config, file: Path) -> None:
    add_alias(config, "info@example.org", ["alice"])
    set_alias(config, "team@example.org", ["alice"])
    assert file.read_text() == "# the team\n\nteam: alice\ninfo: alice\n"


def test_a_removed_alias_takes_its_line_along(config: Config, file: Path) -> None:
    remove_alias(config, "team@example.org")
    assert file.read_text() == "# the team\n\n"


def test_the_catch_all_is_an_alias(config: Config, file: Path) -> None:
    add_alias(config, "*@example.org", ["alice"])
    assert who(config, "whoever@example.org")[0] == ["alice@example.org"]


@pytest.mark.parametrize(
    ("address", "targets"),
    [
        ("team@example.org", ["alice"]),  # there already
        ("x@example.net", ["alice"]),  # not our domain
        ("x@example.org", []),
        ("x@example.org", ["a b"]),
        ("x@example.org", ["a@b@c"]),
        ("x@example.org", ["eve\nroot: eve"]),
        ("x@example.org", ["bob@-"]),
        ("x@example.org", ["|/bin/sh"[0] + "x y"]),
        ("../x@example.org", ["alice"]),
        ("a:b@example.org", ["alice"]),
        ("x", ["alice"]),
    ],
)
def test_a_wrong_alias_changes_nothing(
    config: Config, file: Path, address: str, targets: list[str]
) -> None:
    with pytest.raises(OperationError):
        add_alias(config, address, targets)
    assert file.read_text() == BY_HAND


def test_what_is_not_there_is_neither_changed_nor_removed(config: Config, file: Path) -> None:
    with pytest.raises(OperationError, match="alias add"):
        set_alias(config, "info@example.org", ["alice"])
    with pytest.raises(OperationError, match="not an alias"):
        remove_alias(config, "info@example.org")


def test_a_broken_file_is_not_edited_by_machine(config: Config, file: Path) -> None:
    file.write_text("team alice\n")
    with pytest.raises(OperationError, match=r"aliases:1: 'team alice' has no colon"):
        add_alias(config, "info@example.org", ["alice"])
    assert file.read_text() == "team alice\n"


def test_an_alias_to_nobody_is_found_by_the_check(config: Config, file: Path) -> None:
    add_alias(config, "info@example.org", ["alice", "gone"])
    assert [str(problem) for problem in problems_of_domains(config)] == [
        f"{file}:0: info: nobody gets mail for gone@example.org"
    ]


def test_rotation_keeps_the_former_secret(config: Config) -> None:
    ensure_secret_of(config)
    before = config.paths.srs_secrets.read_text()
    assert rotate_return_addresses(config) == 1
    assert config.paths.srs_secrets.read_text().endswith(before)
    assert config.paths.srs_secrets.stat().st_mode & 0o777 == 0o600


def test_rotation_of_a_broken_file_changes_nothing(config: Config) -> None:
    ensure_secret_of(config)
    config.paths.srs_secrets.write_text("x\n")
    with pytest.raises(OperationError, match="srs-secrets:1"):
        rotate_return_addresses(config)
    (problem,) = problems_of_domains(config)
    assert str(problem) == f"{config.paths.srs_secrets}:1: this is not a time and a secret"
    assert config.paths.srs_secrets.read_text() == "x\n"


def ensure_secret_of(config: Config) -> None:
    config.paths.spool.mkdir()
    ensure_secret(config.paths.srs_secrets)
