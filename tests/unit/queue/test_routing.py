"""Routing with a real name server on loopback."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import dns.rcode
import pytest

from mailraven.config.directory import WayOut
from mailraven.config.load import load
from mailraven.daemons.dialling import source_for
from mailraven.dns.answers import NameMissing
from mailraven.dns.resolver import Resolver
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.queue.routing import (
    Family,
    Hop,
    NextHop,
    RoutingTable,
    hops,
    next_hop,
    routing_table,
)
from servers.dns_server import DnsServer, Records

Zone = dict[tuple[str, str], Records]
SERVFAIL = dns.rcode.SERVFAIL

ZONE: Zone = {
    ("example.org", "MX"): ["20 b.example.org.", "10 a.example.org.", "10 c.example.org."],
    ("a.example.org", "A"): ["127.0.0.2"],
    ("b.example.org", "A"): ["127.0.0.3"],
    ("b.example.org", "AAAA"): ["::1"],
    ("c.example.org", "A"): ["127.0.0.4"],
    ("plain.example", "A"): ["127.0.0.5"],
    ("plain.example", "AAAA"): ["::1"],
    ("null.example", "MX"): ["0 ."],
    ("null.example", "A"): ["127.0.0.6"],
    ("broken.example", "MX"): SERVFAIL,
    ("silent.example", "MX"): None,
    ("dead.example", "MX"): ["10 gone.example.", "20 nobody.dead.example."],
    ("half.example", "MX"): ["10 gone.example.", "20 a.example.org."],
    ("flaky.example", "MX"): ["10 broken-host.example."],
    ("broken-host.example", "A"): SERVFAIL,
    ("broken-host.example", "AAAA"): SERVFAIL,
    ("onefamily.example", "A"): ["127.0.0.7"],
    ("onefamily.example", "AAAA"): SERVFAIL,
    ("self.example", "MX"): ["5 a.example.org.", "10 mx.ours.example.", "20 b.example.org."],
    ("onlyself.example", "MX"): ["10 MX.ours.example.", "20 b.example.org."],
    ("nothing.example", "TXT"): ['"x"'],
    ("xn--bcher-kva.example", "MX"): ["10 a.example.org."],
}


def ask(question: Callable[[Resolver], Awaitable[list[Hop]]], timeout: float = 5.0) -> list[Hop]:
    async def run() -> list[Hop]:
        async with DnsServer(ZONE) as server:
            return await question(Resolver((server.endpoint,), timeout))

    return asyncio.run(run())


def found(domain: str, kind: str = "mx", family: Family = "any") -> list[Hop]:
    async def look(resolver: Resolver) -> list[Hop]:
        hop = NextHop("mx" if kind == "mx" else "host", domain, 2525, family=family)
        return [one async for one in hops(hop, "mx.ours.example", resolver, list.reverse)]

    return ask(look, 0.5)


def test_hosts_come_in_order_of_preference_and_equals_are_shuffled() -> None:
    # RFC 5321 §5.1
    assert [str(hop) for hop in found("example.org")] == [
        "c.example.org[127.0.0.4]:2525",
        "a.example.org[127.0.0.2]:2525",
        "b.example.org[::1]:2525",
        "b.example.org[127.0.0.3]:2525",
    ]


def test_without_mx_the_domain_itself_is_the_host() -> None:
    assert [hop.address for hop in found("plain.example")] == ["::1", "127.0.0.5"]


def test_mx_with_dead_hosts_leaves_the_living() -> None:
    assert [hop.address for hop in found("half.example")] == ["127.0.0.2"]


def test_one_broken_family_does_not_matter() -> None:
    assert [hop.address for hop in found("onefamily.example")] == ["127.0.0.7"]


def test_mx_at_and_behind_us_are_left_out() -> None:
    assert [hop.address for hop in found("self.example")] == ["127.0.0.2"]


@pytest.mark.parametrize(
    ("domain", "code", "status"),
    [
        ("missing.example", 550, "5.1.2"),
        ("null.example", 556, "5.1.10"),  # RFC 7505 §3
        ("dead.example", 550, "5.4.4"),
        ("nothing.example", 550, "5.4.4"),
        ("onlyself.example", 554, "5.4.6"),
        ("a..b", 550, "5.1.2"),
        ("x" * 64 + ".example", 550, "5.1.2"),
    ],
)
def test_what_is_not_there_fails_for_ever(domain: str, code: int, status: str) -> None:
    with pytest.raises(PermanentError) as error:
        found(domain)
    assert (error.value.code, error.value.text.split()[0]) == (code, status)


@pytest.mark.parametrize("domain", ["broken.example", "silent.example", "flaky.example"])
def test_what_cannot_be_known_fails_for_now(domain: str) -> None:
    with pytest.raises(TemporaryError) as error:
        found(domain)
    assert (error.value.code, error.value.text.split()[0]) == (451, "4.4.3")


@pytest.mark.parametrize("host", ["missing.example", "nothing.example", "a..b"])
def test_host_of_our_own_configuration_that_is_not_found_loses_no_mail(host: str) -> None:
    """It is our mistake, or that of our name servers: nobody's address is wrong."""
    with pytest.raises(TemporaryError) as error:
        found(host, "host")
    assert error.value.text.startswith("4.3.5 ")


def test_answers_are_cached_even_negative_ones() -> None:
    async def twice(resolver: Resolver) -> None:
        for _ in range(2):
            assert len(await resolver.mx("example.org")) == 3
            with pytest.raises(NameMissing):
                await resolver.mx("missing.example")

    async def run() -> list[tuple[str, str]]:
        async with DnsServer(ZONE) as server:
            await twice(Resolver((server.endpoint,), 5.0))
            return server.asked

    assert asyncio.run(run()).count(("example.org", "MX")) == 1


TABLE = RoutingTable(
    own_name="mx.ours.example",
    is_local=lambda domain: domain == "ours.example",
    lmtp=Path("/run/lmtp.sock"),
    routes={"fixed.example": "127.0.0.9:2500", "six.example": "[::1]:2501"},
    port=2525,
)


@pytest.mark.parametrize(
    ("domain", "key"),
    [
        ("ours.example", "lmtp"),
        ("OURS.example", "lmtp"),
        ("", "lmtp"),
        ("fixed.example", "[127.0.0.9]:2500"),
        ("six.example", "[::1]:2501"),
        ("[127.0.0.1]", "[127.0.0.1]:2525"),
        ("[IPv6:::1]", "[::1]:2525"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("example.org", "example.org"),
    ],
)
def test_configuration_decides_before_dns(domain: str, key: str) -> None:
    assert next_hop(TABLE, domain).key == key


def by_config(root: Path, lines: str) -> RoutingTable:
    (root / "mailraven.toml").write_text(f'hostname = "mx"\n[queue]\n{lines}')
    return routing_table(load(root, {}), TABLE.is_local)


SMART = 'smarthost = "smart.example:587"\n'
LOGIN = 'smarthost_user = "me"\nsmarthost_password = "hush"\n'


def test_smarthost_takes_all_but_fixed_routes(tmp_path: Path) -> None:
    table = by_config(tmp_path, SMART + LOGIN + 'routes = { "fixed.example" = "127.0.0.9:25" }\n')
    hop = next_hop(table, "example.org")
    assert (hop.kind, hop.host, hop.port, hop.tls, hop.user, hop.password) == (
        "host",
        "smart.example",
        587,
        "verified",
        "me",
        "hush",
    )
    assert next_hop(table, "fixed.example").host == "127.0.0.9"
    assert "hush" not in repr(hop) + repr(table)


def test_a_password_demands_tls_whatever_is_configured(tmp_path: Path) -> None:
    table = by_config(tmp_path, SMART + 'smarthost_tls = "opportunistic"\n')
    assert next_hop(table, "example.org").tls == "opportunistic"
    assert next_hop(by_config(tmp_path, SMART + LOGIN), "example.org").tls == "verified"


NAMED = """
[queue.smarthosts]
press = "press.example:25"

[queue.smarthosts.office]
host = "[::1]:2587"
user = "us"
password_file = "/etc/office.secret"
"""


def test_word_of_the_sender_picks_the_smarthost(tmp_path: Path) -> None:
    table = by_config(tmp_path, SMART + 'routes = { "*" = "127.0.0.9:25" }\n' + NAMED)
    office = next_hop(table, "example.org", WayOut("office"))
    assert office.key == "us@[::1]:2587 (verified TLS)"
    assert office.password_file == Path("/etc/office.secret")
    assert next_hop(table, "example.org", WayOut("press")).host == "press.example"
    assert next_hop(table, "example.org", WayOut("mx")).key == "example.org"
    assert next_hop(table, "example.org").host == "127.0.0.9"
    assert next_hop(table, "ours.example", WayOut("office")).key == "lmtp"


def test_tls_begins_at_once_on_its_port(tmp_path: Path) -> None:
    # RFC 8314 §7.3
    lines = """[queue.smarthosts]
    sure = "smart.example:465"
    any = { host = "smart.example:465", tls = "opportunistic" }
    other = { host = "smart.example:587", tls = "opportunistic" }
    """
    table = by_config(tmp_path, lines)
    hops = [next_hop(table, "example.org", WayOut(name)) for name in ("sure", "any", "other")]
    assert [(hop.tls_at_once, hop.tls) for hop in hops] == [
        (True, "verified"),
        (True, "required"),
        (False, "opportunistic"),
    ]


def test_route_of_a_domain_goes_before_the_smarthost_of_the_sender(tmp_path: Path) -> None:
    table = by_config(tmp_path, 'routes = { "fixed.example" = "127.0.0.9:25" }\n' + NAMED)
    assert next_hop(table, "fixed.example", WayOut("office")).host == "127.0.0.9"


def test_smarthost_that_is_not_configured_never_becomes_another_way(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match="has no offce"):
        next_hop(by_config(tmp_path, SMART + NAMED), "example.org", WayOut("offce"))


def test_addresses_of_the_sender_go_before_those_of_the_server(tmp_path: Path) -> None:
    table = by_config(tmp_path, 'source_addresses = ["127.0.0.2", "::1"]\n')
    assert next_hop(table, "example.org").sources == ("127.0.0.2", "::1")
    hop = next_hop(table, "example.org", WayOut("", ("127.0.0.3",)))
    assert hop.sources == ("127.0.0.3",)
    assert source_for(hop, "192.0.2.1") == "127.0.0.3"
    assert source_for(hop, "2001:db8::1") is None


def test_what_a_session_must_not_serve_has_another_key(tmp_path: Path) -> None:
    words = ("none", "opportunistic", "required", "verified")
    domains = [f"{word}.example" for word in words]
    routes = ", ".join(f'"{domain}" = "127.0.0.9:25"' for domain in (*domains, "four.example"))
    tls = ", ".join(f'"{word}.example" = "{word}"' for word in words)
    table = by_config(
        tmp_path,
        f'routes = {{ {routes} }}\ntls = {{ {tls} }}\nfamilies = {{ "four.example" = "ipv4" }}\n',
    )
    hops = [next_hop(table, domain) for domain in (*domains, "four.example")]
    hops.append(replace(hops[0], sources=("127.0.0.3",)))
    hops.append(replace(hops[0], require_tls=True))
    assert len({hop.key for hop in hops}) == len(hops)


@pytest.mark.parametrize(
    ("family", "addresses"),
    [
        ("any", ["::1", "127.0.0.3"]),
        ("ipv6-first", ["::1", "127.0.0.3"]),
        ("ipv4-first", ["127.0.0.3", "::1"]),
        ("ipv4", ["127.0.0.3"]),
        ("ipv6", ["::1"]),
    ],
)
def test_family_decides_which_addresses_are_tried(family: Family, addresses: list[str]) -> None:
    assert [hop.address for hop in found("b.example.org", "host", family)] == addresses


def test_host_without_an_address_of_the_family_waits_for_the_operator() -> None:
    with pytest.raises(TemporaryError, match="says ipv6"):
        found("a.example.org", "host", "ipv6")


def test_families_by_domain(tmp_path: Path) -> None:
    table = by_config(tmp_path, 'families = { "example.org" = "ipv4", "*" = "ipv6-first" }\n')
    assert next_hop(table, "example.org").family == "ipv4"
    assert next_hop(table, "example.net").family == "ipv6-first"


@pytest.mark.parametrize(
    ("settings", "family"),
    [
        ('smarthost = "relay.example:25"', "ipv6"),
        ('smarthost = "other.example:25"', "ipv4-first"),
        ('routes = { "*" = "relay.example:25" }', "ipv6"),
        ('routes = { "*" = "other.example:25" }', "ipv4-first"),
        ('routes = { "example.org" = "other.example:25" }', "ipv4"),
    ],
)
def test_family_goes_by_the_host_that_is_connected_to(
    tmp_path: Path, settings: str, family: Family
) -> None:
    families = '{ "example.org" = "ipv4", "relay.example" = "ipv6", "*" = "ipv4-first" }'
    table = by_config(tmp_path, f"{settings}\nfamilies = {families}\n")
    assert next_hop(table, "example.org").family == family


def test_star_route_is_for_any_other_domain() -> None:
    table = RoutingTable("mx", TABLE.is_local, TABLE.lmtp, {"*": "127.0.0.1:2500"})
    assert next_hop(table, "example.org").key == "[127.0.0.1]:2500"


@pytest.mark.parametrize("domain", ["[300.1.1.1]", "[]", "[IPv6:x]", "[a"])
def test_literal_that_is_no_address_fails(domain: str) -> None:
    with pytest.raises(PermanentError):
        next_hop(TABLE, domain)
