"""curl reads, files and searches mail by imap:// with STARTTLS and by imaps://."""

from pathlib import Path

import pytest

from peers.command import run
from peers.house import Account
from peers.messages import EIGHT_BIT, body_of, compose


@pytest.fixture(params=["imap", "imaps"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def curl(account: Account, scheme: str, path: str, tmp_path: Path, *options: str | Path) -> str:
    house = account.house
    port = house.imap if scheme == "imap" else house.imaps
    login = f"{account.address}:{account.password}"
    common = ["--silent", "--show-error", "--ssl-reqd", "--cacert", house.ca, "--user", login]
    url = f"{scheme}://{house.host}:{port}/{path}"
    return run("curl", *common, *options, url, home=tmp_path)


@pytest.mark.req("FR-036", "FR-039", "FR-042", "US5.1")
def test_curl_lists_the_mailboxes(account: Account, scheme: str, tmp_path: Path) -> None:
    said = curl(account, scheme, "", tmp_path)
    for name in ("INBOX", "Sent", "Drafts", "Junk", "Trash", "Archive"):
        assert f'"/" {name}' in said.replace(f'"{name}"', name)


@pytest.mark.req("US5.2")
def test_curl_files_fetches_and_finds_a_message(
    account: Account, scheme: str, tmp_path: Path
) -> None:
    message = compose(account.address, account.address, "by curl")
    letter = tmp_path / "letter"
    letter.write_bytes(message)
    curl(account, scheme, "INBOX", tmp_path, "--upload-file", letter)
    whole = curl(account, scheme, "INBOX;MAILINDEX=1", tmp_path)
    assert whole.encode().replace(b"\r\n", b"\n") == message.replace(b"\r\n", b"\n")
    text = curl(account, scheme, "INBOX;MAILINDEX=1;SECTION=TEXT", tmp_path)
    assert text.replace("\r\n", "\n") == body_of(message) == EIGHT_BIT
    assert "* SEARCH 1" in curl(account, scheme, "INBOX?SUBJECT%20curl", tmp_path)
    assert "* SEARCH 1" not in curl(account, scheme, "INBOX?SUBJECT%20absent", tmp_path)


@pytest.mark.req("SEC6")
def test_a_password_is_never_taken_before_tls(account: Account, tmp_path: Path) -> None:
    house = account.house
    login = f"{account.address}:{account.password}"
    url = f"imap://{house.host}:{house.imap}/"
    with pytest.raises(AssertionError, match=r"LOGINDISABLED|[Ll]ogin denied|mechanism"):
        run("curl", "-v", "--user", login, url, home=tmp_path)
