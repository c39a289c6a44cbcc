"""What is remembered of MTA-STS policies when several processes fetch them. RFC 8461 §3.3, §10.2

queued refreshes, its couriers fetch and ask: what one of them has, an attacker takes from none.
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import dns.rcode

from mailraven.config.load import load
from mailraven.daemons.sts_policies import StsPolicies
from mailraven.dns.resolver import Resolver
from mailraven.queue import sts_cache
from mailraven.queue.sts_cache import Kept
from mailraven.smtp.mta_sts import StsPolicy
from servers.authority import authority, server_context
from servers.dns_server import DnsServer, Manners, Records
from servers.policy_host import PolicyHost, policy

ROOT = authority("Known CA")
WEB = ROOT.sign("mta-sts.far.example")
WEEK = 604_800


@dataclass
class Far:
    """far.example, and the cache that all our processes share."""

    root: Path
    names: DnsServer
    web: PolicyHost

    def process(self) -> StsPolicies:
        """One of our processes."""
        (self.root / "mailraven.toml").write_text(
            f'hostname = "mx"\n[paths]\ncache = "{self.root}"\n[tls]\nca = "{self.root}/ca.pem"\n'
            f"[queue]\npolicy_port = {self.web.port}\n"
        )
        config = load(self.root, {})
        return StsPolicies(config, Resolver((self.names.endpoint,), 5.0), lambda *_: None)

    @property
    def folder(self) -> Path:
        """Where policies are kept."""
        return self.root / "mta-sts"

    def keep(self, age: float, max_age: int) -> None:
        """A policy was fetched so many seconds ago."""
        kept = Kept("1", time.time() - age, StsPolicy("enforce", max_age, ("mx.far.example",)))
        sts_cache.save(self.folder, "far.example", kept)

    def take_away(self) -> None:
        """An attacker keeps DNS and web server from us."""
        self.names.zone["_mta-sts.far.example", "TXT"] = dns.rcode.SERVFAIL
        self.web.status = "503 Not now"


def story(root: Path, tell: Callable[[Far], Awaitable[None]]) -> None:
    async def whole() -> None:
        (root / "ca.pem").write_bytes(ROOT.pem())
        context: ssl.SSLContext = server_context(WEB, root)
        zone: dict[tuple[str, str], Records] = {
            ("_mta-sts.far.example", "TXT"): ['"v=STSv1; id=1"'],
            ("mta-sts.far.example", "A"): ["127.0.0.1"],
        }
        web = PolicyHost(context, policy("enforce", "mx.far.example"))
        async with web, DnsServer(zone, Manners(ttl=0)) as names:
            await tell(Far(root, names, web))

    asyncio.run(whole())


def test_policy_that_another_process_has_fetched_binds_us(tmp_path: Path) -> None:
    async def tell(far: Far) -> None:
        far.names.zone["_mta-sts.far.example", "TXT"] = []
        ours, other = far.process(), far.process()
        assert await ours.policy("far.example") is None
        far.names.zone["_mta-sts.far.example", "TXT"] = ['"v=STSv1; id=1"']
        assert await other.policy("far.example") is not None
        far.take_away()
        assert await ours.policy("far.example") is not None

    story(tmp_path, tell)


def test_policy_that_another_process_has_refreshed_is_not_over(tmp_path: Path) -> None:
    async def tell(far: Far) -> None:
        far.keep(WEEK, WEEK)
        far.take_away()
        ours = far.process()
        assert await ours.policy("far.example") is None
        far.keep(10, WEEK)
        assert await ours.policy("far.example") is not None

    story(tmp_path, tell)


def test_new_policy_that_another_process_has_fetched_is_not_asked_for_again(tmp_path: Path) -> None:
    async def tell(far: Far) -> None:
        ours, other = far.process(), far.process()
        assert await ours.policy("far.example") is not None
        far.names.zone["_mta-sts.far.example", "TXT"] = ['"v=STSv1; id=2"']
        far.web.content = policy("none", "mx.far.example")
        for process in (other, ours):
            kept = await process.policy("far.example")
            assert kept is not None and kept.policy.mode == "none"
        assert len(far.web.asked) == 2

    story(tmp_path, tell)


def test_refreshing_forgets_nothing_that_another_process_has_just_fetched(tmp_path: Path) -> None:
    async def tell(far: Far) -> None:
        far.keep(WEEK, WEEK)
        far.take_away()
        ours = far.process()
        assert await ours.policy("far.example") is None
        far.keep(10, WEEK)
        await ours.refresh()
        assert await far.process().policy("far.example") is not None

    story(tmp_path, tell)


def test_policy_of_a_day_is_fetched_again_before_the_day_is_over(tmp_path: Path) -> None:
    """Else it would be over, for a moment of which an attacker may make days."""

    async def tell(far: Far) -> None:
        far.keep(50_000, 86_400)
        await far.process().refresh()
        found = sts_cache.load(far.folder, "far.example")
        assert found is not None and time.time() - found.fetched < 40_000

    story(tmp_path, tell)
