"""`mailraven list`: flat files that people may edit, too."""

import pytest

from mailraven.config.schema import Config
from mailraven.ops.errors import OperationError
from mailraven.ops.sender_lists import (
    ListName,
    add_to_list,
    list_name,
    remove_from_list,
    show_list,
)

SERVER = ListName("block", "server", "")


def test_an_entry_is_there_once_and_its_note_is_kept(config: Config) -> None:
    add_to_list(config, SERVER, "Spam.Example", "a note")
    add_to_list(config, SERVER, "192.0.2.7/24", "")
    add_to_list(config, SERVER, "spam.example", "another note")
    assert show_list(config, SERVER) == ["192.0.2.0/24", "spam.example  # another note"]


def test_comments_of_people_stay(config: Config) -> None:
    path = config.paths.data / "lists" / "block"
    path.parent.mkdir()
    path.write_text("# by hand\nevil.example\n")
    add_to_list(config, SERVER, "2001:db8::1", "")
    remove_from_list(config, SERVER, "evil.example")
    assert path.read_text() == "# by hand\n2001:db8::1\n"


@pytest.mark.req("FR-018")
def test_domain_and_account_have_lists_of_their_own(config: Config) -> None:
    account = list_name(config, "allow", None, "alice@example.org")
    domain = list_name(config, "allow", "example.org", None)
    add_to_list(config, account, "friend@example.net", "")
    add_to_list(config, domain, "example.net", "")
    assert show_list(config, account) == ["friend@example.net"]
    assert (config.paths.mail / "example.org" / "alice" / "allow").exists()
    assert (config.paths.domains / "example.org" / "allow").exists()


@pytest.mark.parametrize("entry", ["0.0.0.0/0", "::/0", "not a domain", "10.0.0.0/99", "a@", ""])
@pytest.mark.req("EC5")
def test_everybody_and_nonsense_are_refused(config: Config, entry: str) -> None:
    with pytest.raises(OperationError):
        add_to_list(config, SERVER, entry, "")


def test_what_is_not_there_is_told(config: Config) -> None:
    with pytest.raises(OperationError, match="not in that list"):
        remove_from_list(config, SERVER, "example.net")
    with pytest.raises(OperationError, match="is not an account"):
        list_name(config, "allow", None, "nobody@example.org")
