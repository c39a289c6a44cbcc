"""Which way mail goes out: by smarthosts of domains and accounts, from which address, as whom."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailraven.queue.entry import Answer
from servers.authority import authority
from servers.dns_server import DnsServer, Records
from servers.queue_house import QueueHouse
from servers.smtp_server import SmtpServer, addresses

ROOT = authority("Known CA")
OFFERS_AUTH = b"250-mx\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n"
HUSH = "AHVzAGh1c2g="  # "us" with the password "hush", as AUTH PLAIN says it


def server_context(folder: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ROOT.sign(name).write(folder, name))
    return context


@dataclass
class Ways:
    """The queue, a smarthost with AUTH, one without, and what the MX records lead to."""

    queue: QueueHouse
    office: SmtpServer
    press: SmtpServer
    direct: SmtpServer

    async def way_of(self, account: str, sender: str = "") -> SmtpServer:
        """Send a message; the server that got it."""
        servers = (self.office, self.press, self.direct)
        before = [len(server.received) for server in servers]
        self.queue.submit("bob@far.example", sender=sender or account, account=account)
        await self.queue.empty()
        after = [len(server.received) for server in servers]
        (taken,) = (s for s, b, a in zip(servers, before, after, strict=True) if a > b)
        return taken

    async def answer(self, account: str) -> Answer:
        """Send a message that has to wait; what the queue says of it."""
        id = self.queue.submit("bob@far.example", sender=account, account=account)
        answer = (await self.queue.deferred(id)).recipients[0].answer
        assert answer is not None
        return answer


def ways(root: Path, tell: Callable[[Ways], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with AsyncExitStack() as stack:
            script: dict[str, list[bytes | None]] = {"AUTH": [b"235 welcome\r\n"] * 9}
            context = server_context(root, "smart.example")
            office = SmtpServer(script, hello=OFFERS_AUTH, tls=context)
            press, direct = SmtpServer(), SmtpServer()
            for server in (office, press, direct):
                await stack.enter_async_context(server)
            zone: dict[tuple[str, str], Records] = {
                ("far.example", "A"): ["127.0.0.1"],
                ("smart.example", "A"): ["127.0.0.1"],
            }
            names = await stack.enter_async_context(DnsServer(zone))
            queue = house(root, names, Ports(office.port, press.port, direct.port))
            await stack.enter_async_context(queue)
            await tell(Ways(queue, office, press, direct))

    asyncio.run(whole())


@dataclass
class Ports:
    office: int
    press: int
    direct: int


def house(root: Path, names: DnsServer, ports: Ports) -> QueueHouse:
    (root / "ca.pem").write_bytes(ROOT.pem())
    (root / "secret").write_text("hush\n")
    settings = f"""port = {ports.direct}
    [queue.smarthosts]
    press = {{ host = "127.0.0.1:{ports.press}", tls = "none" }}
    sure = {{ host = "127.0.0.1:{ports.press}", tls = "required" }}
    [queue.smarthosts.office]
    host = "smart.example:{ports.office}"
    user = "us"
    password_file = "{root}/secret"
    """
    rest = f'[tls]\nca = "{root}/ca.pem"\n[dns]\nresolvers = ["{names.endpoint}"]'
    made = QueueHouse(root, settings, rest)
    folder = made.make_local("ours.example", 'smarthost = "office"')
    (folder / "accounts" / "alice.toml").write_text("")
    (folder / "accounts" / "carol.toml").write_text('smarthost = "press"')
    (folder / "accounts" / "dave.toml").write_text('smarthost = "mx"')
    (folder / "accounts" / "erin.toml").write_text('smarthost = "gone"')
    (folder / "accounts" / "frank.toml").write_text('smarthost = "sure"')
    made.make_local("other.example")
    return made


def test_account_goes_before_the_domain_that_it_sends_as(tmp_path: Path) -> None:
    async def tell(by: Ways) -> None:
        assert await by.way_of("alice@ours.example") is by.office
        assert await by.way_of("carol@ours.example") is by.press
        assert await by.way_of("dave@ours.example") is by.direct
        assert await by.way_of("bob@other.example") is by.direct
        assert await by.way_of("bob@other.example", "info@ours.example") is by.office
        assert await by.way_of("alice@ours.example", "info@other.example") is by.direct

    ways(tmp_path, tell)


def test_password_comes_from_its_file_for_each_session(tmp_path: Path) -> None:
    async def tell(by: Ways) -> None:
        (tmp_path / "secret").unlink()
        answer = await by.answer("alice@ours.example")
        assert (answer.text, answer.enhanced_status) == (
            "the password for smart.example cannot be read",
            "4.3.5",
        )
        assert not by.office.connections

    ways(tmp_path, tell)


def test_password_goes_over_verified_tls(tmp_path: Path) -> None:
    async def tell(by: Ways) -> None:
        assert await by.way_of("alice@ours.example") is by.office
        assert f"AUTH PLAIN {HUSH}".encode() in by.office.commands
        assert by.office.received[0].tls

    ways(tmp_path, tell)


def test_password_is_in_no_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def tell(by: Ways) -> None:
        by.office.script["AUTH"] = [b"535 5.7.8 no\r\n"]
        assert "535 5.7.8 no" in (await by.answer("alice@ours.example")).text
        entry = next((tmp_path / "data" / "spool" / "deferred").iterdir()).read_text()
        for place in (entry, *capfd.readouterr()):
            assert "hush" not in place and HUSH not in place

    ways(tmp_path, tell)


def test_smarthost_that_is_gone_from_the_configuration_keeps_mail_waiting(tmp_path: Path) -> None:
    async def tell(by: Ways) -> None:
        answer = await by.answer("erin@ours.example")
        assert (answer.text, answer.stage) == ("queue.smarthosts has no gone", "routing")
        assert not by.direct.connections

    ways(tmp_path, tell)


def test_smarthost_without_the_tls_that_is_asked_for_gets_nothing(tmp_path: Path) -> None:
    async def tell(by: Ways) -> None:
        answer = await by.answer("frank@ours.example")
        assert "TLS is required, but not offered" in answer.text

    ways(tmp_path, tell)


NAMES = """
source_addresses = ["127.0.0.2"]
helo_names = { "127.0.0.2" = "two.ours.example", "127.0.0.3" = "three.ours.example" }
"""


def hello_and_peer(root: Path, settings: str, domain: str = "") -> tuple[bytes, str]:
    async def whole() -> tuple[bytes, str]:
        async with SmtpServer() as server:
            route = f'routes = {{ "*" = "127.0.0.1:{server.port}" }}\n'
            async with QueueHouse(root, route + settings) as queue:
                queue.make_local("ours.example", domain)
                queue.submit("bob@far.example")
                await queue.empty()
                return server.commands[0], server.peers[0]

    return asyncio.run(whole())


def test_connection_comes_from_the_chosen_address_and_says_its_name(tmp_path: Path) -> None:
    assert hello_and_peer(tmp_path, NAMES) == (b"EHLO two.ours.example", "127.0.0.2")


def test_domain_of_the_sender_may_have_an_address_of_its_own(tmp_path: Path) -> None:
    found = hello_and_peer(tmp_path, NAMES, 'source_addresses = ["127.0.0.3"]')
    assert found == (b"EHLO three.ours.example", "127.0.0.3")


def test_address_without_a_name_says_the_hostname(tmp_path: Path) -> None:
    settings = 'helo_names = { "127.0.0.9" = "nine.ours.example" }'
    assert hello_and_peer(tmp_path, settings) == (b"EHLO mx.ours.example", "127.0.0.1")


def test_name_is_known_by_an_address_that_nobody_chose(tmp_path: Path) -> None:
    settings = 'helo_names = { "127.0.0.1" = "one.ours.example" }'
    assert hello_and_peer(tmp_path, settings) == (b"EHLO one.ours.example", "127.0.0.1")


async def both_families(stack: AsyncExitStack) -> tuple[SmtpServer, SmtpServer]:
    """Servers on one port of 127.0.0.1 and ::1."""
    for _ in range(20):  # somebody else may have the port in the other family
        four = await stack.enter_async_context(SmtpServer())
        with suppress(OSError):
            six = SmtpServer(address="::1", port=four.port)
            return four, await stack.enter_async_context(six)
    raise AssertionError("no port is free in both families")


def test_address_that_is_not_of_this_machine_is_named(tmp_path: Path) -> None:
    async def whole() -> None:
        settings = 'routes = { "*" = "127.0.0.1:9" }\nsource_addresses = ["192.0.2.1"]'
        async with QueueHouse(tmp_path, settings) as queue:
            entry = await queue.deferred(queue.submit("bob@far.example"))
            answer = entry.recipients[0].answer
            assert answer is not None and answer.text.endswith(" (from 192.0.2.1)")

    asyncio.run(whole())


@pytest.mark.parametrize(
    ("family", "peers"),
    [("ipv6-first", ["::1"]), ("ipv4-first", ["127.0.0.2"])],
)
def test_both_families_have_their_address_and_name(
    tmp_path: Path, family: str, peers: list[str]
) -> None:
    async def whole() -> None:
        async with AsyncExitStack() as stack:
            four, six = await both_families(stack)
            zone: dict[tuple[str, str], Records] = {
                ("far.example", "A"): ["127.0.0.1"],
                ("far.example", "AAAA"): ["::1"],
            }
            names = await stack.enter_async_context(DnsServer(zone))
            settings = f"""port = {four.port}
            families = {{ "far.example" = "{family}" }}
            source_addresses = ["127.0.0.2", "::1"]
            helo_names = {{ "0:0::1" = "six.ours.example", "127.0.0.2" = "four.ours.example" }}
            """
            rest = f'[dns]\nresolvers = ["{names.endpoint}"]'
            queue = await stack.enter_async_context(QueueHouse(tmp_path, settings, rest))
            queue.submit("bob@far.example")
            await queue.empty()
            assert six.peers + four.peers == peers
            name = b"EHLO six.ours.example" if six.peers else b"EHLO four.ours.example"
            assert (six.commands or four.commands)[0] == name

    asyncio.run(whole())


def test_null_mx_bounces_at_once_without_a_connection(tmp_path: Path) -> None:
    # RFC 7505 §3
    async def whole() -> None:
        async with AsyncExitStack() as stack:
            host = await stack.enter_async_context(SmtpServer())
            zone: dict[tuple[str, str], Records] = {
                ("far.example", "MX"): ["0 ."],
                ("far.example", "A"): ["127.0.0.1"],
            }
            names = await stack.enter_async_context(DnsServer(zone))
            rest = f'[dns]\nresolvers = ["{names.endpoint}"]'
            queue = await stack.enter_async_context(
                QueueHouse(tmp_path, f"port = {host.port}", rest)
            )
            queue.make_local("ours.example")
            local = SmtpServer(unix=str(queue.lmtp), lmtp=True)
            await stack.enter_async_context(local)
            queue.submit("bob@far.example")
            await queue.empty()
            assert b"5.1.10" in local.received[0].data
            assert b"does not accept mail (null MX)" in local.received[0].data
            assert addresses(local.commands) == ["", "alice@ours.example"]
            assert not host.connections

    asyncio.run(whole())
