"""What is found when the DNS is compared with what it should say."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from mailraven.dns.answers import LookupFailed

Level = Literal["ok", "note", "broken", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One record, or one fact of several. `found` and `wanted` are as zone files have them; `why`
    says what breaks, or might be better: "" where all is well."""

    level: Level
    kind: str
    name: str
    found: str = ""
    wanted: str = ""
    why: str = ""


def ok(kind: str, name: str, found: str) -> Finding:
    """All is well."""
    return Finding("ok", kind, name, found)


def broken(kind: str, name: str, found: str, wanted: str, why: str) -> Finding:
    """Mail suffers."""
    return Finding("broken", kind, name, found, wanted, why)


def note(kind: str, name: str, found: str, wanted: str, why: str) -> Finding:
    """Mail flows, but something could be better."""
    return Finding("note", kind, name, found, wanted, why)


Check = Callable[[], Awaitable[list[Finding]]]


async def known(kind: str, name: str, check: Check) -> list[Finding]:
    """What `check` finds; where the name servers do not answer, that nothing is known."""
    try:
        return await check()
    except LookupFailed as error:
        why = f"The name servers do not answer: {error}. Who looks for it puts mail off."
        return [Finding("unknown", kind, name, "", "", why)]


def text(octets: bytes) -> str:
    """A TXT record for a person."""
    return octets.decode("utf-8", "backslashreplace")


def worst(findings: Sequence[Finding]) -> Level:
    """The worst level of all."""
    order: tuple[Level, ...] = ("broken", "unknown", "note", "ok")
    levels = {finding.level for finding in findings}
    return next((level for level in order if level in levels), "ok")
