"""Bundles of rules: only what a known key signed, never an old one, and back again."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mailraven.config.schema import Config, Paths, Spam
from mailraven.ops.errors import OperationError
from mailraven.ops.rules import rollback_rules, rules_status, update_rules
from mailraven.spam.bundle import BundleFolder, make_bundle, open_bundle

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
RULES = "[a]\ndescription = 'lunch'\npoints = 1.5\nsubject = 'lunch'\n"
NEW, NEWER = 99990001, 99990002


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(paths=Paths(data=tmp_path), spam=Spam(rules_keys=(PUBLIC,)))


def offered(tmp_path: Path, version: int, text: str = RULES) -> str:
    path = tmp_path / "offered"
    path.write_bytes(make_bundle(version, text, KEY))
    return str(path)


def update(config: Config, source: str, *, dry_run: bool = False) -> str:
    return update_rules(config, config.paths.data / "etc", source, dry_run=dry_run)


def names(config: Config) -> list[object]:
    return [one["name"] for one in rules_status(config, config.paths.data / "etc")]


@pytest.mark.req("SEC5")
def test_a_newer_signed_bundle_replaces_the_shipped_rules(config: Config, tmp_path: Path) -> None:
    told = update(config, offered(tmp_path, NEW))
    assert told.startswith(f"version {NEW} is in force\n")
    assert "+ a +1.5" in told and "- header-odd-zone" in told
    assert names(config) == ["a"]


@pytest.mark.req("SEC5")
def test_a_dry_run_tells_the_same_and_changes_nothing(config: Config, tmp_path: Path) -> None:
    before = names(config)
    told = update(config, offered(tmp_path, NEW), dry_run=True)
    assert told.startswith(f"version {NEW} would be in force\n") and "+ a +1.5" in told
    assert names(config) == before


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: data.replace(b"lunch", b"brunch"),
        lambda data: data.replace(b"version: %d" % NEW, b"version: %d" % NEWER),
        lambda data: data[:60] + data[61:],
        lambda data: b"",
        lambda data: b"\xff" * 500,
    ],
)
def test_a_bundle_that_was_changed_is_refused(harm: object) -> None:
    assert callable(harm)
    with pytest.raises(ValueError):
        open_bundle(harm(make_bundle(NEW, RULES, KEY)), (PUBLIC,))


def test_a_bundle_of_an_unknown_key_is_refused(config: Config, tmp_path: Path) -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
    (tmp_path / "offered").write_bytes(make_bundle(NEW, RULES, stranger))
    with pytest.raises(OperationError, match=r"none of spam\.rules_keys has signed it"):
        update(config, str(tmp_path / "offered"))


@pytest.mark.req("SEC5")
def test_the_version_never_goes_back_not_even_after_a_rollback(
    config: Config, tmp_path: Path
) -> None:
    update(config, offered(tmp_path, NEW))
    update(config, offered(tmp_path, NEWER, RULES.replace("[a]", "[b]")))
    assert names(config) == ["b"]
    assert rollback_rules(config) == f"version {NEW} is in force"
    assert names(config) == ["a"]
    assert "nothing changes" in update(config, offered(tmp_path, NEWER))
    assert rollback_rules(config) == "the shipped rules are in force"
    assert "nothing changes" in update(config, offered(tmp_path, NEW))
    with pytest.raises(OperationError, match="no bundle is in force"):
        rollback_rules(config)


def test_a_signed_bundle_with_mistakes_is_not_taken(config: Config, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="bundle:2: a: not a pattern"):
        update(config, offered(tmp_path, NEW, "[a]\nsubject = '('\n"))
    assert BundleFolder(tmp_path / "spam/rules").current() is None


def test_only_files_and_https_are_read(config: Config) -> None:
    with pytest.raises(OperationError, match="only files and https URLs"):
        update(config, "http://127.0.0.1/rules")


def test_the_operators_rules_stay_above_a_bundle(config: Config, tmp_path: Path) -> None:
    update(config, offered(tmp_path, NEW))
    own = tmp_path / "etc" / "spam.d"
    own.mkdir(parents=True)
    (own / "mine.toml").write_text("[a]\nsubject = 'lunch'\npoints = 0\n")
    assert names(config) == []
