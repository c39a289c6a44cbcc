"""Taking signed bundles of spam rules, and going back."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from mailraven.config.schema import Config
from mailraven.mail.errors import ConfigErrors
from mailraven.ops.errors import OperationError
from mailraven.ops.spam import RULES_FOLDER
from mailraven.policy.rules import RuleSet
from mailraven.spam.bundle import SIZE_LIMIT, BundleFolder, open_bundle
from mailraven.spam.knowledge import RULES_OF_DATA, SHIPPED_VERSION, bundle_rules, rules_in_force

FETCH_TIMEOUT = 30  # seconds


def update_rules(config: Config, etc: Path, source: str | None, *, dry_run: bool) -> str:
    """Takes the bundle at `source`, or at spam.rules_source, and tells what changes.

    Raises OperationError if it cannot be had, is not signed, is not newer or has mistakes.
    """
    source = source or config.spam.rules_source
    if not source:
        raise OperationError("no source: set spam.rules_source, or name one with --source")
    folder = BundleFolder(config.paths.data / RULES_OF_DATA)
    try:
        bundle = open_bundle(_fetched(source), config.spam.rules_keys)
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


def _fetched(source: str) -> bytes:
    """The octets of a file, or of an https URL; the signature decides whether they are believed."""
    try:
        if not source.startswith("https://"):
            if "://" in source:
                raise OperationError(f"{source}: only files and https URLs are read")
            with Path(source).open("rb") as file:
                return file.read(SIZE_LIMIT + 1)
        with urllib.request.urlopen(source, timeout=FETCH_TIMEOUT) as answer:  # noqa: S310
            if not answer.geturl().startswith("https://"):
                raise OperationError(f"{source}: leads to {answer.geturl()}")
            found: bytes = answer.read(SIZE_LIMIT + 1)
            return found
    except urllib.error.URLError as error:
        raise OperationError(f"{source}: {error.reason}") from None
    except OSError as error:
        raise OperationError(f"{source}: {error.strerror or error}") from None


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
