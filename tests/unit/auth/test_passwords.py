"""The passwords file: one line per account, changed all or nothing."""

import os
import stat
from pathlib import Path

import pytest

from mailraven.auth.gate import Gate
from mailraven.auth.names import account_name
from mailraven.auth.passwords import (
    DEMO_COST,
    PASSWORD_LIMIT,
    find_entry,
    make_entry,
    matches,
    parse,
    prepare,
    replace_entry,
    sample_entry,
)
from mailraven.auth.saslprep import saslprep
from mailraven.config.schema import Auth
from mailraven.mail.errors import ConfigError

ALICE = make_entry("alice", "correct horse", DEMO_COST)
BOB = make_entry("bob", "battery staple", DEMO_COST)


def test_an_entry_holds_argon2id_and_scram_keys_and_never_the_password() -> None:
    entry = parse(ALICE)
    assert entry.argon2.startswith("$argon2id$")
    assert entry.scram is not None
    assert entry.scram.iterations == DEMO_COST.iterations
    assert "correct horse" not in ALICE


def test_only_the_right_password_matches() -> None:
    entry = parse(ALICE)
    assert matches(entry.argon2, prepare("correct horse"))
    assert not matches(entry.argon2, prepare("correct horsE"))
    assert not matches("$argon2id$broken", prepare("correct horse"))


def test_two_lines_for_one_password_differ_by_their_salt() -> None:
    assert make_entry("alice", "correct horse", DEMO_COST) != ALICE


def test_replacing_keeps_comments_order_and_other_accounts(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    path.write_text(f"# made by hand\n{ALICE}\n\n{BOB}\n{ALICE}\n")
    fresh = make_entry("alice", "new", DEMO_COST)
    replace_entry(path, "alice", fresh)
    assert path.read_text() == f"# made by hand\n{fresh}\n\n{BOB}\n"
    replace_entry(path, "alice", None)
    assert path.read_text() == f"# made by hand\n\n{BOB}\n"


def test_a_new_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    replace_entry(path, "alice", ALICE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_rewritten_file_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    replace_entry(path, "alice", ALICE)
    owner = 12345 if os.geteuid() == 0 else os.geteuid()
    os.chown(path, owner, -1)
    replace_entry(path, "bob", BOB)
    assert path.stat().st_uid == owner


def test_a_line_of_another_account_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    for line in (BOB, f"{ALICE}\n{BOB}"):
        with pytest.raises(ValueError):
            replace_entry(path, "alice", line)
    assert not path.exists()


def test_an_entry_is_found_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    for text in (f"{ALICE}\n{BOB}\n", f"{BOB}\n{ALICE}", f"# x\r\n{ALICE}\r\n"):
        path.write_bytes(text.encode())
        found = find_entry(path, "alice")
        assert found is not None
        assert found.argon2 == parse(ALICE).argon2
        assert find_entry(path, "lice") is None
        assert find_entry(path, "alic") is None
    path.write_text("")
    assert find_entry(path, "alice") is None
    assert find_entry(tmp_path / "absent", "alice") is None


@pytest.mark.parametrize(
    "line",
    [
        "alice",
        "alice:{PLAIN}secret",
        "alice:$argon2id$x:SCRAM-SHA-1$1$eA==$eA==$eA==",
        "alice:$argon2id$x:SCRAM-SHA-256$4096$?$?$?",
        "alice:$argon2id$x:SCRAM-SHA-256$4096$eA==$eA==$eA==",
    ],
)
def test_a_wrong_line_is_reported_with_its_number_but_not_its_text(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "passwords"
    path.write_text(f"{BOB}\n{line}:\n" if line != "alice" else f"{BOB}\nalice:\n")
    with pytest.raises(ConfigError) as caught:
        find_entry(path, "alice")
    assert caught.value.line == 2
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "password", ["", "a\x00b", "x" * (PASSWORD_LIMIT + 1), "\u00ad", "a\u0627"]
)
def test_a_password_that_no_client_could_send_is_refused(password: str) -> None:
    with pytest.raises(ValueError):
        make_entry("alice", password, DEMO_COST)


@pytest.mark.parametrize(
    ("typed", "prepared"),  # RFC 4013 §3
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
    ],
)
def test_passwords_are_prepared_by_saslprep(typed: str, prepared: str) -> None:
    assert saslprep(typed) == prepared


@pytest.mark.parametrize("typed", ["\u0007", "\u0627\u0031"])
def test_saslprep_refuses_prohibited_and_mixed_text(typed: str) -> None:
    with pytest.raises(ValueError):
        saslprep(typed)


@pytest.mark.parametrize(
    ("user", "account"),
    [
        ("alice@example.org", "alice@example.org"),
        (" Alice@EXAMPLE.org ", "alice@example.org"),
        ("o'hara.x-y@sub.example.org", "o'hara.x-y@sub.example.org"),
        ("alice@Bücher.example", "alice@xn--bcher-kva.example"),
    ],
)
def test_a_log_in_name_is_normalised(user: str, account: str) -> None:
    assert str(account_name(user)) == account


@pytest.mark.parametrize(
    "user",
    [
        "",
        "alice",
        "@example.org",
        "alice@",
        "../x@example.org",
        "a/b@example.org",
        "a\x00@example.org",
        "alice@..",
        "alice@.org",
        "alice@a/b",
        "a:b@example.org",
        "a b@example.org",
        "a\nb@example.org",
        ".a@example.org",
        "alice+tag@example.org",
        "a..b@example.org",
        "a\u2028b@example.org",
        "\ud800@example.org",
        "a" * 400 + "@example.org",
    ],
)
def test_a_name_that_could_leave_its_folder_is_no_account(user: str) -> None:
    assert account_name(user) is None


def test_who_does_not_exist_costs_what_others_of_the_domain_do(tmp_path: Path) -> None:
    folder = tmp_path / "example.org"
    folder.mkdir()
    (folder / "passwords").write_text(f"# made by hand\n\nbroken\n{BOB}\n{ALICE}\n")
    gate = Gate(tmp_path, lambda _: True, Auth)
    assert gate.stand_in(gate.attempt("nobody@example.org", "", "imap")) == parse(BOB)
    assert gate.stand_in(gate.attempt("nobody@example.net", "", "imap")) is None
    assert gate.stand_in(gate.attempt("../nobody", "", "imap")) is None


def test_a_file_without_entries_has_no_sample(tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("# nobody yet\n")
    assert sample_entry(tmp_path / "passwords") is None
