"""When DNSSEC is believed, with a real name server on loopback."""

import asyncio
import time
from pathlib import Path

import dns.rcode
import pytest

from mailraven.config.load import load
from mailraven.daemons.tls_guard import Guard
from mailraven.dns.resolver import Resolver
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
