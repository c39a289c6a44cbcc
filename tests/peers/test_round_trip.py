"""Python's own smtplib and imaplib: a message goes out and is read, with every kind of TLS."""

import imaplib
import smtplib

import pytest

from peers.house import Account, House, answer
from peers.messages import EIGHT_BIT, body_of, compose, parse


@pytest.mark.parametrize("port", ["submission", "submissions"])
@pytest.mark.req("FR-004")
def test_smtplib_submits_what_another_account_reads(
    mailraven: House, account: Account, other: Account, port: str
) -> None:
    message = compose(account.address, other.address, f"by {port}")
    if port == "submissions":
        account.submit(message, other.address)
    else:
        with smtplib.SMTP(mailraven.host, mailraven.submission) as session:
            session.starttls(context=mailraven.trust())
            session.login(account.address, account.password)
            session.sendmail(account.address, other.address, message, ["BODY=8BITMIME"])
    arrived = other.await_message(f"by {port}")
    assert body_of(arrived) == EIGHT_BIT
    assert parse(arrived)["Delivered-To"] == other.address


@pytest.mark.req("FR-042")
def test_imaplib_reads_over_starttls(mailraven: House, account: Account) -> None:
    account.append(compose(account.address, account.address, "starttls"))
    with imaplib.IMAP4(mailraven.host, mailraven.imap) as session:
        assert "LOGINDISABLED" in session.capabilities
        session.starttls(mailraven.trust())
        session.login(account.address, account.password)
        answer(session.select("INBOX"))
        whole = answer(session.fetch("1", "(BODY[])"))[0][1]
    assert body_of(whole) == EIGHT_BIT


@pytest.mark.req("FR-037")
def test_a_wrong_password_is_refused(mailraven: House, account: Account) -> None:
    with imaplib.IMAP4_SSL(
        mailraven.host, mailraven.imaps, ssl_context=mailraven.trust()
    ) as session:
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            session.login(account.address, "guess")
        session.login(account.address, account.password)


def test_a_submission_may_not_use_the_address_of_another(account: Account, other: Account) -> None:
    house = account.house
    message = compose(other.address, other.address, "forged")
    with smtplib.SMTP_SSL(house.host, house.submissions, context=house.trust()) as session:
        session.login(account.address, account.password)
        with pytest.raises(smtplib.SMTPResponseException, match=r"5\.7\.1"):
            session.sendmail(other.address, other.address, message)


@pytest.mark.req("US5.4", "FR-040")
def test_an_idle_session_hears_of_a_new_message(account: Account, other: Account) -> None:
    with account.imap() as session:
        answer(session.select("INBOX"))
        session.send(b"x1 IDLE\r\n")
        assert session.readline().startswith(b"+ ")
        other.submit(compose(other.address, account.address, "wake up"), account.address)
        assert session.readline() == b"* 1 EXISTS\r\n"
        session.send(b"DONE\r\n")
        while not (line := session.readline()).startswith(b"x1 "):
            assert line.startswith(b"* ")
        assert line.startswith(b"x1 OK")
