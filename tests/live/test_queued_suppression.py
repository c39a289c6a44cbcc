"""A recipient who is said not to exist: the second message comes back without being tried."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailraven.ops.suppression import remove_suppression, suppressions
from servers.queue_house import QueueHouse
from servers.smtp_server import SmtpServer, addresses

ALICE = "alice@ours.example"
GONE = b"550 5.1.1 <bob@far.example>: no such user\r\n"


@dataclass
class Mail:
    """The queue, the server far away, and the local one that gets bounces."""

    queue: QueueHouse
    far: SmtpServer
    local: SmtpServer

    async def bounce(self, account: str = ALICE) -> bytes:
        """Send a message that comes back; the bounce."""
        self.local.received.clear()
        self.queue.submit("bob@far.example", sender=account, account=account)
        await self.queue.until(lambda: bool(self.local.received))
        await self.queue.empty()
        return self.local.received[0].data.replace(b"\r\n    ", b" ")

    async def arrives(self, account: str | None = ALICE) -> None:
        """Send a message that is delivered."""
        before = len(self.far.received)
        self.queue.submit("bob@far.example", sender=account or "x@near.example", account=account)
        await self.queue.until(lambda: len(self.far.received) > before)
        await self.queue.empty()

    @property
    def asked(self) -> int:
        """How often the server was asked for the recipient."""
        return addresses([c for c in self.far.commands if c.startswith(b"RCPT")]).count(
            "bob@far.example"
        )


def story(
    root: Path, tell: Callable[[Mail], Awaitable[None]], settings: str = "", said: bytes = GONE
) -> None:
    async def whole() -> None:
        async with SmtpServer({"RCPT": [said]}) as far:
            route = f'routes = {{ "*" = "127.0.0.1:{far.port}" }}\n'
            async with QueueHouse(root, route + settings) as queue:
                queue.make_local("ours.example")
                async with SmtpServer(unix=str(queue.lmtp), lmtp=True) as local:
                    await tell(Mail(queue, far, local))

    asyncio.run(whole())


def test_second_message_comes_back_at_once_and_says_why(tmp_path: Path) -> None:
    async def tell(mail: Mail) -> None:
        assert b"no such user" in await mail.bounce()
        again = await mail.bounce()
        assert mail.asked == 1
        assert b"this address is suppressed here since" in again
        assert b"550 5.1.1 <bob@far.example>: no such user" in again
        assert b"mailraven suppression remove bob@far.example" in again
        assert b"Status: 5.1.1" in again

    story(tmp_path, tell)


def test_other_accounts_and_mail_that_is_sent_on_are_not_held_up(tmp_path: Path) -> None:
    async def tell(mail: Mail) -> None:
        await mail.bounce()
        await mail.arrives("carol@ours.example")
        await mail.arrives(None)

    story(tmp_path, tell)


def test_word_for_one_counts_for_all_where_the_server_says_so(tmp_path: Path) -> None:
    async def tell(mail: Mail) -> None:
        await mail.bounce()
        assert b"is suppressed" in await mail.bounce("carol@ours.example")
        assert mail.asked == 1

    story(tmp_path, tell, 'suppression = "server"')


def test_operator_lifts_it(tmp_path: Path) -> None:
    async def tell(mail: Mail) -> None:
        await mail.bounce()
        config = mail.queue.service.config
        (one,) = suppressions(config, ALICE)
        assert (one.recipient, one.reason) == ("bob@far.example", GONE.decode().strip())
        remove_suppression(config, "bob@far.example", None)
        await mail.arrives()

    story(tmp_path, tell)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('suppression = "off"', GONE),
        ("", b"550 5.7.1 we do not like you\r\n"),
        ("", b"550 no such user\r\n"),
    ],
)
def test_other_refusals_and_off_leave_nothing(tmp_path: Path, settings: str, said: bytes) -> None:
    async def tell(mail: Mail) -> None:
        await mail.bounce()
        assert suppressions(mail.queue.service.config) == []
        await mail.arrives()

    story(tmp_path, tell, settings, said)


def test_trouble_for_now_leaves_nothing(tmp_path: Path) -> None:
    async def tell(mail: Mail) -> None:
        id = mail.queue.submit("bob@far.example", account=ALICE)
        await mail.queue.deferred(id)
        assert suppressions(mail.queue.service.config) == []

    story(tmp_path, tell, said=b"450 4.1.1 come again\r\n")


def test_given_up_after_days_leaves_nothing(tmp_path: Path) -> None:
    async def tell(mail: Mail) -> None:
        mail.queue.submit("bob@far.example", account=ALICE, age=10 * 86_400)
        await mail.queue.until(lambda: bool(mail.local.received))
        assert suppressions(mail.queue.service.config) == []

    story(tmp_path, tell, said=b"450 4.1.1 come again\r\n")
