"""Taking signed bundles of spam rules, and going back."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from mailraven.config.schema import Config
from mailraven.dns.answers import LookupFailed, NameMissing
from mailraven.dns.resolver import Resolver
from mailraven.fetch.https import FetchFailed, Request, exchange, web_context
from mailraven.mail.errors import ConfigErrors
from mailraven.ops.errors import OperationError
from mailraven.ops.spam import RULES_FOLDER
from mailraven.policy.rules import RuleSet
from mailraven.spam.bundle import SIZE_LIMIT, BundleFolder, open_bundle
from mailraven.spam.knowledge import RULES_OF_DATA, SHIPPED_VERSION, bundle_rules, rules_in_force

FETCH_TIMEOUT = 30.0  # seconds, from the first octet asked to the last one had


def update_rules(config: Config, etc: Path, source: str | None, *, dry_run: bool) -> str:
    """Takes the bundle at `source`, or at spam.rules_source, and tells what changes.

    Raises OperationError if it cannot be had, is not signed, is not newer or has mistakes.
    """
    source = source or config.spam.rules_source
    if not source:
        raise OperationError("no source: set spam.rules_source, or name one with --source")
    folder = BundleFolder(config.paths.data / RULES_OF_DATA)
    try:
        bundle = open_bundle(_fetched(config, source), config.spam.rules_keys)
        least = max(folder.highest(), SHIPPED_VERSION)
        if bundle.version <= least:
            return f"version {bundle.version} is not newer than {least}: nothing changes"
        new = bundle_rules(bundle.text)
        lines = list(_changes(rules_in_force(config.paths.data, etc / RULES_FOLDER), new))
        if not dry_run:
            folder.take(bundle)
    except ValueError as error:
        raise OperationError(f"{source}: {error}") from None
    except ConfigErrors as errors:
        raise OperationError(f"{source}: {errors.errors[0]}") from None
    done = "would be in force" if dry_run else "is in force"
    return "\n".join([f"version {bundle.version} {done}", *lines])


def rollback_rules(config: Config) -> str:
    """Goes back to the bundle before the last; raises OperationError if there is none."""
    try:
        version = BundleFolder(config.paths.data / RULES_OF_DATA).go_back()
    except ValueError as error:
        raise OperationError(str(error)) from None
    return f"version {version} is in force" if version else "the shipped rules are in force"


def rules_status(config: Config, etc: Path) -> list[dict[str, object]]:
    """The rules in force that have points; raises ConfigErrors."""
    return [
        {"name": one.name, "points": one.points, "description": one.description}
        for one in rules_in_force(config.paths.data, etc / RULES_FOLDER).rules
        if one.points
    ]


def _fetched(config: Config, source: str) -> bytes:
    """The octets of a file, or of an https URL; the signature decides whether they are believed."""
    if source.startswith("https://"):
        return asyncio.run(_downloaded(config, source))
    if "://" in source:
        raise OperationError(f"{source}: only files and https URLs are read")
    try:
        with Path(source).open("rb") as file:
            return file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise OperationError(f"{source}: {error.strerror or error}") from None


async def _downloaded(config: Config, url: str) -> bytes:
    """What a web server gives for the URL, all within FETCH_TIMEOUT; redirects are not followed."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        resolver = Resolver(config.dns.resolvers, config.dns.timeout)
        addresses = await resolver.addresses(host)
        request = Request(host, path, addresses, port, limit=SIZE_LIMIT, timeout=FETCH_TIMEOUT)
        answer = await exchange(request, web_context(config.tls.ca))
    except (NameMissing, LookupFailed, FetchFailed, ValueError) as error:
        raise OperationError(f"{url}: {error}") from None
    if answer.status != 200:
        raise OperationError(f"{url}: the server answers {answer.status}, not 200")
    return answer.content


def _changes(old: RuleSet, new: RuleSet) -> Iterator[str]:
    """What a new set of rules changes, a line each."""
    before = {one.name: one.points for one in old.rules}
    after = {one.name: one.points for one in new.rules}
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield f"+ {name} {after[name]:+g}"
        elif name not in after:
            yield f"- {name}"
        elif before[name] != after[name]:
            yield f"  {name} {before[name]:+g} becomes {after[name]:+g}"
