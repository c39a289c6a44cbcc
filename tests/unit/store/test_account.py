"""Mailboxes of an account: names, folders, subscriptions; no name leads out of the account."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.store import account
from mailraven.store.account import SUBSCRIPTION_LIMIT, list_mailboxes
from mailraven.store.errors import (
    BadMailboxName,
    MailboxExists,
    NoSuchMailbox,
    StoreUnavailable,
    TooManyMailboxes,
    TooManySubscriptions,
)
from mailraven.store.names import canonical, find, folder_name, name_of, place_of


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    account.create_mailboxes(tmp_path / "Maildir")
    return tmp_path / "Maildir"


def names(maildir: Path) -> list[str]:
    return [info.name for info in list_mailboxes(maildir) if info.selectable]


@pytest.mark.req("US5.1")
def test_a_new_account_has_what_clients_expect(maildir: Path) -> None:
    infos = {info.name: info for info in list_mailboxes(maildir)}
    assert list(infos) == ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"]
    assert all(info.subscribed and info.selectable for info in infos.values())
    assert infos["Sent"].special_use == "\\Sent"
    account.create_mailboxes(maildir)
    assert names(maildir) == list(infos), "making it again changes nothing"


@pytest.mark.req("US5.1")
def test_a_folder_that_a_client_made_gets_the_use_and_no_second_one_is_made(tmp_path: Path) -> None:
    for folder in (".Sent Items/cur", ".Trash/cur", ".Deleted Messages/cur"):
        (tmp_path / folder).mkdir(parents=True)
    account.create_mailboxes(tmp_path)
    uses = {info.name: info.special_use for info in list_mailboxes(tmp_path)}
    assert (uses["Sent Items"], uses["Trash"], uses["Deleted Messages"]) == (
        "\\Sent",
        "\\Trash",
        None,
    )
    assert "Sent" not in uses


def test_names_are_utf_8_folders_on_disk(maildir: Path) -> None:
    account.create(maildir, "Gelöscht/日本.2026/50%")
    assert (maildir / ".Gelöscht.日本%2E2026.50%25" / "cur").is_dir()
    assert "Gelöscht/日本.2026/50%" in names(maildir)
    assert "Gelöscht" in names(maildir), "superiors are made as well"


@pytest.mark.parametrize(
    "name",
    ["", "/", "a//b", "/a", "a/", "a\0b", "a\nb", "x" * 300, "\ud800", "a/" * 200, "a\x7f"],
)
def test_impossible_names_are_refused(maildir: Path, name: str) -> None:
    with pytest.raises(BadMailboxName):
        account.create(maildir, name)
    with pytest.raises(NoSuchMailbox):
        find(maildir, name)


@pytest.mark.parametrize("name", ["..", "../x", "../../etc", ".", "a/../../../b", "....//"])
def test_path_tricks_stay_in_the_account(maildir: Path, name: str) -> None:
    before = set(os.listdir(maildir.parent))
    try:
        account.create(maildir, name)
        assert find(maildir, name).parent == maildir
    except BadMailboxName:
        pass
    assert set(os.listdir(maildir.parent)) == before


@given(st.text(min_size=1, max_size=40))
def test_every_name_has_one_folder_and_no_folder_two_names(name: str) -> None:
    try:
        name = canonical(name)
    except BadMailboxName:
        return
    if name == "INBOX":
        return
    folder = folder_name(name.split("/"))
    assert "/" not in folder
    assert folder not in (".", "..")
    assert name_of(folder) == name
    assert place_of(Path("/m"), name).parent == Path("/m")


def test_folders_of_other_programs_are_found_as_they_are(maildir: Path) -> None:
    for folder in (".100%", ".Entwu\u0308rfe"):
        for part in ("cur", "new", "tmp"):
            (maildir / folder / part).mkdir(parents=True)
    assert {"100%", "Entwu\u0308rfe"} <= set(names(maildir))
    assert find(maildir, "100%") == maildir / ".100%"
    assert find(maildir, "Entwu\u0308rfe") == maildir / ".Entwu\u0308rfe"


def test_a_symbolic_link_is_no_mailbox(maildir: Path, tmp_path: Path) -> None:
    (tmp_path / "secret" / "cur").mkdir(parents=True)
    (maildir / ".Link").symlink_to(tmp_path / "secret")
    assert "Link" not in names(maildir)
    with pytest.raises(NoSuchMailbox):
        find(maildir, "Link")


def test_inbox_is_inbox_in_any_case(maildir: Path) -> None:
    assert find(maildir, "inBox") == maildir
    account.create(maildir, "inbox/Lists")
    assert "INBOX/Lists" in names(maildir)
    for wrong in (account.create, account.delete):
        with pytest.raises((MailboxExists, BadMailboxName)):
            wrong(maildir, "inbox")


def test_delete_leaves_what_lies_below(maildir: Path) -> None:
    account.create(maildir, "A/B")
    account.delete(maildir, "A")
    infos = {info.name: info for info in list_mailboxes(maildir)}
    assert not infos["A"].selectable
    assert infos["A"].has_children
    assert infos["A/B"].selectable
    assert os.listdir(maildir / "tmp") == []
    with pytest.raises(NoSuchMailbox):
        account.delete(maildir, "A")


def test_rename_takes_all_below_along(maildir: Path) -> None:
    account.create(maildir, "A/B/C")
    account.rename(maildir, "A", "X/Y")
    assert {"X", "X/Y", "X/Y/B", "X/Y/B/C"} <= set(names(maildir))
    assert not any(name.startswith("A") for name in names(maildir) if name != "Archive")


def test_rename_overwrites_nothing(maildir: Path) -> None:
    account.create(maildir, "A/B")
    account.create(maildir, "Z/B")
    account.delete(maildir, "Z")
    for old, new in (("A", "Sent"), ("A", "Z"), ("A", "INBOX")):
        with pytest.raises(MailboxExists):
            account.rename(maildir, old, new)
    with pytest.raises(BadMailboxName):
        account.rename(maildir, "A", "A/B/C")
    with pytest.raises(NoSuchMailbox):
        account.rename(maildir, "nothing", "something")


@pytest.mark.parametrize("name", ["INBOX", "inbox", "Sent", "A", "A/B", "cafe\u0301"])
def test_one_mailbox_is_described_as_among_all(maildir: Path, name: str) -> None:
    account.create(maildir, "A/B/C")
    account.create(maildir, "café")
    account.create(maildir, "INBOX/below")
    all_of_them = {info.name: info for info in list_mailboxes(maildir)}
    assert account.mailbox_info(maildir, name) == all_of_them[canonical(name)]


def test_what_is_no_mailbox_is_not_described(maildir: Path) -> None:
    with pytest.raises(NoSuchMailbox):
        account.mailbox_info(maildir, "nothing")


def test_special_use_follows_a_rename(maildir: Path) -> None:
    account.rename(maildir, "Sent", "Gesendet")
    uses = {info.name: info.special_use for info in list_mailboxes(maildir)}
    assert uses["Gesendet"] == "\\Sent"
    account.create(maildir, "Old/Mail")
    account.rename(maildir, "Gesendet", "Old/Mail/Out")
    account.rename(maildir, "Old", "New")
    uses = {info.name: info.special_use for info in list_mailboxes(maildir)}
    assert uses["New/Mail/Out"] == "\\Sent"


def test_mailboxes_are_bounded(maildir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "MAILBOX_LIMIT", len(list(maildir.iterdir())) + 2)
    account.create(maildir, "one")
    account.create(maildir, "two")
    with pytest.raises(TooManyMailboxes):
        account.create(maildir, "three")
    account.delete(maildir, "one")
    account.create(maildir, "three")


def test_subscriptions_are_bounded(maildir: Path) -> None:
    many = [f"x{n}" for n in range(SUBSCRIPTION_LIMIT)]
    (maildir / account.SUBSCRIPTIONS).write_text("\n".join(many))
    with pytest.raises(TooManySubscriptions):
        account.subscribe(maildir, "one more")
    account.subscribe(maildir, "x5")
    account.unsubscribe(maildir, "x5")
    account.subscribe(maildir, "y")
    (maildir / account.SUBSCRIPTIONS).write_text("\n".join(name + "y" * 100 for name in many))
    account.unsubscribe(maildir, "x6" + "y" * 100)
    with pytest.raises(TooManySubscriptions):
        account.subscribe(maildir, "short")


def test_subscriptions_outlive_their_mailbox(maildir: Path) -> None:
    account.subscribe(maildir, "Later")
    account.delete(maildir, "Trash")
    infos = {info.name: info for info in list_mailboxes(maildir)}
    assert infos["Later"].subscribed
    assert not infos["Later"].selectable
    assert infos["Trash"].subscribed
    account.unsubscribe(maildir, "Trash")
    assert "Trash" not in {info.name for info in list_mailboxes(maildir)}


def test_what_another_program_left_of_a_mailbox_becomes_one_again(maildir: Path) -> None:
    (maildir / ".Old" / "new").mkdir(parents=True)
    (maildir / ".Old" / "new" / "1.x").write_bytes(b"Subject: kept\r\n\r\n")
    assert "Old" not in names(maildir)
    account.create(maildir, "Old")
    assert "Old" in names(maildir)
    assert (maildir / ".Old" / "new" / "1.x").exists()
    assert not list((maildir / "tmp").iterdir())


@pytest.mark.parametrize("place", [".Plain", ".Link"])
def test_something_else_in_the_place_of_a_mailbox_is_refused_in_words(
    maildir: Path, tmp_path: Path, place: str
) -> None:
    (maildir / ".Plain").write_bytes(b"")
    (maildir / ".Link").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(StoreUnavailable):
        account.create(maildir, place[1:])
    with pytest.raises(NoSuchMailbox):
        find(maildir, place[1:])
    assert not list((maildir / "tmp").iterdir())
