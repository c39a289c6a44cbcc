"""The list of exemptions: owner, reason and end are demanded, half the world is refused."""

from pathlib import Path

import pytest

from mailraven.limits.allow import checked_who, read_entries
from mailraven.mail.errors import ConfigErrors

KNOWN = frozenset({"messages"})
GOOD = '[[allow]]\nwho = "192.0.2.0/24"\nowner = "o"\nreason = "r"\nexpires = 2027-01-01\n'


@pytest.mark.req("SEC4")
@pytest.mark.parametrize(
    "who",
    ["0.0.0.0/0", "::/0", "192.0.0.0/2", "8.0.0.0/15", "2001::/16", "2000::/3", "0.0.0.0/1"],
)
def test_a_network_as_wide_as_the_world_is_refused(who: str) -> None:
    with pytest.raises(ValueError, match="too wide"):
        checked_who(who)


@pytest.mark.parametrize(
    "who", ["com", "@com", "a@localhost", "192.0.2.1/24", "", "@", "x@", "1.2.3", "nobody"]
)
def test_what_is_neither_network_nor_account_is_refused(who: str) -> None:
    with pytest.raises(ValueError):
        checked_who(who)


@pytest.mark.parametrize(
    ("who", "written"),
    [
        ("192.0.2.1", "192.0.2.1/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("8.8.0.0/16", "8.8.0.0/16"),
        ("fd00::/8", "fd00::/8"),
        ("2a00:1450::/32", "2a00:1450::/32"),
        ("Alice@Example.ORG", "alice@example.org"),
        ("@example.org", "@example.org"),
    ],
)
def test_networks_accounts_and_domains_are_named(who: str, written: str) -> None:
    assert checked_who(who) == written


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (('owner = "o"\n', ""), "owner is missing"),
        (('reason = "r"', 'reason = " "'), "reason is missing"),
        (("expires = 2027-01-01\n", ""), "expires is missing"),
        (("2027-01-01", '"never"'), "no date"),
        (("192.0.2.0/24", "::/0"), "too wide"),
        (("[[allow]]", "[[allow]]\nlimit = 1"), "nothing else"),
        (("2027-01-01", '2027-01-01\n[allow.rates]\nmail = ["1/hour"]'), "no limit 'mail'"),
        (("2027-01-01", '2027-01-01\n[allow.rates]\nmessages = ["1/week"]'), "not a rate"),
    ],
)
@pytest.mark.req("SEC4")
def test_every_mistake_is_told_with_its_line(
    tmp_path: Path, change: tuple[str, str], complaint: str
) -> None:
    file = tmp_path / "allow.toml"
    file.write_text("# ours\n\n" + GOOD + GOOD.replace(*change))
    with pytest.raises(ConfigErrors, match=complaint) as raised:
        read_entries(file, KNOWN)
    assert [error.line for error in raised.value.errors] == [8]


@pytest.mark.parametrize("text", ["[[allow]", "allow = 1\nallow = 2", "\udcff"])
def test_what_is_no_toml_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "allow.toml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigErrors):
        read_entries(file, KNOWN)
