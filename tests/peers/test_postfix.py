"""Mail both ways between MailRaven and a real Postfix (RFC 5321)."""

import pytest

from peers.house import PLAIN_USER, Account, House
from peers.messages import EIGHT_BIT, body_of, compose, parse, valid_signatures
from peers.patience import wait_for
from peers.postfix import DOMAIN, Postfix

pytestmark = pytest.mark.xdist_group("postfix")

PAULA = f"paula@{DOMAIN}"
JOERG = f"jörg@{DOMAIN}"


def test_postfix_delivers_over_starttls(postfix: Postfix, account: Account) -> None:
    postfix.send(compose(PAULA, account.address, "with tls"), PAULA, account.address)
    message = account.await_message("with tls")
    assert body_of(message) == EIGHT_BIT
    assert parse(message)["Return-Path"] == f"<{PAULA}>"
    assert " with ESMTPS" in parse(message)["Received"]


def test_postfix_delivers_without_tls(postfix: Postfix, mailraven: House) -> None:
    account = mailraven.account(PLAIN_USER)
    postfix.send(compose(PAULA, account.address, "without tls"), PAULA, account.address)
    message = account.await_message("without tls")
    assert body_of(message) == EIGHT_BIT
    assert " with ESMTP " in " ".join(parse(message)["Received"].split())


def test_postfix_delivers_to_many_recipients(
    postfix: Postfix, account: Account, other: Account
) -> None:
    to = (account.address, other.address)
    postfix.send(compose(PAULA, ", ".join(to), "for two"), PAULA, *to)
    assert body_of(account.await_message("for two")) == EIGHT_BIT
    assert body_of(other.await_message("for two")) == EIGHT_BIT


def test_postfix_delivers_internationalized_mail(postfix: Postfix, account: Account) -> None:
    message = compose(JOERG, account.address, "smtputf8 in")
    postfix.send(message, JOERG, account.address, utf8=True)
    arrived = account.await_message("smtputf8 in")
    assert f"From: {JOERG}".encode() in arrived
    assert f"Return-Path: <{JOERG}>".encode() in arrived


def test_an_unknown_user_makes_postfix_return_the_message(
    postfix: Postfix, mailraven: House, account: Account
) -> None:
    unknown = f"nobody@{mailraven.domain}"
    postfix.send(compose(account.address, unknown, "to nobody"), account.address, unknown)
    report = parse(account.await_message("Undelivered Mail"))
    assert report.get_content_type() == "multipart/report"
    assert "5.1.1" in report.as_string()


def test_a_submission_reaches_postfix_signed(
    postfix: Postfix, mailraven: House, account: Account
) -> None:
    account.submit(compose(account.address, PAULA, "out and signed"), PAULA)
    message = postfix.await_message("paula", "out and signed")
    assert body_of(message) == EIGHT_BIT
    keys = mailraven.root / "domains" / mailraven.domain / "dkim"
    assert valid_signatures(message, keys) == len(list(keys.glob("*.pem"))) > 0
    assert "TLS" in postfix.log()


def test_a_submission_reaches_two_users_of_postfix_and_one_of_ours(
    postfix: Postfix, account: Account, other: Account
) -> None:
    peter = f"peter@{DOMAIN}"
    to = (PAULA, peter, other.address)
    account.submit(compose(account.address, ", ".join(to), "out to many"), *to)
    assert body_of(postfix.await_message("paula", "out to many")) == EIGHT_BIT
    assert body_of(postfix.await_message("peter", "out to many")) == EIGHT_BIT
    assert body_of(other.await_message("out to many")) == EIGHT_BIT


def test_internationalized_mail_reaches_postfix(postfix: Postfix, account: Account) -> None:
    message = compose(account.address, JOERG, "smtputf8 out")
    account.submit(message, JOERG, utf8=True)
    assert body_of(postfix.await_message("jörg", "smtputf8 out")) == EIGHT_BIT


def test_a_refusal_by_postfix_comes_back_as_a_delivery_status_report(
    postfix: Postfix, account: Account
) -> None:
    unknown = f"unknown@{DOMAIN}"
    account.submit(compose(account.address, unknown, "to unknown"), unknown)
    [report] = map(parse, wait_for("a report", account.messages))
    kinds = [part.get_content_type() for part in report.iter_parts()]
    assert kinds[0] == "text/plain"
    assert kinds[1] == "message/delivery-status"
    per_recipient = report.get_payload(1).get_payload(1)
    assert per_recipient["Action"] == "failed"
    assert per_recipient["Status"].startswith("5.1.1")
    assert per_recipient["Final-Recipient"].replace(" ", "") == f"rfc822;{unknown}"
