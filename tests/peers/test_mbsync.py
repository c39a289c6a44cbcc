"""mbsync keeps a Maildir of its own in step with the server, both ways."""

import ssl
from pathlib import Path

import pytest

from peers.command import run
from peers.house import Account, House, answer
from peers.messages import compose

CONFIG = """\
IMAPAccount raven
Host {host}
Port {port}
User {user}
Pass {password}
SSLType {tls}
CertificateFile {certificate}

IMAPStore far
Account raven

MaildirStore near
Path {folder}/
Inbox {folder}/INBOX
SubFolders Verbatim

Channel raven
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
"""


@pytest.fixture(params=["IMAPS", "STARTTLS"])
def config(
    request: pytest.FixtureRequest, mailraven: House, account: Account, tmp_path: Path
) -> Path:
    facts = {
        "host": mailraven.host,
        "port": mailraven.imaps if request.param == "IMAPS" else mailraven.imap,
        "user": account.address,
        "password": account.password,
        "tls": request.param,
        "certificate": tmp_path / "server.pem",
        "folder": tmp_path / "mail",
    }
    (tmp_path / "mail").mkdir()
    # This mbsync compares names only, never addresses, unless it knows the certificate itself.
    server = (mailraven.host, mailraven.imaps)
    (tmp_path / "server.pem").write_text(ssl.get_server_certificate(server, ca_certs=mailraven.ca))
    path = tmp_path / "mbsyncrc"
    path.write_text(CONFIG.format_map(facts))
    return path


def sync(config: Path) -> None:
    run("mbsync", "--config", config, "--all", home=config.parent)


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


def flags(path: Path) -> str:
    return path.name.partition(":2,")[2]


def expunge(account: Account, subject: str) -> None:
    with account.imap() as session:
        answer(session.select("INBOX"))
        [number] = answer(session.search(None, "SUBJECT", subject))[0].split()
        answer(session.store(number, "+FLAGS", "(\\Deleted)"))
        answer(session.expunge())


def picture(config: Path, account: Account) -> object:
    """Everything of both sides that a needless sync could disturb."""
    with account.imap() as session:
        answer(session.select("INBOX", readonly=True))
        far = session.fetch("1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE)")
        validity = session.response("UIDVALIDITY")
    names = {path.name for path in local(config).values()}
    return far, validity, names


@pytest.mark.req("SC-006", "FR-038", "FR-042")
def test_both_sides_agree_on_new_flagged_and_deleted_mail(config: Path, account: Account) -> None:
    for subject in ("far-kept", "far-gone"):
        account.append(compose(account.address, account.address, subject))
    sync(config)
    for subject in ("near-kept", "near-gone"):
        write_local(config, account, subject)
    sync(config)
    everything = {"far-kept", "far-gone", "near-kept", "near-gone"}
    assert set(account.flags()) == set(local(config)) == everything

    mark(account, "near-kept", "\\Flagged")
    kept = local(config)["far-kept"]
    kept.rename(kept.parents[1] / "cur" / f"{kept.name.partition(':2,')[0]}:2,RS")
    sync(config)
    assert account.flags()["far-kept"] == {"\\Answered", "\\Seen"}
    assert flags(local(config)["near-kept"]) == "F"

    expunge(account, "far-gone")
    local(config)["near-gone"].unlink()
    sync(config)
    assert set(account.flags()) == set(local(config)) == {"far-kept", "near-kept"}

    before = picture(config, account)
    sync(config)
    assert picture(config, account) == before


@pytest.mark.req("FR-039", "US5.1")
def test_mailboxes_are_made_on_the_other_side(config: Path, account: Account) -> None:
    with account.imap() as session:
        answer(session.create("Far"))
        answer(session.subscribe("Far"))
    account.append(compose(account.address, account.address, "in-far"), "Far")
    near = config.parent / "mail" / "Near"
    for name in ("cur", "new", "tmp"):
        (near / name).mkdir(parents=True)
    (near / "new" / "1.x.near").write_bytes(b"Subject: in-near\nFrom: a@b.example\n\ntext\n")
    sync(config)
    assert set(local(config, "Far")) == {"in-far"}
    assert set(account.flags("Near")) == {"in-near"}


def mark(account: Account, subject: str, flag: str) -> None:
    with account.imap() as session:
        answer(session.select("INBOX"))
        [number] = answer(session.search(None, "SUBJECT", subject))[0].split()
        answer(session.store(number, "+FLAGS", f"({flag})"))
