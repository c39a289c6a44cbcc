"""Addresses and headers in other letters than ASCII, on the way out and on the way in."""

import asyncio
import smtplib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailraven.mail.envelope import Recipient
from mailraven.ops.demo import Demo
from servers.dns_server import DnsServer, Records
from servers.queue_house import MESSAGE, QueueHouse
from servers.smtp_server import FULL, SmtpServer, addresses
from transcripts.live import running
from unit.daemons.smtp_house import MAIL, empty, lmtp, mailbox, new_house, stranger

PLAIN = FULL.replace(b"250 SMTPUTF8", b"250 HELP")
WIDE = "From: alice@ours.example\r\nSubject: schön\r\n\r\nhi\r\n".encode()


@dataclass
class Far:
    """The queue, a server far away, and the local one that gets bounces."""

    queue: QueueHouse
    mail: SmtpServer
    local: SmtpServer

    async def settled(self) -> None:
        await self.queue.empty()

    def rcpts(self) -> list[str]:
        return [path for one in self.mail.received for path in addresses(one.rcpt)]


def story(root: Path, hello: bytes, tell: Callable[[Far], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with AsyncExitStack() as stack:
            mail = await stack.enter_async_context(SmtpServer(hello=hello))
            zone: dict[tuple[str, str], Records] = {
                ("xn--bcher-kva.example", "MX"): ["10 mx.far.example."],
                ("far.example", "MX"): ["10 mx.far.example."],
                ("mx.far.example", "A"): ["127.0.0.1"],
            }
            names = await stack.enter_async_context(DnsServer(zone))
            rest = f'[dns]\nresolvers = ["{names.endpoint}"]'
            queue = await stack.enter_async_context(QueueHouse(root, f"port = {mail.port}", rest))
            queue.make_local("ours.example")
            local = SmtpServer(unix=str(queue.lmtp), lmtp=True)
            await stack.enter_async_context(local)
            await tell(Far(queue, mail, local))

    asyncio.run(whole())


def test_domain_goes_out_as_letters_that_the_other_side_knows(tmp_path: Path) -> None:
    async def ascii_only(far: Far) -> None:
        far.queue.submit("bob@bücher.example", smtputf8=True)
        await far.settled()
        assert far.rcpts() == ["bob@xn--bcher-kva.example"]
        assert b"SMTPUTF8" not in far.mail.received[0].mail

    async def wide(far: Far) -> None:
        far.queue.submit("bob@bücher.example", smtputf8=True)
        await far.settled()
        assert far.rcpts() == ["bob@bücher.example"]
        assert far.mail.received[0].mail.endswith(b"SMTPUTF8")

    story(tmp_path / "a", PLAIN, ascii_only)
    story(tmp_path / "b", FULL, wide)


@pytest.mark.parametrize(
    ("sender", "recipient", "content", "what"),
    [
        ("alice@ours.example", "jürgen@far.example", MESSAGE, "the address of the recipient"),
        ("ägir@ours.example", "bob@far.example", MESSAGE, "the address of the sender"),
        ("alice@ours.example", "bob@far.example", WIDE, "the header"),
    ],
)
def test_what_needs_smtputf8_comes_back_and_says_so(
    tmp_path: Path, sender: str, recipient: str, content: bytes, what: str
) -> None:
    async def without(far: Far) -> None:
        far.queue.submit(recipient, sender=sender, content=[content], smtputf8=True)
        await far.settled()
        assert not far.mail.received
        bounce = far.local.received[0].data.replace(b"\r\n ", b" ")
        assert f"{what} needs SMTPUTF8, which that server cannot do".encode() in bounce
        assert b"Status: 5.6.7" in bounce

    async def with_it(far: Far) -> None:
        far.queue.submit(recipient, sender=sender, content=[content], smtputf8=True)
        await far.settled()
        assert far.rcpts() == [recipient]
        assert far.mail.received[0].data == content
        assert far.mail.received[0].mail.endswith(b"SMTPUTF8")

    story(tmp_path / "a", PLAIN, without)
    story(tmp_path / "b", FULL, with_it)


def test_what_needs_no_smtputf8_does_not_ask_for_it(tmp_path: Path) -> None:
    """RFC 6531 §3.4: else a server behind the next one might refuse it for nothing."""

    async def tell(far: Far) -> None:
        far.queue.submit("bob@far.example", smtputf8=True)
        far.queue.submit("bob@far.example", content=[WIDE], smtputf8=True)
        await far.settled()
        asked = {len(one.data): b"SMTPUTF8" in one.mail for one in far.mail.received}
        assert asked == {len(MESSAGE): False, len(WIDE): True}

    story(tmp_path, FULL, tell)


def test_one_of_two_who_needs_smtputf8_comes_back_alone(tmp_path: Path) -> None:
    async def tell(far: Far) -> None:
        far.queue.submit("jürgen@far.example", "bob@far.example", smtputf8=True)
        await far.settled()
        assert far.rcpts() == ["bob@far.example"]
        bounce = far.local.received[0].data
        assert b"\\x{FC}rgen@far.example" in bounce and b"bob@far.example" not in bounce

    story(tmp_path, PLAIN, tell)


def test_alias_may_lead_to_such_an_address_though_the_sender_knew_nothing_of_it(
    tmp_path: Path,
) -> None:
    async def tell(far: Far) -> None:
        far.queue.submit(Recipient("jürgen@far.example", via="info@ours.example"))
        await far.settled()
        assert far.rcpts() == ["jürgen@far.example"]
        assert far.mail.received[0].mail.endswith(b"SMTPUTF8")

    story(tmp_path, FULL, tell)


# -- on the way in ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running_house() -> Iterator[Demo]:
    with new_house(26) as demo:
        folder = demo.root / "domains" / "xn--fa-hia.example"  # faß.example
        (folder / "accounts").mkdir(parents=True)
        (folder / "domain.toml").write_text("")
        (folder / "aliases").write_text("info: alice@example.org\n")
        with running(demo, "smtpd"):
            yield demo


@pytest.fixture
def house(running_house: Demo) -> Demo:
    empty(running_house)
    return running_house


@pytest.mark.parametrize(
    "domain", ["xn--fa-hia.example", "faß.example", "FAß.Example", "XN--FA-HIA.example"]
)
def test_domain_of_ours_is_known_in_both_spellings(house: Demo, domain: str) -> None:
    with stranger(house) as smtp:
        smtp.command_encoding = "utf-8"
        assert smtp.mail("jürgen@far.example", ["SMTPUTF8"])[0] == 250
        assert smtp.rcpt(f"info@{domain}")[0] == 250
        assert smtp.data(MAIL)[0] == 250
    (filed,) = mailbox(house, "alice")
    assert filed.partition(b"\r\n")[0] == "Return-Path: <jürgen@far.example>".encode()


def test_name_that_only_looks_alike_is_not_ours(house: Demo) -> None:
    with stranger(house) as smtp:
        smtp.mail("x@far.example")
        assert smtp.rcpt("info@fass.example")[0] == 550


def test_header_in_other_letters_is_kept_as_it_is(house: Demo) -> None:
    with stranger(house) as smtp:
        smtp.command_encoding = "utf-8"
        smtp.mail("jürgen@far.example", ["SMTPUTF8", "BODY=8BITMIME"])
        smtp.rcpt("alice@example.org")
        assert smtp.data(WIDE)[0] == 250
    (filed,) = mailbox(house, "alice")
    assert filed.endswith(WIDE)


@pytest.mark.parametrize("open_session", [stranger, lmtp])
def test_such_an_address_needs_the_extension(
    house: Demo, open_session: Callable[[Demo], "smtplib.SMTP"]
) -> None:
    with open_session(house) as smtp:
        assert smtp.has_extn("smtputf8")
        smtp.command_encoding = "utf-8"
        code, text = smtp.docmd("MAIL FROM:<jürgen@far.example>")
        assert (code, text[:5]) == (550, b"5.6.7")
        smtp.mail("x@far.example")
        code, text = smtp.docmd("RCPT TO:<info@faß.example>")
        assert (code, text[:5]) == (553, b"5.6.7")
