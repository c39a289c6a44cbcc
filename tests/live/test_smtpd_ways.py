"""Which way a message goes, Maildirs or spool, and that no try of a sender files it twice."""

import asyncio
from collections.abc import Iterator

import pytest

from mailraven.ops.demo import Demo
from mailraven.queue.spool import Spool
from peers.patience import wait_for
from servers.queue_house import is_empty
from servers.smtp_server import SmtpServer
from transcripts.live import DOMAIN, running
from unit.daemons.smtp_house import (
    LARGE,
    MAIL,
    answer_to,
    broken,
    empty,
    lmtp,
    mailbox,
    new_house,
    spooled,
    spooled_entry,
    spooled_message,
    stranger,
)


def add_alias(demo: Demo) -> None:
    """Carol keeps a copy of her mail and sends one on."""
    with (demo.root / "domains" / DOMAIN / "aliases").open("a") as aliases:
        aliases.write("carol: carol, far@example.net\n")


@pytest.fixture(scope="module")
def running_house() -> Iterator[Demo]:
    with new_house(8) as demo:
        add_alias(demo)
        with running(demo, "smtpd", message_size="3M"):
            yield demo


@pytest.fixture
def house(running_house: Demo) -> Demo:
    empty(running_house)
    return running_house


def test_an_alias_to_here_and_elsewhere_goes_through_the_queue_as_one(house: Demo) -> None:
    with stranger(house) as smtp:
        assert answer_to(smtp, "x@example.net", [f"team@{DOMAIN}"], MAIL).startswith("250 ")
    assert mailbox(house, "alice") == mailbox(house, "bob") == []
    (entry,) = spooled(house)
    recipients = {one.address: one.orcpt for one in spooled_entry(house, entry).recipients}
    everyone = {f"alice@{DOMAIN}", f"bob@{DOMAIN}", "far@example.net"}
    assert recipients == dict.fromkeys(everyone, f"rfc822;team@{DOMAIN}")
    message = spooled_message(house, entry)
    assert message.startswith(b"Received: ")
    assert message.endswith(MAIL)


@pytest.mark.parametrize("data", [MAIL, LARGE], ids=["small", "large"])
def test_a_copy_that_an_alias_sent_on_is_not_sent_again_by_lmtp(house: Demo, data: bytes) -> None:
    to = f"carol@{DOMAIN}"  # who keeps a copy and sends one on
    with stranger(house) as smtp:
        answer_to(smtp, "x@example.net", [to], data)
    (entry,) = spooled(house)
    with lmtp(house) as client:
        answer = answer_to(client, "x@example.net", [to], spooled_message(house, entry))
    assert answer.startswith("250 ")
    assert spooled(house) == [entry]
    assert len(mailbox(house, "carol")) == 1


def test_a_full_spool_files_no_copy_for_each_try(house: Demo) -> None:
    with broken(house.root / "spool" / "incoming"):
        for open_session in (stranger, stranger, lmtp):
            with open_session(house) as client:
                answer = answer_to(client, "x@example.net", [f"team@{DOMAIN}"], MAIL)
                assert answer.startswith("451 4.3.0 ")
    assert mailbox(house, "alice") == mailbox(house, "bob") == []


def test_in_lmtp_nobody_gets_it_again_because_another_ones_copy_cannot_be_kept(
    house: Demo,
) -> None:
    with broken(house.root / "spool" / "incoming"), lmtp(house) as client:
        to = [f"bob@{DOMAIN}", f"team@{DOMAIN}", f"alice@{DOMAIN}"]
        first = answer_to(client, "", to, MAIL)
        others = [client.getreply()[0], client.getreply()[0]]
    assert first.startswith("250 ")
    assert others == [451, 250]
    assert len(mailbox(house, "bob")) == len(mailbox(house, "alice")) == 1


@pytest.mark.parametrize("name", ["tmp", "new"])
@pytest.mark.parametrize("data", [MAIL, LARGE], ids=["small", "large"])
def test_a_folder_that_somebody_removed_is_made_again(house: Demo, name: str, data: bytes) -> None:
    maildir = house.root / "mail" / DOMAIN / "bob" / "Maildir"
    with stranger(house) as smtp:
        assert answer_to(smtp, "", [f"bob@{DOMAIN}"], MAIL).startswith("250 ")
        for path in (maildir / name).iterdir():
            path.unlink()
        (maildir / name).rmdir()
        assert answer_to(smtp, "", [f"bob@{DOMAIN}"], data).startswith("250 ")
    assert mailbox(house, "bob")[-1].endswith(data)


def test_who_keeps_a_copy_and_sends_one_on_has_each_once() -> None:
    async def story() -> None:
        async with SmtpServer() as far:
            with new_house(9) as demo:
                add_alias(demo)
                routes = f'\n[queue]\nroutes = {{"*" = "{far.address}:{far.port}"}}\n'
                with (demo.etc / "mailraven.toml").open("a") as config:
                    config.write(routes)
                await asyncio.to_thread(live, demo, far)

    def live(demo: Demo, far: SmtpServer) -> None:
        with running(demo, "smtpd", "queued"):
            with stranger(demo) as smtp:
                answer_to(smtp, "x@example.net", [f"carol@{DOMAIN}"], MAIL)
            spool = Spool(demo.root / "spool")
            wait_for("an empty queue", lambda: is_empty(spool))
            assert len(mailbox(demo, "carol")) == len(far.received) == 1

    asyncio.run(story())
