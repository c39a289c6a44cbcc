"""Parameters of MAIL and RCPT: what they mean and what is refused with which reply."""

import pytest

from mailraven.mail.envelope import Recipient
from mailraven.mail.errors import PeerError
from mailraven.smtp.client_commands import rcpt_to
from mailraven.smtp.client_replies import Extensions
from mailraven.smtp.parameters import MailParameters, mail_parameters, rcpt_parameters


def test_all_parameters_of_mail() -> None:
    text = b"size=100 Body=8bitmime SMTPUTF8 RET=hdrs ENVID=a+3Db REQUIRETLS AUTH=x+40y"
    assert mail_parameters(text, tls=True) == MailParameters(
        100, "8BITMIME", True, True, "HDRS", "a=b"
    )


def test_all_parameters_of_rcpt() -> None:
    found = rcpt_parameters(b"NOTIFY=SUCCESS,failure ORCPT=rfc822;Bob+2Btag@example.org")
    assert found.notify == {"SUCCESS", "FAILURE"}
    assert found.orcpt == "rfc822;Bob+tag@example.org"


def test_a_utf8_orcpt_is_taken_as_it_is() -> None:
    assert rcpt_parameters("ORCPT=utf-8;jürgen@example.org".encode()).orcpt == (
        "utf-8;jürgen@example.org"
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (rb"utf-8;j\x{FC}rgen@example.org", "utf-8;jürgen@example.org"),
        (rb"utf-8;a\x{5C}\x{2B}b@example.org", r"utf-8;a\+b@example.org"),
        (rb"rfc822;a\x{FC}@example.org", r"rfc822;a\x{FC}@example.org"),
    ],
)
def test_an_orcpt_goes_on_as_it_came(text: bytes, meant: str) -> None:
    # RFC 6533 §3: whoever passes it on must not write what is written already
    found = rcpt_parameters(b"ORCPT=" + text).orcpt
    assert found == meant
    assert text in rcpt_to(Recipient("b@example.org", orcpt=found), Extensions({"DSN": ""}))


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        (b"SIZE=-1", "501"),
        (b"SIZE=123456789012345678901", "501"),
        (b"SIZE=\xd9\xa3", "501"),
        (b"SIZE", "501"),
        (b"BODY", "501"),
        (b"SMTPUTF8=1", "501"),
        (b"RET=NONE", "501"),
        (b"ENVID=" + b"a" * 101, "501"),
        (b"ENVID=+0A", "501"),
        (b"SIZE=1 size=2", "501"),
        (b"BY=120;R", "555"),
        (b"HOLDFOR=9", "555"),
        (b"=", "501"),
        (b"\xff=1", "501"),
    ],
)
def test_bad_parameters_of_mail(text: bytes, reply: str) -> None:
    with pytest.raises(PeerError, match=f"^{reply} 5.5.4 "):
        mail_parameters(text, tls=True)


@pytest.mark.parametrize(
    "text",
    [
        b"NOTIFY=",
        b"NOTIFY=NEVER,DELAY",
        b"NOTIFY=SOMETIMES",
        b"ORCPT=rfc822",
        b"ORCPT=rfc 822;a",
        b"ORCPT=rfc822;" + b"a" * 500,
        b"ORCPT=rfc822;a+0D+0Ab",
        rb"ORCPT=utf-8;a\x{0D}\x{0A}b",
        rb"ORCPT=utf-8;a\x{D800}b",
        rb"ORCPT=utf-8;a\x{110000}b",
        b"RET=FULL",
    ],
)
def test_bad_parameters_of_rcpt(text: bytes) -> None:
    with pytest.raises(PeerError, match=r"^(501|555) 5\.5\.4 "):
        rcpt_parameters(text)
