"""Accounts and domains made, changed and removed while the server runs."""

import json
import stat
from pathlib import Path

import pytest

from mailraven.auth.passwords import find_entry, matches, prepare
from mailraven.config.directory import Directory
from mailraven.config.schema import Config
from mailraven.mail.errors import PermanentError
from mailraven.ops.accounts import add_account, remove_account, set_account, set_password
from mailraven.ops.domains import add_domain, remove_domain, set_domain
from mailraven.ops.errors import OperationError
from mailraven.ops.passwords import generate_password
from mailraven.store.account import list_mailboxes

PASSWORD = "correct horse battery"

NAME_TRICKS = [
    "../x",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "nul\0",
    "a\nb",
    "a:b",
    "x" * 300,
    "ünïcode",
    "a b",
    "-rf",
    "*",
    "a..b",
    ".hidden",
    "a+b",
    "＠",
]


def directory(config: Config) -> Directory:
    return Directory(config.paths.domains, config.paths.mail)


def logs_in(config: Config, local: str, password: str) -> bool:
    entry = find_entry(config.paths.domains / "example.org" / "passwords", local)
    return entry is not None and matches(entry.argon2, prepare(password))


def everything_below(folder: Path) -> set[Path]:
    """All but lock files, which hold nothing."""
    return {path for path in folder.rglob("*") if not path.name.endswith(".lock")}


def test_a_new_account_works_in_a_directory_that_is_open_already(config: Config) -> None:
    open_already = directory(config)
    assert open_already.account("bob@example.org") is None
    account = add_account(config, "Bob@Example.ORG", PASSWORD, {"display_name": "Bob"})
    assert open_already.account("bob@example.org") == account
    assert account.display_name == "Bob"
    assert logs_in(config, "bob", PASSWORD)


@pytest.mark.req("FR-039")
def test_a_new_account_has_its_mailboxes(config: Config) -> None:
    maildir = config.paths.mail / "example.org" / "alice" / "Maildir"
    found = {box.name: box for box in list_mailboxes(maildir)}
    assert {"INBOX", "Sent", "Drafts", "Junk", "Trash", "Archive"} <= found.keys()
    assert all(box.subscribed for box in found.values())


def test_hashes_are_for_authd_alone(config: Config) -> None:
    path = config.paths.domains / "example.org" / "passwords"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PASSWORD not in path.read_text()


def test_an_account_is_not_made_twice(config: Config) -> None:
    with pytest.raises(OperationError, match="exists already"):
        add_account(config, "alice@example.org", "another password")
    assert logs_in(config, "alice", PASSWORD)


def test_an_account_needs_a_domain_of_this_server(config: Config) -> None:
    with pytest.raises(OperationError, match=r"example\.net is not a domain of this server"):
        add_account(config, "bob@example.net", PASSWORD)


@pytest.mark.parametrize("name", NAME_TRICKS)
def test_tricks_in_an_account_name_are_refused_and_leave_no_trace(
    config: Config, name: str
) -> None:
    before = everything_below(config.paths.data)
    with pytest.raises(OperationError):
        add_account(config, f"{name}@example.org", PASSWORD)
    assert everything_below(config.paths.data) == before


@pytest.mark.parametrize(
    "name", [*NAME_TRICKS, "example.org/..", "-a.example", "a-.example", "a@b"]
)
def test_tricks_in_a_domain_name_are_refused_and_leave_no_trace(config: Config, name: str) -> None:
    before = everything_below(config.paths.data)
    with pytest.raises(OperationError):
        add_domain(config, name)
    assert everything_below(config.paths.data) == before


@pytest.mark.parametrize(
    "password", ["", "short", "alice@example.org", "aaaaaaaaaaaa", "tab\tin\x00side"]
)
def test_weak_passwords_are_refused(config: Config, password: str) -> None:
    with pytest.raises(OperationError):
        set_password(config, "alice@example.org", password)
    assert logs_in(config, "alice", PASSWORD)


def test_generated_passwords_are_long_and_never_the_same() -> None:
    made = {generate_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(password) >= 20 for password in made)


def test_a_new_password_ends_the_old_one(config: Config) -> None:
    set_password(config, "alice@example.org", "another password")
    assert logs_in(config, "alice", "another password")
    assert not logs_in(config, "alice", PASSWORD)


def test_settings_change_and_comments_stay(config: Config) -> None:
    path = config.paths.domains / "example.org" / "accounts" / "alice.toml"
    path.write_text("# since 2019\nquota = 0  # none yet\n")
    set_account(config, "alice@example.org", {"quota": "5G", "senders": "a@b.example, *@c.example"})
    assert path.read_text() == (
        '# since 2019\nquota = "5G"  # none yet\nsenders = ["a@b.example", "*@c.example"]\n'
    )
    account = directory(config).account("alice@example.org")
    assert account is not None
    assert (account.quota, account.senders) == (5 << 30, ("a@b.example", "*@c.example"))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"quotta": "5G"}, "quotta: unknown key .did you mean quota"),
        ({"quota": "many"}, "quota: 'many' is not a size"),
        ({"enabled": "maybe"}, "enabled: 'maybe' is neither true nor false"),
        ({"role": "king"}, "role: 'king' is none of user"),
        ({"senders": "nobody"}, "senders: 'nobody' is not an address"),
    ],
)
def test_a_wrong_setting_changes_nothing(
    config: Config, changes: dict[str, str], what: str
) -> None:
    path = config.paths.domains / "example.org" / "accounts" / "alice.toml"
    before = path.read_text()
    with pytest.raises(OperationError, match=what):
        set_account(config, "alice@example.org", changes)
    assert path.read_text() == before


def test_a_broken_file_is_not_edited_by_machine(config: Config) -> None:
    path = config.paths.domains / "example.org" / "accounts" / "alice.toml"
    path.write_text("quota = \n")
    with pytest.raises(OperationError, match="mend the file first"):
        set_account(config, "alice@example.org", {"quota": "5G"})
    assert path.read_text() == "quota = \n"


def test_a_removed_account_keeps_its_mail_and_a_new_one_finds_it(config: Config) -> None:
    message = config.paths.mail / "example.org" / "alice" / "Maildir" / "new" / "1.a.mx"
    message.write_text("kept")
    remove_account(config, "alice@example.org")
    with pytest.raises(PermanentError, match=r"5\.1\.1"):
        directory(config).expand("alice@example.org")
    assert not logs_in(config, "alice", PASSWORD)
    add_account(config, "alice@example.org", PASSWORD)
    assert message.read_text() == "kept"


def test_mail_is_deleted_only_when_asked(config: Config) -> None:
    mail = remove_account(config, "alice@example.org", delete_mail=True)
    assert not mail.exists()
    assert list(mail.parent.iterdir()) == []


def test_a_domain_with_accounts_is_not_removed(config: Config) -> None:
    with pytest.raises(OperationError, match="still has 1 accounts"):
        remove_domain(config, "example.org")
    remove_account(config, "alice@example.org")
    remove_domain(config, "example.org", delete_mail=True)
    assert not directory(config).is_local_domain("example.org")
    assert not (config.paths.mail / "example.org").exists()


def test_a_domain_is_not_made_twice(config: Config) -> None:
    with pytest.raises(OperationError, match="already"):
        add_domain(config, "EXAMPLE.org")


def test_a_domain_can_be_switched_off(config: Config) -> None:
    set_domain(config, "example.org", {"enabled": "false"})
    with pytest.raises(PermanentError, match=r"5\.2\.1"):
        directory(config).expand("alice@example.org")


@pytest.mark.req("SEC8")
def test_every_change_is_in_the_audit_file_and_no_password_is(config: Config) -> None:
    set_password(config, "alice@example.org", "another password")
    remove_account(config, "alice@example.org")
    (file,) = (config.paths.data / "audit").iterdir()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["operation"] for line in lines] == [
        "domain-add",
        "account-add",
        "account-passwd",
        "account-remove",
    ]
    assert all(line["ts"] and line["actor"] for line in lines)
    assert "password" not in file.read_text().replace("account-passwd", "")
