"""When DNSSEC is believed, with a real name server on loopback."""

import asyncio
import time
from pathlib import Path

import dns.rcode
import pytest

from mailraven.config.load import load
from mailraven.daemons.tls_guard import Guard
from mailraven.dns.resolver import Resolver
from mailraven.mail.errors import TemporaryError
from mailraven.queue.routing import Hop, NextHop
from mailraven.queue.tls_demand import Demand
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


HOSTS: dict[tuple[str, str], Records] = {
    ("far.example", "MX"): ["10 mx.far.example."],
    ("mx.far.example", "A"): ["127.0.0.1"],
    ("mx.far.example", "AAAA"): [],
    ("_25._tcp.mx.far.example", "TLSA"): ["3 1 1 " + "00" * 32],
}
SIGNED = frozenset({"far.example", "mx.far.example", "_25._tcp.mx.far.example"})


def demanded(tmp_path: Path, **changes: Records) -> Demand:
    """What mx.far.example must do when its answers are such, after its address was found."""

    async def run() -> Demand:
        zone = HOSTS | {("mx.far.example", kind): said for kind, said in changes.items()}
        async with DnsServer(zone, Manners(authenticated=SIGNED)) as server:
            (tmp_path / "mailraven.toml").write_text('[dns]\ndnssec = "trusted"\n')
            config = load(tmp_path, {"MAILRAVEN_HOSTNAME": "mx.example"})
            guard = Guard(config, Resolver((server.endpoint,), 1.0), TlsLedger(tmp_path, time.time))
            plan = await guard.plan(NextHop("mx", "far.example"))
            return await guard.demand(plan, Hop("mx.far.example", "127.0.0.1", 25))

    return asyncio.run(run())


def test_signed_host_with_tlsa_records_is_authenticated(tmp_path: Path) -> None:
    assert demanded(tmp_path).steps == ("dane",)
    assert demanded(tmp_path, AAAA=dns.rcode.SERVFAIL).steps == ("dane",)


@pytest.mark.parametrize("said", [dns.rcode.SERVFAIL, None])
def test_host_whose_address_is_not_heard_of_again_is_not_taken_for_an_unsigned_one(
    tmp_path: Path, said: Records
) -> None:
    """RFC 7672 §2.1.2: who can keep answers from us could keep DANE from us, too."""
    with pytest.raises(TemporaryError, match="DANE"):
        demanded(tmp_path, A=said)
