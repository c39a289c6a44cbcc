"""The sender rewriting scheme: a reverse-path of ours for mail that an alias sends on.

The domain that a stranger sends as lets its own hosts do so (SPF, RFC 7208), not us. So what we
forward comes from an address of ours that says whose it is, and a bounce to it finds the way back:

    SRS0=HASH=DAY=far.example=alice@ours.example        was alice@far.example
    SRS1=HASH=far.example==HASH=DAY=...@ours.example    was SRS0=HASH=DAY=...@far.example

The hash is a keyed one, so that nobody else makes such addresses and has us send mail to whom they
like; the day ends its validity. Both are compared in lower case: others change that of letters.
Pure: secrets and time are arguments.
"""

import hashlib
import hmac
import re
from base64 import b32encode
from collections.abc import Sequence

from mailraven.mail.address import Address, normalise_domain, parse_path, split_address
from mailraven.mail.errors import PeerError

DAYS = 21  # for which an address is good: more than any queue keeps a message
HASH_LETTERS = 6  # 30 bits, guessed one RCPT at a time
PATH_LIMIT = 254  # octets. RFC 5321 §4.5.3.1.3, without the brackets
DAY = 86_400.0  # seconds

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_DAY_CYCLE = len(_LETTERS) ** 2
_TAGGED = re.compile(r"(srs[01])([=+-])(.+)", re.IGNORECASE)


class NotOurs(Exception):
    """No address of this scheme, or not one that we have made."""


class Expired(Exception):
    """We have made it, but too long ago."""


def is_tagged(local_part: str) -> bool:
    """Whether it looks like an address of this scheme, ours or not."""
    return _TAGGED.fullmatch(local_part) is not None


def rewritten(reverse_path: str, domain: str, secret: bytes, now: float) -> str:
    """The address at `domain`, ours, that stands for `reverse_path`.

    It is `reverse_path` itself where it cannot be put into one: without a domain name, or too long.
    """
    try:
        address = parse_path(reverse_path)
    except PeerError:
        return reverse_path
    host = normalise_domain(address.domain)
    if not host or not host.isascii() or host.startswith("["):
        return reverse_path
    made = str(Address(_local_part(address.local_part, host, secret, now), domain))
    return made if len(made.encode()) <= PATH_LIMIT else reverse_path


def _local_part(local_part: str, host: str, secret: bytes, now: float) -> str:
    tagged = _TAGGED.fullmatch(local_part)
    if tagged is not None and tagged[1].lower() == "srs0":
        rest = f"{host}={tagged[2]}{tagged[3]}"
        return f"SRS1={_hash(secret, rest).decode()}={rest}"
    if tagged is not None and "=" in (rest := tagged[3].partition("=")[2]):
        # Whoever forwarded it before us is left out: the bounce goes to the first of us directly.
        return f"SRS1={_hash(secret, rest).decode()}={rest}"
    rest = f"{_day_letters(now)}={host}={local_part}"
    return f"SRS0={_hash(secret, rest).decode()}={rest}"


def original(path: str, secrets: Sequence[bytes], now: float) -> str:
    """The address that `path` stands for. Raises NotOurs, Expired."""
    local_part, _ = split_address(path)
    if local_part.startswith('"'):
        local_part = parse_path(path).local_part
    tagged = _TAGGED.fullmatch(local_part)
    if tagged is None:
        raise NotOurs
    said, _, rest = tagged[3].partition("=")
    if not any(hmac.compare_digest(_hash(one, rest), _folded(said)) for one in secrets):
        raise NotOurs
    if tagged[1].lower() == "srs1":
        host, _, inner = rest.partition("=")
        return str(Address(f"SRS0{inner}", host))
    day, _, rest = rest.partition("=")
    if _age(day, now) > DAYS:
        raise Expired
    host, _, inner = rest.partition("=")
    return str(Address(inner, host))


def _hash(secret: bytes, text: str) -> bytes:
    digest = hmac.digest(secret, _folded(text), hashlib.sha256)
    return b32encode(digest)[:HASH_LETTERS].lower()


def _folded(text: str) -> bytes:
    return text.lower().encode("utf-8", "surrogateescape")


def _day_letters(now: float) -> str:
    day = int(now // DAY) % _DAY_CYCLE
    return _LETTERS[day >> 5] + _LETTERS[day & 31]


def _age(letters: str, now: float) -> int:
    """Days since the day that `letters` say; they come round after almost three years."""
    day = 0
    for letter in letters.lower():
        day = day << 5 | _LETTERS.find(letter)
    return (int(now // DAY) - day) % _DAY_CYCLE
