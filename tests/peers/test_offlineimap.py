"""OfflineIMAP keeps a Maildir of its own in step with the server, both ways.

Over implicit TLS only: at STARTTLS the imaplib2 of Debian 12 now and then ends its reader before
the answer has come, and waits for ever.
"""

import hashlib
import ssl
from pathlib import Path

import pytest

from peers.command import run
from peers.house import Account, House
from peers.messages import compose
from peers.sessions import change, expunge, files_of

CONFIG = """\
[general]
accounts = raven
metadata = {folder}/state
ui = basic
socktimeout = 60

[Account raven]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {folder}/mail

[Repository far]
type = IMAP
remotehost = {host}
remoteport = {port}
remoteuser = {user}
remotepass = {password}
ssl = yes
cert_fingerprint = {fingerprint}
"""


@pytest.fixture
def config(mailraven: House, account: Account, tmp_path: Path) -> Path:
    # It compares names only, never addresses, unless it knows the certificate itself.
    server = (mailraven.host, mailraven.imaps)
    certificate = ssl.get_server_certificate(server, ca_certs=mailraven.ca)
    facts = {
        "host": mailraven.host,
        "port": mailraven.imaps,
        "user": account.address,
        "password": account.password,
        "fingerprint": hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest(),
        "folder": tmp_path,
    }
    (tmp_path / "mail").mkdir()
    path = tmp_path / "offlineimaprc"
    path.write_text(CONFIG.format_map(facts))
    return path


def sync(config: Path) -> None:
    run("offlineimap", "-o", "-c", config, home=config.parent)


def local(config: Path, mailbox: str = "INBOX") -> dict[str, Path]:
    """Subject to file of the messages in the near Maildir."""
    found = {}
    for path in (config.parent / "mail" / mailbox).glob("[cn]*/*"):
        head = path.read_text(errors="replace").split("\nSubject: ", 1)[1]
        found[head.partition("\n")[0]] = path
    return found


def write_local(config: Path, account: Account, subject: str) -> None:
    message = compose(account.address, account.address, subject).replace(b"\r\n", b"\n")
    (config.parent / "mail/INBOX/new" / f"1.{subject}.near").write_bytes(message)


@pytest.mark.req("SC-006", "FR-038", "FR-042")
def test_offlineimap_and_the_server_agree_both_ways(config: Path, account: Account) -> None:
    for subject in ("far-kept", "far-gone"):
        account.append(compose(account.address, account.address, subject))
    sync(config)
    for subject in ("near-kept", "near-gone"):
        write_local(config, account, subject)
    sync(config)
    everything = {"far-kept", "far-gone", "near-kept", "near-gone"}
    assert set(files_of(account)) == set(local(config)) == everything

    change(account, "near-kept", "\\Flagged")
    kept = local(config)["far-kept"]
    kept.rename(kept.parents[1] / "cur" / f"{kept.name.partition(':2,')[0]}:2,RS")
    expunge(account, "far-gone")
    local(config)["near-gone"].unlink()
    sync(config)
    assert set(account.flags()) == set(local(config)) == {"far-kept", "near-kept"}
    assert account.flags()["far-kept"] == {"\\Answered", "\\Seen"}
    assert files_of(account)["far-kept"] == "RS"
    assert "F" in local(config)["near-kept"].name.partition(":2,")[2]
