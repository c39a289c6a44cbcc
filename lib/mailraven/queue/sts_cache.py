"""MTA-STS policies that were fetched, below cache/mta-sts: a file for each domain.

    id: 20160831085700Z
    fetched: 1795400000
    (empty line)
    the policy as it was served (RFC 8461 §3.2)

A file that cannot be read is one that is not there. Only names that are domain names become files.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mailraven.files.atomic import write_atomically
from mailraven.smtp.mta_sts import POLICY_LIMIT, StsPolicy, parse_policy, policy_text

REFRESH = 86_400.0  # seconds after which a policy is fetched again. RFC 8461 §10.2

_HEAD = re.compile(rb"id: ([A-Za-z0-9]{1,32})\nfetched: ([0-9]{1,12})\n\n")
_DOMAIN = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){0,126}")


@dataclass(frozen=True, slots=True)
class Kept:
    """A policy, the id it was announced with, and when it was fetched in Unix seconds."""

    id: str
    fetched: float
    policy: StsPolicy

    def holds(self, now: float) -> bool:
        """Whether it still binds us. A clock that went back makes no policy eternal."""
        return self.fetched - 86_400 <= now < self.fetched + self.policy.max_age

    def is_old(self, now: float) -> bool:
        """Whether to fetch it again: in time, for one that is over binds nobody."""
        return now - self.fetched > min(REFRESH, self.policy.max_age / 2)


def is_domain(name: str) -> bool:
    """Whether `name` can have a policy: no address literal, nothing that no DNS has."""
    return len(name) <= 250 and _DOMAIN.fullmatch(name) is not None


def load(folder: Path, domain: str) -> Kept | None:
    """The policy of a domain that was kept."""
    if not is_domain(domain):
        return None
    try:
        with (folder / domain).open("rb") as file:
            octets = file.read(POLICY_LIMIT + 100)
    except OSError:
        return None
    head = _HEAD.match(octets)
    if head is None:
        return None
    try:
        return Kept(head[1].decode(), float(head[2]), parse_policy(octets[head.end() :]))
    except ValueError:
        return None


def save(folder: Path, domain: str, kept: Kept) -> None:
    """Keep a policy. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    head = f"id: {kept.id}\nfetched: {int(kept.fetched)}\n\n"
    write_atomically(folder / domain, (head + policy_text(kept.policy)).encode())


def forget(folder: Path, domain: str) -> None:
    """A policy is over. Raises OSError."""
    (folder / domain).unlink(missing_ok=True)


def domains(folder: Path) -> Iterator[str]:
    """Whose policies are kept. Raises OSError."""
    if folder.is_dir():
        for path in folder.iterdir():
            if is_domain(path.name):
                yield path.name
