"""`mailraven limit`: exemptions with owner, reason and end; what limitd counts."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailraven.cli.main import main
from mailraven.daemons.control import ask
from unit.daemon_process import Tree, make_tree, running

Command = Callable[..., tuple[int, str, str]]
SOON = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
WHY = ("--owner", "bob", "--reason", "newsletter relay", "--expires", SOON)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = make_tree(tmp_path)
    (tmp_path / "data").mkdir()
    return tree


@pytest.fixture
def command(tree: Tree, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str) -> tuple[int, str, str]:
        code = main(["--etc", str(tree.etc), "limit", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.mark.req("FR-024")
@pytest.mark.req("EC5")
def test_an_exemption_is_added_listed_replaced_and_removed(command: Command, tree: Tree) -> None:
    assert command("allow", "add", "192.0.2.0/28", *WHY)[0] == 0
    file = tree.root / "data" / "limits" / "allow.toml"
    file.write_text("# my note\n" + file.read_text())
    rates = ("account_messages=1000/hour,5000/day", "domain_messages=")
    assert command("allow", "add", "Alice@example.org", *rates, *WHY)[0] == 0
    assert command("allow", "add", "192.0.2.0/28", "messages=9/minute", *WHY)[0] == 0
    assert file.read_text().startswith("# my note\n")
    found = json.loads(command("allow", "list", "--json")[1])
    assert [(one["who"], one["rates"]) for one in found] == [
        ("192.0.2.0/28", {"messages": ["9/minute"]}),
        (
            "alice@example.org",
            {"account_messages": ["1000/hour", "5000/day"], "domain_messages": []},
        ),
    ]
    assert command("allow", "remove", "192.0.2.0/28")[0] == 0
    _, out, _ = command("allow", "list")
    assert "alice@example.org" in out and "bob" in out and SOON in out and "192.0.2" not in out


@pytest.mark.req("SEC4")
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("0.0.0.0/0", *WHY), "too wide"),
        (("::/0", *WHY), "too wide"),
        (("10.1.2.3", *WHY[:4], "--expires", "2020-01-01"), "not within"),
        (("10.1.2.3", *WHY[:4], "--expires", "9999-01-01"), "not within"),
        (("10.1.2.3", *WHY[:4], "--expires", "never"), "no date"),
        (("10.1.2.3", "--owner", " ", *WHY[2:]), "owner"),
        (("10.1.2.3", "mails=1/hour", *WHY), "no limit 'mails'"),
        (("10.1.2.3", "messages=1/week", *WHY), "not a rate"),
        (("nobody", *WHY), "no network"),
    ],
)
def test_a_careless_exemption_is_refused(
    command: Command, tree: Tree, words: tuple[str, ...], complaint: str
) -> None:
    code, _, err = command("allow", "add", *words)
    assert (code, complaint in err) == (1, True), err
    assert not (tree.root / "data" / "limits" / "allow.toml").exists()


@pytest.mark.req("SEC4")
def test_an_expired_exemption_is_told(command: Command, tree: Tree) -> None:
    folder = tree.root / "data" / "limits"
    folder.mkdir()
    entry = 'who = "10.1.2.3"\nowner = "o"\nreason = "r"\nexpires = 2020-01-01\n'
    (folder / "allow.toml").write_text("[[allow]]\n" + entry)
    assert "2020-01-01 (expired)" in command("allow", "list")[1]
    with running(tree, "limitd"):
        pass
    told = [line for line in tree.log("limitd") if line["event"] == "limit-allow-expired"]
    assert [line["who"] for line in told] == ["10.1.2.3/32"]


def test_what_was_used_is_shown_and_forgotten(command: Command, tree: Tree) -> None:
    def spend(key: str, cost: int) -> None:
        request = {"op": "take", "spent": [[key, cost, [[100, 3600]]]]}
        ask(tree.socket("limitd"), dict(request))

    with running(tree, "limitd"):
        spend("messages 192.0.2.1", 3)
        spend("account_messages alice@example.org", 70)
        out = command("show", "--top")[1].splitlines()
        assert [line.split() for line in out] == [
            ["KEY", "USED"],
            ["account_messages", "alice@example.org", "70/hour"],
            ["messages", "192.0.2.1", "3/hour"],
        ]
        assert "alice" not in command("show", "192.0.2.1")[1]
        assert command("reset", "messages 192.0.2.1") == (0, "forgotten: 1 windows\n", "")
        assert json.loads(command("show", "192.0.2.1", "--json")[1]) == []
        assert command("reset", "messages 192.0.2.1")[0] == 1
    assert command("show", "--top")[0] == 1
