"""When DNSSEC is believed, with a real name server on loopback."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

import dns.rcode
import pytest

from mailraven.config.load import load
from mailraven.daemons.tls_guard import Guard, Plan
from mailraven.dns.resolver import Resolver
from mailraven.mail.errors import TemporaryError
from mailraven.queue.routing import Hop, NextHop
from mailraven.reports.tls_days import TlsLedger
from servers.dns_server import DnsServer, Manners, Records


def detected(tmp_path: Path, root: Records, authentic: frozenset[str], word: str) -> str:
    async def run() -> str:
        zone: dict[tuple[str, str], Records] = {(".", "MX"): root}
        async with DnsServer(zone, Manners(authenticated=authentic)) as server:
            (tmp_path / "mailraven.toml").write_text(f'[dns]\ndnssec = "{word}"\n')
            config = load(tmp_path, {"MAILRAVEN_HOSTNAME": "mx.example"})
            resolver = Resolver((server.endpoint,), 2.0)
            guard = Guard(config, resolver, TlsLedger(tmp_path, time.time))
            await guard.detect()
            return guard.dnssec

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("root", "authentic", "word", "said"),
    [
        ([], frozenset({"."}), "detect", "detected"),
        ([], frozenset(), "detect", "off: the name servers do not validate"),
        (
            dns.rcode.SERVFAIL,
            frozenset(),
            "detect",
            "off: the name servers do not answer for the root",
        ),
        ([], frozenset(), "trusted", "trusted"),
        ([], frozenset({"."}), "off", "off"),
    ],
)
def test_name_servers_are_believed_when_they_validate(
    tmp_path: Path, root: Records, authentic: frozenset[str], word: str, said: str
) -> None:
    assert detected(tmp_path, root, authentic, word) == said


def test_name_servers_elsewhere_are_not_believed_by_themselves() -> None:
    assert Resolver(("127.0.0.1:53", "[::1]:53")).is_on_this_machine
    assert not Resolver(("127.0.0.1:53", "192.0.2.1:53")).is_on_this_machine


HOST, TARGET = "mx.far.example", "mx.cloud.example"
TLSA = f"3 1 1 {'ab' * 32}"
ADDRESS: Records = ["127.0.0.1"]
ADDRESS6: Records = ["::1"]
FAILS = dns.rcode.SERVFAIL
ALIAS: dict[tuple[str, str], Records] = {(HOST, "CNAME"): [f"{TARGET}."]}


@dataclass(frozen=True)
class Case:
    """What the name servers say of a host; of names in `secure`, with proof."""

    four: Records
    six: Records
    secure: frozenset[str] = frozenset({HOST})
    alias: dict[tuple[str, str], Records] = field(default_factory=dict)
    failing: frozenset[str] = frozenset()


def demanded(tmp_path: Path, case: Case) -> str:
    """The first step of TLS with the host, or the reason to wait."""
    owner = TARGET if case.alias else HOST
    zone = {(owner, "A"): case.four, (owner, "AAAA"): case.six} | case.alias
    zone |= {(f"_25._tcp.{name}", "TLSA"): [TLSA] for name in (HOST, TARGET)}
    secure = case.secure | {f"_25._tcp.{name}" for name in case.secure}
    manners = Manners(authenticated=secure, failing=case.failing)

    async def run() -> str:
        async with DnsServer(zone, manners) as server:
            (tmp_path / "mailraven.toml").write_text('[dns]\ndnssec = "trusted"\n')
            config = load(tmp_path, {"MAILRAVEN_HOSTNAME": "mx.example"})
            resolver = Resolver((server.endpoint,), 1.0)
            guard = Guard(config, resolver, TlsLedger(tmp_path, time.time))
            plan = Plan(NextHop("mx", "far.example"), None, frozenset({HOST}))
            try:
                return (await guard.demand(plan, Hop(HOST, "127.0.0.1", 25))).steps[0]
            except TemporaryError as error:
                return error.text

    return asyncio.run(run())


@pytest.mark.parametrize(
    "case",
    [
        Case(ADDRESS, ADDRESS6),
        Case(ADDRESS, []),
        Case(ADDRESS, FAILS),
        Case(FAILS, ADDRESS6),
        Case(ADDRESS, [], frozenset({HOST, TARGET}), ALIAS),
        # RFC 7672 §2.2.2: the alias is signed, what it stands for is not; it has the records.
        Case(ADDRESS, [], frozenset({f"{HOST} CNAME", f"_25._tcp.{HOST}"}), ALIAS),
    ],
)
def test_dane_holds_when_one_family_of_a_host_cannot_be_looked_up(
    tmp_path: Path, case: Case
) -> None:
    assert demanded(tmp_path, case) == "dane"


@pytest.mark.parametrize(
    "case",
    [
        Case(FAILS, FAILS),
        Case(FAILS, []),
        Case([], FAILS),
        Case(None, []),
        Case(ADDRESS, [], frozenset(), ALIAS, frozenset({f"{HOST} CNAME"})),
    ],
)
def test_mail_waits_while_nobody_says_whether_a_host_is_signed(tmp_path: Path, case: Case) -> None:
    # RFC 7672 §2.1.2: who suppresses answers must not have DANE forgotten
    assert demanded(tmp_path, case).startswith(f"4.7.5 DANE of {HOST}: ")


@pytest.mark.parametrize(
    "case",
    [
        Case(ADDRESS, ADDRESS6, frozenset()),
        Case(ADDRESS, FAILS, frozenset()),
        Case(ADDRESS, [], frozenset(), ALIAS),
    ],
)
def test_a_host_that_is_not_signed_has_no_dane(tmp_path: Path, case: Case) -> None:
    assert demanded(tmp_path, case) != "dane"
