"""The operator sees and changes who is suppressed."""

import json

import pytest

from mailraven.config.schema import Config
from mailraven.ops.errors import OperationError
from mailraven.ops.suppression import add_suppression, remove_suppression, suppressions

ALICE = "alice@example.org"


def test_what_was_added_is_seen_until_it_is_removed(config: Config) -> None:
    add_suppression(config, "Bob@far.example", ALICE, "30d", "")
    add_suppression(config, "eve@near.example", None, "", "asked for it")
    assert [(one.recipient, one.account, one.until is None) for one in suppressions(config)] == [
        ("bob@far.example", ALICE, False),
        ("eve@near.example", "*", True),
    ]
    assert [one.recipient for one in suppressions(config, ALICE)] == ["bob@far.example"]
    assert [one.reason for one in suppressions(config, None, "near.example")] == ["asked for it"]
    assert remove_suppression(config, "bob@far.example", None) == 1
    with pytest.raises(OperationError, match="not on the list"):
        remove_suppression(config, "bob@far.example", None)
    (audit,) = (config.paths.data / "audit").glob("*.jsonl")
    said = [json.loads(line)["operation"] for line in audit.read_text().splitlines()]
    assert said[-3:] == ["suppression-add", "suppression-add", "suppression-remove"]


@pytest.mark.parametrize(
    ("address", "account", "seconds"),
    [
        ("bob", None, ""),
        ("bob@[192.0.2.1]", None, ""),
        ("bob@far.example", "no address", ""),
        ("bob@far.example", None, "soon"),
    ],
)
def test_nonsense_changes_nothing(
    config: Config, address: str, account: str | None, seconds: str
) -> None:
    with pytest.raises(OperationError):
        add_suppression(config, address, account, seconds, "")
    assert suppressions(config) == []
