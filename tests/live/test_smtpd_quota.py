"""A full account gets no more mail; senders come again, and nobody else is held up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailraven.ops.demo import Demo
from transcripts.live import DOMAIN, running
from unit.daemons.smtp_house import (
    LARGE,
    MAIL,
    answer_to,
    empty,
    lmtp,
    mailbox,
    new_house,
    spooled,
    spooled_message,
    stranger,
)

FULL = "452 4.2.2 mailbox is full"


@pytest.fixture(scope="module")
def running_house() -> Iterator[Demo]:
    with new_house(61) as demo:
        folder = demo.root / "domains" / DOMAIN
        (folder / "accounts" / "alice.toml").write_text("quota_messages = 1\n")
        (folder / "accounts" / "carol.toml").write_text('quota = "2K"\n')
        (folder / "aliases").write_text("both: alice, bob\n")
        with running(demo, "smtpd", message_size="3M"):
            yield demo


@pytest.fixture
def house(running_house: Demo) -> Demo:
    empty(running_house)
    for path in Path(running_house.root).glob(f"mail/{DOMAIN}/*/Maildir/mailraven.usage"):
        path.unlink()
    return running_house


def fill(house: Demo) -> None:
    with stranger(house) as smtp:
        assert answer_to(smtp, "x@example.net", [f"alice@{DOMAIN}"], MAIL).startswith("250 ")


def rcpt(house: Demo, local: str, option: str = "") -> str:
    with stranger(house) as smtp:
        smtp.mail("x@example.net", [option] if option else [])
        code, text = smtp.rcpt(f"{local}@{DOMAIN}")
        return f"{code} {text.decode()}"


def test_a_full_account_is_refused_at_rcpt_and_its_sender_may_come_again(house: Demo) -> None:
    fill(house)
    assert rcpt(house, "alice") == FULL
    assert rcpt(house, "bob").startswith("250 ")
    assert len(mailbox(house, "alice")) == 1


def test_the_declared_size_decides_at_rcpt(house: Demo) -> None:
    assert rcpt(house, "carol", "SIZE=1000").startswith("250 ")
    assert rcpt(house, "carol", "SIZE=3000") == (
        "552 5.2.3 message is larger than all that the mailbox may hold"
    )


def test_a_message_that_does_not_fit_is_refused_at_its_end(house: Demo) -> None:
    long = MAIL + (b"x" * 70 + b"\r\n") * 20
    with stranger(house) as smtp:
        assert answer_to(smtp, "x@example.net", [f"carol@{DOMAIN}"], long).startswith("250 ")
        assert answer_to(smtp, "x@example.net", [f"carol@{DOMAIN}"], long) == FULL
    assert len(mailbox(house, "carol")) == 1


def test_a_large_message_that_never_fits_is_refused_for_good(house: Demo) -> None:
    with stranger(house) as smtp:
        assert answer_to(smtp, "x@example.net", [f"carol@{DOMAIN}"], LARGE).startswith("552 5.2.3")
    assert mailbox(house, "carol") == []


@pytest.mark.parametrize("locals", [("both",), ("carol", "bob")], ids=["for now", "for ever"])
def test_a_large_message_goes_through_the_queue_when_some_are_full(
    house: Demo, locals: tuple[str, ...]
) -> None:
    fill(house)
    with stranger(house) as smtp:
        addresses = [f"{local}@{DOMAIN}" for local in locals]
        assert answer_to(smtp, "x@example.net", addresses, LARGE).startswith("250 ")
    (entry,) = spooled(house)  # queued brings each his own by LMTP
    message = spooled_message(house, entry)
    assert message.endswith(LARGE) and not message.startswith(b"Return-Path:")
    assert not list((house.root / "spool" / "msg").glob("*~"))
    assert mailbox(house, "bob") == []


def test_lmtp_tells_each_recipient_of_a_large_message_his_own(house: Demo) -> None:
    with lmtp(house) as client:
        client.mail("x@example.net")
        for local in ("carol", "bob"):
            client.rcpt(f"{local}@{DOMAIN}")
        first, text = client.data(LARGE)
        assert (first, text[:5]) == (552, b"5.2.3")
        assert client.getreply()[0] == 250
    assert (mailbox(house, "carol"), len(mailbox(house, "bob"))) == ([], 1)


def test_who_shares_an_alias_with_a_full_account_still_gets_the_mail(house: Demo) -> None:
    fill(house)
    with stranger(house) as smtp:
        assert answer_to(smtp, "x@example.net", [f"both@{DOMAIN}"], MAIL).startswith("250 ")
    assert len(mailbox(house, "alice")) == 1
    assert len(spooled(house)) == 1  # queued brings each his own by LMTP


def test_lmtp_tells_each_recipient_his_own(house: Demo) -> None:
    with lmtp(house) as client:
        client.mail("x@example.net")
        for local in ("carol", "bob"):
            client.rcpt(f"{local}@{DOMAIN}")
        first, text = client.data(MAIL + b"x" * 70 * 40 + b"\r\n")
        assert (first, text[:5]) == (552, b"5.2.3")
        assert client.getreply()[0] == 250
    assert (mailbox(house, "carol"), len(mailbox(house, "bob"))) == ([], 1)
