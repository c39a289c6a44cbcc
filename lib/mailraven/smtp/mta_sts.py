"""MTA-STS: the record that announces a policy, and the policy itself. RFC 8461 §3

Read from strangers and written for them: one grammar for both ways.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

POLICY_LIMIT = 64 * 1024  # octets of a policy. RFC 8461 §3.3
LONGEST_AGE = 31_557_600  # seconds, about a year. RFC 8461 §3.2
HOSTS_LIMIT = 1000  # mx lines of one policy

Mode = Literal["enforce", "testing", "none"]
MODES: dict[str, Mode] = {"enforce": "enforce", "testing": "testing", "none": "none"}

_RECORD = re.compile(rb"v=STSv1[ \t]*;[ \t]*id=([A-Za-z0-9]{1,32})[ \t]*(?:;.*)?", re.DOTALL)
_EXTENDED = re.compile(rb"v=STSv1[ \t]*;.*;[ \t]*id=([A-Za-z0-9]{1,32})[ \t]*(?:;.*)?", re.DOTALL)
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_PATTERN = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """What a domain asks of those who send to it; `max_age` is in seconds, names are lower case."""

    mode: Mode
    max_age: int
    hosts: tuple[str, ...] = ()

    def allows(self, host: str) -> bool:
        """Whether an MX host is one of the policy's; `*.` stands for one label. RFC 8461 §4.1"""
        name = host.lower().removesuffix(".")
        parent = "*." + name.partition(".")[2]
        return name in self.hosts or parent in self.hosts


def policy_id(records: Iterable[bytes]) -> str | None:
    """The id that TXT records of _mta-sts give, None unless exactly one is valid. RFC 8461 §3.1"""
    candidates = [one for one in records if one.startswith(b"v=STSv1")]
    if len(candidates) != 1:
        return None
    found = _RECORD.fullmatch(candidates[0].strip()) or _EXTENDED.fullmatch(candidates[0].strip())
    return found[1].decode() if found else None


def parse_policy(text: bytes) -> StsPolicy:
    """The policy in the body of an answer. RFC 8461 §3.2

    Unknown keys are left aside; of a key that comes twice the first counts, but for mx. Raises
    ValueError that says what is wrong.
    """
    if len(text) > POLICY_LIMIT:
        raise ValueError("the policy is too long")
    values: dict[str, str] = {}
    hosts: list[str] = []
    for line in text.decode("utf-8", "replace").split("\n"):
        key, colon, value = line.strip(" \t\r").partition(":")
        value = value.strip(" \t")
        if not colon:
            if key:
                raise ValueError("a line of the policy has no colon")
        elif key == "mx":
            hosts.append(_host_pattern(value))
        else:
            values.setdefault(key, value)
    return _checked(values, hosts)


def _host_pattern(value: str) -> str:
    name = value.lower().removesuffix(".")
    if not _PATTERN.fullmatch(name) or len(name) > 255:
        raise ValueError("an mx of the policy is no host name")
    return name


def _checked(values: dict[str, str], hosts: list[str]) -> StsPolicy:
    if values.get("version") != "STSv1":
        raise ValueError("the policy is not of version STSv1")
    mode = MODES.get(values.get("mode", ""))
    if mode is None:
        raise ValueError("the policy has no mode that there is")
    age = values.get("max_age", "")
    if not re.fullmatch(r"[0-9]{1,10}", age):
        raise ValueError("the policy has no max_age")
    if not hosts and mode != "none":
        raise ValueError("the policy names no mx")
    if len(hosts) > HOSTS_LIMIT:
        raise ValueError("the policy names too many mx")
    return StsPolicy(mode, min(int(age), LONGEST_AGE), tuple(hosts))


def policy_lines(policy: StsPolicy) -> tuple[str, ...]:
    """The lines of a policy, as it is served and as reports tell it."""
    return (
        "version: STSv1",
        f"mode: {policy.mode}",
        *(f"mx: {host}" for host in policy.hosts),
        f"max_age: {policy.max_age}",
    )


def policy_text(policy: StsPolicy) -> str:
    """A policy as it is served. RFC 8461 §3.2"""
    return "".join(line + "\r\n" for line in policy_lines(policy))
