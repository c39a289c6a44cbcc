"""Lists are asked over real DNS, and are asked no more while they are not in their right mind."""

import asyncio
from collections.abc import Awaitable, Callable

import dns.rcode
import pytest

from mailraven.daemons.dnsbl import BlockLists
from mailraven.dns.resolver import Resolver
from mailraven.policy.dnsbl import Zone
from servers.dns_server import DnsServer, Manners, Records

ZONE: dict[tuple[str, str], Records] = {
    ("2.0.0.127.bl.example", "A"): ["127.0.0.2"],
    ("99.2.0.192.bl.example", "A"): ["127.0.0.2"],
    ("99.2.0.192.bl.example", "TXT"): ['"seen in a trap"'],
    ("2.0.0.127.wl.example", "A"): ["127.0.0.2"],
    ("99.2.0.192.wl.example", "A"): ["127.0.5.1"],
    ("1.0.0.127.all.example", "A"): ["127.0.0.2"],
    ("2.0.0.127.all.example", "A"): ["127.0.0.2"],
    ("1.0.0.127.closed.example", "A"): ["127.255.255.254"],
    ("2.0.0.127.closed.example", "A"): ["127.255.255.254"],
    ("99.2.0.192.none.example", "A"): ["127.0.0.2"],
    ("2.0.0.127.failing.example", "A"): dns.rcode.SERVFAIL,
    ("1.0.0.127.failing.example", "A"): dns.rcode.SERVFAIL,
    ("99.2.0.192.failing.example", "A"): dns.rcode.SERVFAIL,
    (f"{'2.0.0.0.0.0.f.7.f.f.f.f' + '.0' * 20}.six.example", "A"): ["127.0.0.2"],
}
Story = Callable[[BlockLists, DnsServer], Awaitable[None]]


def play(story: Story, *zones: Zone) -> None:
    async def run() -> None:
        by_name = {zone.name: zone for zone in zones}
        async with DnsServer(dict(ZONE), Manners(ttl=0)) as server:
            await story(BlockLists(Resolver((server.endpoint,), 5.0), lambda: by_name), server)

    asyncio.run(run())


@pytest.mark.req("FR-015")
def test_every_list_that_has_the_client_is_found() -> None:
    async def story(lists: BlockLists, _: DnsServer) -> None:
        found = await lists.look_up("192.0.2.99")
        assert [(one.zone, one.points) for one in found] == [
            ("bl.example", 4.0),
            ("wl.example", -2),
        ]
        assert await lists.look_up("192.0.2.98") == ()

    play(story, Zone("bl.example", points=4.0), Zone("wl.example", points=-2.0))


@pytest.mark.req("US3.3")
def test_only_a_list_that_refuses_has_something_to_tell() -> None:
    async def story(lists: BlockLists, _: DnsServer) -> None:
        found = await lists.look_up("192.0.2.99")
        text = await lists.refusal("192.0.2.99", found)
        assert text == "5.7.1 192.0.2.99 is listed by bl.example: seen in a trap"
        assert await lists.refusal("192.0.2.99", found[1:]) is None

    play(story, Zone("bl.example", refuse=True), Zone("wl.example", points=-2.0))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("all.example", "lists 127.0.0.1"),
        ("none.example", "does not list 127.0.0.2"),
        ("closed.example", "does not answer this resolver"),
        ("failing.example", "does not answer"),
    ],
)
@pytest.mark.req("FR-015")
def test_a_list_out_of_its_mind_is_not_asked(name: str, words: str) -> None:
    async def story(lists: BlockLists, server: DnsServer) -> None:
        await lists.check()
        assert words in lists.broken[name]
        server.asked.clear()
        assert await lists.look_up("192.0.2.99") == ()
        assert server.asked == []

    play(story, Zone(name, refuse=True))


@pytest.mark.parametrize("name", ["bl.example", "six.example"])
def test_a_list_that_is_well_stays(name: str) -> None:
    async def story(lists: BlockLists, _: DnsServer) -> None:
        await lists.check()
        assert lists.broken == {}

    play(story, Zone(name))


def test_a_list_that_is_well_again_is_asked_again() -> None:
    async def story(lists: BlockLists, server: DnsServer) -> None:
        await lists.check()
        del server.zone["1.0.0.127.all.example", "A"]
        await lists.check()
        assert lists.broken == {}

    play(story, Zone("all.example"))


def test_a_list_that_does_not_answer_has_nobody() -> None:
    async def story(lists: BlockLists, _: DnsServer) -> None:
        assert await lists.look_up("192.0.2.99") == ()

    play(story, Zone("failing.example"))


def test_an_address_of_the_link_is_asked_without_its_interface() -> None:
    async def story(lists: BlockLists, server: DnsServer) -> None:
        assert await lists.look_up("fe80::1%eth0") == ()
        assert server.asked[0][0].endswith(".0.8.e.f.bl.example")

    play(story, Zone("bl.example"))
