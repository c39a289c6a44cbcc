"""getmail and fetchmail carry mail away: each message once, whole, and deleted when asked."""

from pathlib import Path

import pytest

from peers.command import run
from peers.house import Account, House
from peers.messages import compose
from peers.sessions import files_of

GETMAIL = """\
[retriever]
type = SimpleIMAPSSLRetriever
server = {host}
port = {port}
username = {user}
password = {password}
mailboxes = ("INBOX",)
ca_certs = {ca}

[destination]
type = MDA_external
path = /usr/bin/tee
arguments = ("-a", "{folder}/box")
allow_root_commands = true

[options]
delete = {delete}
read_all = false
delivered_to = false
received = false
"""
FETCHMAIL = """\
poll {host} protocol imap service {port}
  user "{user}" password "{password}" ssl sslcertfile "{ca}" sslcertck
  sslcommonname "mx.{domain}"
  {options} mda "cat >> {folder}/box"
"""


@pytest.fixture
def facts(mailraven: House, account: Account, tmp_path: Path) -> dict[str, object]:
    for number in range(3):
        account.append(compose(account.address, account.address, f"number {number}"))
    return {
        "host": mailraven.host,
        "port": mailraven.imaps,
        "user": account.address,
        "password": account.password,
        "ca": mailraven.ca,
        "domain": mailraven.domain,
        "folder": tmp_path,
    }


def getmail(folder: Path, facts: dict[str, object], delete: str) -> list[str]:
    """Subjects of all that has been fetched by now."""
    (folder / "getmailrc").write_text(GETMAIL.format(**facts, delete=delete))
    run("getmail", "--getmaildir", folder, "--rcfile", "getmailrc", home=folder)
    return subjects_in(folder / "box")


def subjects_in(box: Path) -> list[str]:
    lines = box.read_text().splitlines()
    return [line.partition(" ")[2] for line in lines if line.startswith("Subject: ")]


@pytest.mark.req("SC-006", "FR-038")
def test_getmail_fetches_each_message_once(
    account: Account, facts: dict[str, object], tmp_path: Path
) -> None:
    three = ["number 0", "number 1", "number 2"]
    assert getmail(tmp_path, facts, "false") == three
    assert getmail(tmp_path, facts, "false") == three  # it knows them by UIDVALIDITY and UID
    account.append(compose(account.address, account.address, "number 3"))
    assert getmail(tmp_path, facts, "true") == [*three, "number 3"]
    assert files_of(account) == {}


def fetchmail(folder: Path, facts: dict[str, object], options: str) -> list[str]:
    """Subjects of all that has been fetched by now."""
    config = folder / "fetchmailrc"
    config.write_text(FETCHMAIL.format(**facts, options=options))
    config.chmod(0o600)
    command = ["--fetchmailrc", config, "--idfile", folder / "ids", "--pidfile", folder / "pid"]
    run("fetchmail", *command, "--nosyslog", "--timeout", "60", home=folder)
    return subjects_in(folder / "box")


@pytest.mark.req("SC-006", "FR-038")
def test_fetchmail_marks_what_it_keeps_and_deletes_the_rest(
    account: Account, facts: dict[str, object], tmp_path: Path
) -> None:
    three = ["number 0", "number 1", "number 2"]
    assert fetchmail(tmp_path, facts, "keep") == three
    assert set(files_of(account).values()) == {"S"}
    account.append(compose(account.address, account.address, "number 3"))
    assert fetchmail(tmp_path, facts, "nokeep") == [*three, "number 3"]
    assert set(files_of(account)) == set(three)
