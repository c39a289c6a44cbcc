"""neomutt, driven as by a person: read, flag, move, delete, send."""

from pathlib import Path

import pytest

from peers.house import Account, House
from peers.messages import compose, parse
from peers.terminal import run_in_terminal

CONFIG = """\
set folder="{imap}"
set spoolfile="+INBOX"
set record="+Sent"
set postponed="+Drafts"
set trash="+Trash"
set imap_user="{user}"
set imap_pass="{password}"
set smtp_url="{smtp}"
set smtp_pass="{password}"
set from="{user}"
set realname="A Person"
set use_from=yes
set certificate_file="{ca}"
set ssl_ca_certificates_file="{ca}"
set ssl_starttls=yes
set ssl_force_tls=yes
set header_cache=""
set quit=yes delete=yes move=no confirmappend=no confirmcreate=no wait_key=no
set mark_old=no pager_stop=yes beep=no sleep_time=0 timeout=1
set send_charset="utf-8"
set display_filter="tee {folder}/shown"
set editor="cat {folder}/text >>" edit_headers=no autoedit=no copy=yes
"""


@pytest.fixture(params=["implicit", "starttls"])
def config(
    request: pytest.FixtureRequest, mailraven: House, account: Account, tmp_path: Path
) -> Path:
    implicit = request.param == "implicit"
    imap = ("imaps", mailraven.imaps) if implicit else ("imap", mailraven.imap)
    smtp = ("smtps", mailraven.submissions) if implicit else ("smtp", mailraven.submission)
    user = account.address.replace("@", "%40")
    facts = {
        "imap": f"{imap[0]}://{mailraven.host}:{imap[1]}/",
        "smtp": f"{smtp[0]}://{user}@{mailraven.host}:{smtp[1]}/",
        "user": account.address,
        "password": account.password,
        "ca": mailraven.ca,
        "folder": tmp_path,
    }
    path = tmp_path / "neomuttrc"
    path.write_text(CONFIG.format_map(facts))
    return path


def keys(config: Path, pressed: str) -> str:
    """Open INBOX, press the keys, and leave."""
    command = ["neomutt", "-n", "-F", str(config), "-e", f'push "{pressed}<quit>"']
    return run_in_terminal(command, config.parent, {"LC_ALL": "C.UTF-8"})


@pytest.mark.req("SC-006", "US5.2", "FR-042")
def test_neomutt_reads_a_message_and_marks_it_seen(config: Path, account: Account) -> None:
    account.append(compose(account.address, account.address, "to read", "a readable line\n"))
    keys(config, "<first-entry><display-message><exit>")
    assert "a readable line" in (config.parent / "shown").read_text()
    assert account.flags() == {"to read": {"\\Seen"}}


@pytest.mark.req("SC-006", "FR-038")
def test_neomutt_flags_a_message(config: Path, account: Account) -> None:
    account.append(compose(account.address, account.address, "to flag"))
    keys(config, "<first-entry><flag-message>")
    assert "\\Flagged" in account.flags()["to flag"]


@pytest.mark.req("SC-006", "FR-038")
def test_neomutt_moves_a_message(config: Path, account: Account) -> None:
    account.append(compose(account.address, account.address, "to move"))
    keys(config, "<first-entry><save-message>=Archive<enter>")
    assert account.flags() == {}
    assert "to move" in account.flags("Archive")


@pytest.mark.req("SC-006", "FR-038")
def test_neomutt_deletes_a_message_into_the_trash(config: Path, account: Account) -> None:
    for subject in ("to delete", "to keep"):
        account.append(compose(account.address, account.address, subject))
    keys(config, "<limit>~s delete<enter><first-entry><delete-message>")
    assert set(account.flags()) == {"to keep"}
    assert set(account.flags("Trash")) == {"to delete"}


@pytest.mark.req("SC-006")
def test_neomutt_sends_a_message_and_keeps_a_copy(
    config: Path, account: Account, other: Account
) -> None:
    (config.parent / "text").write_text("Grüße\n")
    keys(config, f"<mail>{other.address}<enter>by neomutt<enter><send-message>")
    arrived = parse(other.await_message("by neomutt"))
    assert arrived["From"].addresses[0].addr_spec == account.address
    assert arrived.get_content().splitlines() == ["Grüße"]
    assert account.messages("by neomutt", "Sent")
