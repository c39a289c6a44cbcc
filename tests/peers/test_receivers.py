"""Mail from here to a real Exim and a real OpenSMTPD, and their reports back to us."""

from email.message import EmailMessage

import pytest

from peers import exim as exim_peer
from peers import opensmtpd as opensmtpd_peer
from peers.exim import Exim
from peers.house import Account, House
from peers.messages import EIGHT_BIT, body_of, compose, dkim_record, parse, valid_signatures
from peers.opensmtpd import OpenSmtpd
from peers.patience import wait_for

pytestmark = pytest.mark.xdist_group("receivers")

Peer = Exim | OpenSmtpd
UNKNOWN = {exim_peer.DOMAIN: "5.1.1", opensmtpd_peer.DOMAIN: "5.2.4"}


@pytest.fixture(params=["exim", "opensmtpd"])
def peer(request: pytest.FixtureRequest, exim: Exim, opensmtpd: OpenSmtpd) -> Peer:
    return exim if request.param == "exim" else opensmtpd


def report_for(account: Account) -> EmailMessage:
    """The delivery status report that is all the mail of `account`; its fields per recipient."""
    [report] = map(parse, wait_for("a report", account.messages))
    assert report.get_content_type() == "multipart/report"
    fields = report.get_payload(1).get_payload()[-1]
    assert isinstance(fields, EmailMessage)
    return fields


def test_a_submission_arrives_signed_and_unchanged(
    peer: Peer, mailraven: House, account: Account
) -> None:
    to = f"{peer.user}@{peer.domain}"
    account.submit(compose(account.address, to, "out and signed"), to)
    message = peer.await_message(peer.user, "out and signed")
    assert body_of(message) == EIGHT_BIT
    keys = mailraven.root / "domains" / mailraven.domain / "dkim"
    assert valid_signatures(message, keys) == len(list(keys.glob("*.pem"))) > 0


def test_exim_finds_both_signatures_good(exim: Exim, mailraven: House, account: Account) -> None:
    """Not its first time with the message: names are answered in a network of its own only."""
    to = f"erna@{exim.domain}"
    account.submit(compose(account.address, to, "to be verified"), to)
    message = exim.await_message("erna", "to be verified")
    keys = mailraven.root / "domains" / mailraven.domain / "dkim"
    records = {
        f"{key.stem}._domainkey.{mailraven.domain}": dkim_record(key.read_bytes()).decode()
        for key in keys.glob("*.pem")
    }
    exim.verify(message, f"emil@{exim.domain}", records)
    again = parse(exim.await_message("emil", "to be verified"))
    assert sorted(again.get_all("X-DKIM", [])) == [
        "ed25519-sha256 invalid",
        "ed25519-sha256 pass",
        "rsa-sha256 invalid",
        "rsa-sha256 pass",
    ]


def test_a_refused_recipient_is_reported_and_the_other_gets_the_message(
    peer: Peer, account: Account
) -> None:
    known, unknown = f"{peer.user}@{peer.domain}", f"unknown@{peer.domain}"
    account.submit(compose(account.address, known, "half known"), known, unknown)
    peer.await_message(peer.user, "half known")
    fields = report_for(account)
    assert fields["Action"] == "failed"
    assert fields["Status"].startswith(UNKNOWN[peer.domain])
    assert fields["Final-Recipient"].replace(" ", "") == f"rfc822;{unknown}"


def test_a_full_mailbox_puts_the_message_off(
    peer: Peer, mailraven: House, account: Account
) -> None:
    to = f"full@{peer.domain}"
    account.submit(compose(account.address, to, "too much"), to)
    told = wait_for(
        "4.2.2 in the queue", lambda: _with("4.2.2", mailraven.queue("list", "--to", to))
    )
    assert "mailbox full" in told and "deferred" in told


def _with(words: str, text: str) -> str | None:
    return text if words in text else None


def test_a_message_beyond_the_limit_is_returned_unsent(peer: Peer, account: Account) -> None:
    to = f"{peer.user}@{peer.domain}"
    large = compose(account.address, to, "too large", "x" * 70 + "\n" + EIGHT_BIT * 5000)
    assert len(large) > exim_peer.SIZE_LIMIT == opensmtpd_peer.SIZE_LIMIT
    account.submit(large, to)
    assert report_for(account)["Status"].startswith("5.3.4")


def test_a_report_of_success_comes_from_the_receiver(peer: Peer, account: Account) -> None:
    to = f"{peer.user}@{peer.domain}"
    account.submit(compose(account.address, to, "tell me"), to, notify="SUCCESS")
    peer.await_message(peer.user, "tell me")
    [text] = wait_for("a report", account.messages)
    report = parse(text)
    assert report["Return-Path"] == "<>"
    assert f"mx.{peer.domain}" in report["Received"]
    assert b"delivered" in text and to.encode() in text


def test_a_message_that_is_lost_behind_the_receiver_comes_back(
    peer: Peer, account: Account
) -> None:
    to = f"lost@{peer.domain}"
    account.submit(compose(account.address, to, "on and lost"), to)
    [text] = wait_for("a report", account.messages)
    report = parse(text)
    assert report["Return-Path"] == "<>"
    assert f"mx.{peer.domain}" in report["Received"]
    assert to.encode() in text and b"on and lost" in text


def test_exim_is_spoken_to_over_tls(exim: Exim, account: Account) -> None:
    to = f"emil@{exim.domain}"
    account.submit(compose(account.address, to, "over tls"), to)
    received = parse(exim.await_message("emil", "over tls"))["Received"]
    assert "with esmtps" in received and "TLS1.3" in received


def test_a_broken_handshake_of_opensmtpd_is_followed_by_plaintext(
    opensmtpd: OpenSmtpd, account: Account
) -> None:
    to = f"otto@{opensmtpd.domain}"
    account.submit(compose(account.address, to, "after broken tls"), to)
    message = opensmtpd.await_message("otto", "after broken tls")
    assert body_of(message) == EIGHT_BIT
    assert "SSL routines" in opensmtpd.log()


def test_internationalized_mail_reaches_exim(exim: Exim, account: Account) -> None:
    to = f"jörg@{exim.domain}"
    account.submit(compose(account.address, to, "smtputf8 out"), to, utf8=True)
    message = exim.await_message("jörg", "smtputf8 out")
    assert body_of(message) == EIGHT_BIT
    assert "with utf8esmtps" in parse(message)["Received"]


def test_internationalized_mail_that_opensmtpd_cannot_take_is_returned(
    opensmtpd: OpenSmtpd, account: Account
) -> None:
    to = f"jörg@{opensmtpd.domain}"
    account.submit(compose(account.address, to, "smtputf8 not"), to, utf8=True)
    [text] = wait_for("a report", account.messages)
    assert b"5.6.7" in text


def test_a_refusal_of_the_whole_message_is_returned(exim: Exim, account: Account) -> None:
    to = f"erna@{exim.domain}"
    account.submit(compose(account.address, to, "refused whole"), to)
    fields = report_for(account)
    assert fields["Status"].startswith("5.7.1")
    assert "we do not like it" in fields["Diagnostic-Code"]


def test_greylisted_mail_arrives_at_the_next_try(
    exim: Exim, mailraven: House, account: Account
) -> None:
    to = f"grey@{exim.domain}"
    with exim.greylisting():
        account.submit(compose(account.address, to, "patience"), to)
        line = wait_for(
            "4.7.1", lambda: _with("4.7.1", mailraven.queue("list", "--to", to))
        ).splitlines()[1]
        assert "greylisted, come back later" in line
    mailraven.queue("retry", line.split()[0])
    assert body_of(exim.await_message("grey", "patience")) == EIGHT_BIT


def test_a_server_that_takes_few_messages_a_connection_gets_them_all_at_once(
    exim: Exim, account: Account
) -> None:
    """smtp_accept_max_per_connection: Exim answers 421 to a further MAIL of the same session."""
    to = f"emil@{exim.domain}"
    subjects = [f"one of many {number}" for number in range(8)]
    for subject in subjects:
        account.submit(compose(account.address, to, subject), to)
    for subject in subjects:
        exim.await_message("emil", subject)


def test_long_lines_reach_a_server_that_refuses_them(
    exim: Exim, mailraven: House, account: Account
) -> None:
    """As Debian's own configuration of Exim does. RFC 5321 §4.5.3.1.6"""
    to = f"erna@{exim.domain}"
    text = "käse " * 500 + "\n" + EIGHT_BIT
    account.submit(compose(account.address, to, "long lines", text), to)
    message = exim.await_message("erna", "long lines")
    parsed = parse(message)
    assert parsed["Content-Transfer-Encoding"] == "quoted-printable"
    assert parsed.get_content() == text
    keys = mailraven.root / "domains" / mailraven.domain / "dkim"
    assert valid_signatures(message, keys) == len(list(keys.glob("*.pem"))) > 0
