"""MTA-STS policies of the domains that we send to: found, fetched, kept. RFC 8461 §3, §5

A policy that is kept holds until its time is over, whatever DNS and web server say meanwhile: an
attacker can take away the announcement, not the memory (§10.2). That is on disk, and of all our
processes: what one of them has fetched binds the others.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mailraven.config.schema import Config
from mailraven.dns.answers import LookupFailed, NameMissing
from mailraven.dns.resolver import Resolver
from mailraven.fetch.https import FetchFailed, Request, exchange, web_context
from mailraven.observe import log
from mailraven.queue import sts_cache
from mailraven.queue.sts_cache import Kept
from mailraven.smtp.mta_sts import POLICY_LIMIT, parse_policy, policy_id

PATH = "/.well-known/mta-sts.txt"  # RFC 8461 §3.3
TIMEOUT = 20.0  # seconds for a fetch; mail to the domain waits for it
RETRY = 300.0  # seconds until a policy that could not be fetched is fetched again. RFC 8461 §3.3
DOMAINS_LIMIT = 10_000  # domains that are remembered

Report = Callable[[str, str, str], None]  # domain, result type of RFC 8460 §4.3, why


@dataclass(frozen=True, slots=True)
class _Failure:
    id: str
    at: float
    why: str


class StsPolicies:
    """The policies by one configuration; what cannot be fetched is told to `report`."""

    def __init__(self, config: Config, resolver: Resolver, report: Report) -> None:
        self._resolver = resolver
        self._folder: Path = config.paths.cache / "mta-sts"
        self._port = config.queue.policy_port
        self._context = web_context(config.tls.ca)
        self._report = report
        self._known: OrderedDict[str, Kept] = OrderedDict()
        self._failed: OrderedDict[str, _Failure] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[None]] = {}

    async def policy(self, domain: str) -> Kept | None:
        """What binds us towards a domain now, None if nothing does."""
        if not sts_cache.is_domain(domain):
            return None
        kept = self._kept(domain)
        id = await self._announced(domain)
        if id is not None and (kept := self._kept(domain, id)) is None:
            await self._fetch(domain, id)
            kept = self._kept(domain)
        elif kept is not None and kept.is_old(time.time()):
            self._begin_fetch(domain, kept.id)  # nobody waits: what we have still holds
        return kept

    def _kept(self, domain: str, id: str = "") -> Kept | None:
        """What binds us, of that id alone if there is one: as it is remembered, or on disk, where
        another process may have put something newer."""
        kept, now = self._known.get(domain), time.time()
        if kept is None or kept.is_old(now) or id not in ("", kept.id):
            found = sts_cache.load(self._folder, domain)
            if found is not None and (kept is None or found.fetched >= kept.fetched):
                self._remember(domain, kept := found)
        is_meant = kept is not None and kept.holds(now) and id in ("", kept.id)
        return kept if is_meant else None

    def _remember(self, domain: str, kept: Kept) -> None:
        self._known[domain] = kept
        self._known.move_to_end(domain)
        if len(self._known) > DOMAINS_LIMIT:
            self._known.popitem(last=False)

    async def _announced(self, domain: str) -> str | None:
        """The id in the DNS; None when there is none, or nobody says. RFC 8461 §3.1"""
        try:
            return policy_id((await self._resolver.ask(f"_mta-sts.{domain}", "TXT")).records)
        except (NameMissing, LookupFailed):
            return None

    async def _fetch(self, domain: str, id: str) -> None:
        task = self._begin_fetch(domain, id)
        if task is not None:
            await asyncio.shield(task)  # one who gives up waiting does not stop the others'

    def _begin_fetch(self, domain: str, id: str) -> asyncio.Task[None] | None:
        """The fetch under way, or a new one; None so soon after a failure."""
        task = self._fetching.get(domain)
        if task is not None:
            return task
        failure = self._failed.get(domain)
        if failure and failure.id == id and time.monotonic() - failure.at < RETRY:
            return None
        task = asyncio.get_running_loop().create_task(self._fetch_now(domain, id))
        self._fetching[domain] = task
        task.add_done_callback(lambda _: self._fetching.pop(domain, None))
        return task

    async def _fetch_now(self, domain: str, id: str) -> None:
        try:
            kept = await self._ask(domain, id)
            self._failed.pop(domain, None)
            self._remember(domain, kept)
            await asyncio.to_thread(sts_cache.save, self._folder, domain, kept)
        except (FetchFailed, ValueError) as error:
            self._give_up(domain, id, error)
        except OSError as error:
            log.event("sts-not-kept", level="warn", domain=domain, error=str(error))
        except Exception:
            log.exception("bug", domain=domain)

    async def _ask(self, domain: str, id: str) -> Kept:
        """The policy from the web server. Raises FetchFailed, ValueError."""
        host = f"mta-sts.{domain}"
        try:
            addresses = await self._resolver.addresses(host)
        except (NameMissing, LookupFailed) as error:
            raise FetchFailed(str(error)) from error
        request = Request(host, PATH, addresses, self._port, limit=POLICY_LIMIT, timeout=TIMEOUT)
        answer = await exchange(request, self._context)
        if answer.status != 200:  # redirects are not followed. RFC 8461 §3.3
            raise FetchFailed(f"HTTP status {answer.status}")
        if answer.media_type not in ("text/plain", ""):  # RFC 8461 §3.2
            raise FetchFailed("the answer is not text/plain")
        return Kept(id, time.time() // 1, parse_policy(answer.content))  # as it is kept

    def _give_up(self, domain: str, id: str, error: FetchFailed | ValueError) -> None:
        self._failed[domain] = _Failure(id, time.monotonic(), str(error))
        self._failed.move_to_end(domain)
        if len(self._failed) > DOMAINS_LIMIT:
            self._failed.popitem(last=False)
        result = "sts-policy-fetch-error"
        if isinstance(error, ValueError):
            result = "sts-policy-invalid"
        elif error.certificate:
            result = "sts-webpki-invalid"
        kept = self._kept(domain)
        log.event(
            "sts-fetch-failed",
            level="warn",
            domain=domain,
            error=str(error),
            policy=kept.policy.mode if kept else "none",
        )
        self._report(domain, result, str(error))

    async def refresh(self) -> None:
        """Fetch again what is old, forget what is over: to be called now and then."""
        for domain in await asyncio.to_thread(lambda: list(sts_cache.domains(self._folder))):
            kept = self._kept(domain)
            if kept is None:
                self._known.pop(domain, None)
                await asyncio.to_thread(sts_cache.forget, self._folder, domain)
            elif kept.is_old(time.time()):
                await self._fetch(domain, await self._announced(domain) or kept.id)
