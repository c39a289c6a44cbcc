"""The resolver against a real name server on loopback."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import dns.rcode
import pytest

from mailraven.dns.answers import Answer, Association, LookupFailed, NameMissing
from mailraven.dns.resolver import Resolver
from servers.dns_server import DnsServer, Manners, Records

T = TypeVar("T")

ZONE: dict[tuple[str, str], Records] = {
    ("example.org", "MX"): ["10 mx.example.org.", "0 ."],
    ("example.org", "TXT"): ['"v=spf1 " "-all"', r'"\255"'],
    ("mx.example.org", "A"): ["192.0.2.1", "192.0.2.2"],
    ("mx.example.org", "AAAA"): ["2001:db8::1"],
    ("_25._tcp.mx.example.org", "TLSA"): ["3 1 1 " + "0a" * 32],
    ("www.example.org", "CNAME"): ["alias.example.org."],
    ("alias.example.org", "CNAME"): ["mx.example.org."],
    ("loop.example.org", "CNAME"): ["loop.example.org."],
    ("dangling.example.org", "CNAME"): ["nowhere.example."],
    ("1.2.0.192.in-addr.arpa", "PTR"): ["mx.example.org."],
    ("broken.example", "TXT"): dns.rcode.SERVFAIL,
    ("refused.example", "TXT"): dns.rcode.REFUSED,
    ("silent.example", "TXT"): None,
    ("silent.example", "A"): None,
    ("large.example", "TXT"): [f'"{n:0250}"' for n in range(41)],
    ("huge.example", "TXT"): [f'"{n:0250}"' for n in range(200)],
    ("many.example", "A"): [f"10.0.{n // 250}.{n % 250}" for n in range(600)],
}


def play(
    question: Callable[[Resolver, DnsServer], Awaitable[T]],
    manners: Manners | None = None,
    timeout: float = 5.0,
) -> T:
    async def run() -> T:
        async with DnsServer(dict(ZONE), manners) as server:
            return await question(Resolver((server.endpoint,), timeout), server)

    return asyncio.run(run())


def test_records_come_as_plain_values() -> None:
    async def look(resolver: Resolver, _: DnsServer) -> None:
        assert sorted(await resolver.mx("Example.ORG.")) == [(0, ""), (10, "mx.example.org")]
        assert set((await resolver.ask("example.org", "TXT")).records) == {b"v=spf1 -all", b"\xff"}
        addresses = await resolver.addresses("mx.example.org")
        assert (addresses[0], sorted(addresses[1:])) == ("2001:db8::1", ["192.0.2.1", "192.0.2.2"])
        tlsa = await resolver.ask("_25._tcp.mx.example.org", "TLSA")
        assert tlsa.records == (Association(3, 1, 1, b"\n" * 32),)
        assert await resolver.names_of("192.0.2.1") == ["mx.example.org"]

    play(look)


def test_aliases_are_followed() -> None:
    async def look(resolver: Resolver, _: DnsServer) -> Answer[str]:
        return await resolver.ask("www.example.org", "AAAA")

    assert play(look) == Answer(("2001:db8::1",), name="mx.example.org")


def test_a_name_without_such_a_record_is_not_missing() -> None:
    async def look(resolver: Resolver, _: DnsServer) -> tuple[bytes, ...]:
        return (await resolver.ask("mx.example.org", "TXT")).records

    assert play(look) == ()


@pytest.mark.parametrize("name", ["none.example", "dangling.example.org", "a..b", "x" * 64, "\\"])
def test_what_does_not_exist_is_missing(name: str) -> None:
    async def look(resolver: Resolver, _: DnsServer) -> None:
        for _ in range(2):  # from the server, and from the cache
            with pytest.raises(NameMissing):
                await resolver.ask(name, "TXT")

    play(look)


@pytest.mark.parametrize(
    "name", ["broken.example", "refused.example", "silent.example", "loop.example.org"]
)
def test_a_failure_is_told_from_a_missing_name(name: str) -> None:
    async def look(resolver: Resolver, _: DnsServer) -> None:
        with pytest.raises(LookupFailed):
            await resolver.ask(name, "TXT")

    play(look, timeout=0.3)


@pytest.mark.parametrize("name", ["broken.example", "silent.example"])
def test_a_failure_is_remembered_for_all_who_ask_soon(name: str) -> None:
    # RFC 2308 §7: else a name server that is silent delays every message of its clients
    async def look(resolver: Resolver, server: DnsServer) -> int:
        async def fails() -> None:
            with pytest.raises(LookupFailed):
                await resolver.ask(name, "TXT")

        await asyncio.gather(fails(), fails())
        before = len(server.asked)
        await fails()
        return len(server.asked) - before

    assert play(look, timeout=0.3) == 0


def test_no_name_server_at_all_is_a_failure() -> None:
    async def run() -> None:
        with pytest.raises(LookupFailed):
            await Resolver(("127.0.0.1:9",), 0.3).ask("example.org", "TXT")

    asyncio.run(run())


def test_equal_questions_at_a_time_are_one() -> None:
    async def look(resolver: Resolver, server: DnsServer) -> int:
        await asyncio.gather(*(resolver.ask("example.org", "TXT") for _ in range(50)))
        return server.asked.count(("example.org", "TXT"))

    assert play(look, Manners(delay=0.05)) == 1


def test_one_who_gives_up_does_not_take_the_answer_from_the_others() -> None:
    async def look(resolver: Resolver, server: DnsServer) -> int:
        first = asyncio.create_task(resolver.ask("example.org", "TXT"))
        second = asyncio.create_task(resolver.ask("example.org", "TXT"))
        await asyncio.sleep(0.01)
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        return len((await second).records)

    assert play(look, Manners(delay=0.1)) == 2


def test_an_answer_lives_as_long_as_its_time_to_live() -> None:
    async def look(resolver: Resolver, server: DnsServer) -> int:
        for _ in range(3):
            await resolver.ask("example.org", "TXT")
        return len(server.asked)

    assert play(look, Manners(ttl=0)) == 3
    assert play(look, Manners(ttl=60)) == 1


def test_a_missing_name_stays_so_as_long_as_its_zone_says() -> None:
    # RFC 2308 §5
    async def look(resolver: Resolver, server: DnsServer) -> int:
        for name in ("none.example", "none.example", "mx.example.org", "mx.example.org"):
            with suppress(NameMissing):
                await resolver.ask(name, "TXT")
        return len(server.asked)

    assert play(look, Manners(negative_ttl=0)) == 4
    assert play(look, Manners(negative_ttl=60)) == 2


def test_what_is_remembered_needs_no_waiting() -> None:
    async def look(resolver: Resolver, _: DnsServer) -> None:
        assert resolver.remembered("example.org", "TXT") is None
        answer = await resolver.ask("example.org", "TXT")
        assert resolver.remembered("Example.org.", "TXT") is answer
        with pytest.raises(NameMissing):
            await resolver.ask("none.example", "TXT")
        with pytest.raises(NameMissing):
            resolver.remembered("none.example", "TXT")

    play(look)


def test_dnssec_is_told_for_each_answer() -> None:
    # RFC 4035 §3.2.3
    async def look(resolver: Resolver, _: DnsServer) -> tuple[bool, bool]:
        return (
            (await resolver.ask("example.org", "MX")).authenticated,
            (await resolver.ask("mx.example.org", "A")).authenticated,
        )

    assert play(look, Manners(authenticated=frozenset({"example.org"}))) == (True, False)


def test_a_cut_off_answer_is_asked_for_by_tcp() -> None:
    async def look(resolver: Resolver, _: DnsServer) -> int:
        return len((await resolver.ask("large.example", "TXT")).records)

    assert play(look, Manners(tcp=True)) == 41


@pytest.mark.parametrize(("name", "kind"), [("huge.example", "TXT"), ("many.example", "A")])
def test_an_answer_larger_than_anyone_needs_is_a_failure(name: str, kind: str) -> None:
    async def look(resolver: Resolver, _: DnsServer) -> None:
        with pytest.raises(LookupFailed, match="too"):
            await (resolver.ask(name, "TXT") if kind == "TXT" else resolver.ask(name, "A"))

    play(look, Manners(tcp=True))


def test_many_silent_names_do_not_stop_the_others() -> None:
    async def look(resolver: Resolver, server: DnsServer) -> int:
        names = [f"{number}.silent.example" for number in range(300)]
        server.zone |= {(name, "A"): None for name in names}
        slow = [asyncio.create_task(resolver.ask(name, "A")) for name in names]
        await asyncio.wait(slow, timeout=0.2)  # most are asked by then
        records = await resolver.mx("example.org")
        assert not any(task.done() for task in slow)
        for task in slow:
            task.cancel()
        await asyncio.wait(slow)
        return len(records)

    assert play(look, timeout=600.0) == 2
