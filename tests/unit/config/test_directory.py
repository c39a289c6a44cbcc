"""Who gets mail for an address, and who may send as it."""

from pathlib import Path

import pytest

from mailraven.config.directory import Directory, NotLocal
from mailraven.mail.errors import PermanentError, TemporaryError


class Tree:
    """A domains folder written by hand, as an operator with an editor would."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = Directory(root / "domains", root / "mail")
        self.domain("example.org")

    def domain(self, name: str, text: str = "") -> None:
        (self.root / "domains" / name / "accounts").mkdir(parents=True, exist_ok=True)
        (self.root / "domains" / name / "domain.toml").write_text(text)

    def account(self, address: str, text: str = "") -> None:
        local, _, domain = address.partition("@")
        (self.root / "domains" / domain / "accounts" / f"{local}.toml").write_text(text)

    def aliases(self, text: str, domain: str = "example.org") -> None:
        (self.root / "domains" / domain / "aliases").write_text(text)

    def who(self, address: str) -> tuple[list[str], list[str]]:
        found = self.directory.expand(address)
        return [account.address for account in found.local], list(found.remote)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_an_account_works_the_moment_its_file_is_there(tree: Tree) -> None:
    with pytest.raises(PermanentError, match=r"550 5\.1\.1"):
        tree.who("alice@example.org")
    tree.account("alice@example.org", 'display_name = "Alice"')
    assert tree.who("alice@example.org") == (["alice@example.org"], [])
    account = tree.directory.account("alice@example.org")
    assert account is not None
    assert account.display_name == "Alice"
    assert account.maildir == tree.root / "mail" / "example.org" / "alice" / "Maildir"


def test_an_account_is_gone_the_moment_its_file_is_gone(tree: Tree) -> None:
    tree.account("alice@example.org")
    tree.who("alice@example.org")
    (tree.root / "domains/example.org/accounts/alice.toml").unlink()
    with pytest.raises(PermanentError):
        tree.who("alice@example.org")


def test_an_edit_of_an_account_is_seen(tree: Tree) -> None:
    tree.account("alice@example.org", "enabled = true")
    tree.who("alice@example.org")
    tree.account("alice@example.org", "enabled = false")
    with pytest.raises(PermanentError, match=r"550 5\.2\.1"):
        tree.who("alice@example.org")


def test_case_of_the_address_does_not_matter(tree: Tree) -> None:
    tree.account("alice@example.org")
    assert tree.who("Alice@EXAMPLE.org")[0] == ["alice@example.org"]


def test_a_stranger_domain_is_not_local(tree: Tree) -> None:
    assert not tree.directory.is_local_domain("example.net")
    with pytest.raises(NotLocal):
        tree.who("alice@example.net")


def test_a_u_label_finds_the_folder_of_its_a_label(tree: Tree) -> None:
    tree.domain("xn--bcher-kva.example")
    tree.account("alice@xn--bcher-kva.example")
    assert tree.directory.is_local_domain("Bücher.example")
    assert tree.who("alice@bücher.example")[0] == ["alice@xn--bcher-kva.example"]


def test_a_sub_address_reaches_the_account(tree: Tree) -> None:
    tree.account("alice@example.org")
    assert tree.who("alice+lists+more@example.org")[0] == ["alice@example.org"]


def test_the_separator_of_sub_addresses_is_the_domains_choice(tree: Tree) -> None:
    tree.domain("example.org", 'separator = "-"')
    tree.account("alice@example.org")
    assert tree.who("alice-lists@example.org")[0] == ["alice@example.org"]
    with pytest.raises(PermanentError):
        tree.who("alice+lists@example.org")


def test_a_disabled_domain_takes_no_mail(tree: Tree) -> None:
    tree.account("alice@example.org")
    tree.domain("example.org", "enabled = false")
    with pytest.raises(PermanentError, match=r"5\.2\.1"):
        tree.who("alice@example.org")


def test_an_alias_reaches_several_here_and_elsewhere(tree: Tree) -> None:
    tree.account("alice@example.org")
    tree.account("bob@example.org")
    tree.aliases("team: alice, bob, Carol@Example.net  # comment\n")
    expected = (["alice@example.org", "bob@example.org"], ["Carol@example.net"])
    assert tree.who("team@example.org") == expected
    assert tree.who("team+x@example.org") == expected


def test_an_alias_may_name_its_own_account(tree: Tree) -> None:
    tree.account("alice@example.org")
    tree.aliases("alice: alice, archive@example.net\n")
    assert tree.who("alice@example.org") == (["alice@example.org"], ["archive@example.net"])


def test_aliases_that_name_each_other_end(tree: Tree) -> None:
    tree.account("alice@example.org")
    tree.aliases("a: b\nb: a, alice\n")
    assert tree.who("a@example.org") == (["alice@example.org"], [])


def test_a_loop_without_an_account_is_no_such_user(tree: Tree) -> None:
    tree.aliases("a: b\nb: a\n*: nobody\n")
    with pytest.raises(PermanentError, match=r"5\.1\.1"):
        tree.who("a@example.org")


def test_everyone_gets_one_copy(tree: Tree) -> None:
    tree.account("alice@example.org")
    tree.aliases("x: alice, y, z@example.net\ny: alice, alice+t, z@example.net\n")
    assert tree.who("x@example.org") == (["alice@example.org"], ["z@example.net"])


def test_the_catch_all_takes_only_what_nobody_else_wants(tree: Tree) -> None:
    tree.account("alice@example.org")
    tree.account("bob@example.org")
    tree.aliases("*: alice\n")
    assert tree.who("bob@example.org")[0] == ["bob@example.org"]
    assert tree.who("whoever@example.org")[0] == ["alice@example.org"]
    assert tree.who("bo b@example.org")[0] == ["alice@example.org"]


def test_a_disabled_target_does_not_spoil_an_alias(tree: Tree) -> None:
    tree.account("alice@example.org", "enabled = false")
    tree.account("bob@example.org")
    tree.aliases("team: alice, bob\nsolo: alice\n")
    assert tree.who("team@example.org")[0] == ["bob@example.org"]
    with pytest.raises(PermanentError, match=r"5\.2\.1"):
        tree.who("solo@example.org")


def test_an_endless_chain_of_aliases_is_refused_for_now(tree: Tree) -> None:
    tree.aliases("".join(f"a{n}: a{n + 1}\n" for n in range(2000)))
    with pytest.raises(TemporaryError, match=r"4\.3\.5"):
        tree.who("a0@example.org")


def test_a_broken_edit_keeps_what_was_there(tree: Tree) -> None:
    tree.account("alice@example.org", 'display_name = "Alice"')
    tree.aliases("team: alice\n")
    tree.who("team@example.org")
    tree.aliases("team alice\n")
    tree.account("alice@example.org", "display_name = ")
    assert tree.who("team@example.org")[0] == ["alice@example.org"]
    mistakes = [str(error) for error in tree.directory.problems()]
    assert any("accounts/alice.toml:1: not TOML" in mistake for mistake in mistakes)
    assert any("aliases:1: 'team alice' has no colon" in mistake for mistake in mistakes)


def test_a_file_never_read_whole_is_a_temporary_failure(tree: Tree) -> None:
    tree.account("alice@example.org", "display_name = ")
    with pytest.raises(TemporaryError, match="451"):
        tree.who("alice@example.org")


@pytest.mark.parametrize(
    "address",
    [
        "../bob@example.org",
        "..@example.org",
        "alice@../example.org",
        "alice@example.org/../example.org",
        "a/../alice@example.org",
        "alice\0@example.org",
        "alice@example\0.org",
        "älice@example.org",
        "a" * 300 + "@example.org",
        "alice@" + "a" * 300,
        "alice@.",
        "alice@",
        "alice",
        "@example.org",
        "",
        "*@example.org",
        "\udcff@example.org",
        "alice@\udcff",
    ],
)
def test_tricks_in_an_address_find_nobody(tree: Tree, address: str) -> None:
    tree.account("alice@example.org")
    assert tree.directory.account(address) is None
    with pytest.raises((PermanentError, NotLocal)):
        tree.directory.expand(address)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("alice@example.org", True),
        ("ALICE+tag@example.org", True),
        ("team@example.org", True),
        ("team+tag@example.org", True),
        ("far@example.org", False),  # only through another alias
        ("bob@example.org", False),
        ("info@example.net", True),
        ("whatever@example.com", True),
        ("unheard@example.org", False),
        ("", False),
        ("alice@", False),
        ("team@../domains/example.org", False),
        ("team@example.org/../example.org", False),
        ("team@example\0.org", False),
        ("team@" + "a" * 300, False),
    ],
)
def test_an_account_sends_as_its_own_addresses_only(
    tree: Tree, address: str, allowed: bool
) -> None:
    tree.account("alice@example.org", 'senders = ["Info@example.net", "*@example.com"]')
    tree.account("bob@example.org")
    tree.aliases("team: alice+team, bob\nfar: team\n")
    account = tree.directory.account("alice@example.org")
    assert account is not None
    assert tree.directory.may_send_as(account, address) is allowed


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("bob@example.org", True),
        ("bob-tag@example.org", True),
        ("bob-boss@example.org", False),  # an account
        ("bob-boss-tag@example.org", True),  # nobody's but what is left without its tag
        ("bob-sales@example.org", False),  # an alias to another
        ("bob-info@example.org", True),  # an alias to him
        ("office@example.org", False),  # an alias to bob-boss, which is no tag of bob's
        ("desk@example.org", True),  # an alias to a tag of his
    ],
)
def test_a_tagged_address_of_another_is_not_ones_own(
    tree: Tree, address: str, allowed: bool
) -> None:
    tree.domain("example.org", 'separator = "-"')
    tree.account("bob@example.org")
    tree.account("bob-boss@example.org")
    tree.aliases("bob-sales: bob-boss\nbob-info: bob\noffice: bob-boss\ndesk: bob-desk\n")
    account = tree.directory.account("bob@example.org")
    assert account is not None
    assert tree.directory.may_send_as(account, address) is allowed


def test_who_forwards_his_mail_still_sends_as_himself(tree: Tree) -> None:
    tree.account("bob@example.org")
    tree.aliases("bob: far@example.net\nteam: bob\n")
    account = tree.directory.account("bob@example.org")
    assert account is not None
    for address in ("bob@example.org", "bob+tag@example.org", "team@example.org"):
        assert tree.directory.may_send_as(account, address)


def test_a_catch_all_may_send_as_what_it_catches(tree: Tree) -> None:
    tree.account("alice@example.org")
    tree.account("bob@example.org")
    tree.aliases("*: alice\n")
    account = tree.directory.account("alice@example.org")
    assert account is not None
    assert tree.directory.may_send_as(account, "anything@example.org")
    assert not tree.directory.may_send_as(account, "bob@example.org")


def test_lists_are_sorted_and_leave_out_what_is_being_made(tree: Tree) -> None:
    tree.domain("a.example")
    tree.domain(".new-b.example")
    tree.account("bob@example.org")
    tree.account("alice@example.org")
    assert tree.directory.domains() == ["a.example", "example.org"]
    assert tree.directory.accounts("example.org") == ["alice", "bob"]
