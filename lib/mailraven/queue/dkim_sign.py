"""DKIM signatures of a domain's own mail: every active selector signs (RFC 6376, RFC 8463).

`cryptography` does RSA and Ed25519. Canonicalisation is relaxed/relaxed: it
survives the servers that touch blanks. A key is domains/NAME/dkim/SELECTOR.pem (PKCS #8, not
encrypted); SELECTOR.toml beside it may say `active = false`, which keeps it published, but unused.
The body goes through in slices, so a large message never is in memory.
"""

import base64
import hashlib
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mailraven.mail.address import normalise_domain
from mailraven.mail.address_list import parse_address_list
from mailraven.mail.errors import ConfigError
from mailraven.senderauth.body_hash import BodyHashes, Wanted

# Signed once more than they occur, so that none can be added (RFC 6376 §8.15): all that a person
# sees or answers by, and what says how the body is to be read.
OVERSIGNED = (
    b"from",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"reply-to",
    b"message-id",
    b"in-reply-to",
    b"references",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)
# Signed as often as they occur: a mailing list or a forwarder may add its own. RFC 6376 §5.4.1
SIGNED = (
    b"sender",
    b"content-id",
    b"content-description",
    b"list-id",
    b"list-help",
    b"list-subscribe",
    b"list-post",
    b"list-owner",
    b"list-archive",
    b"autocrypt",
)
# Oversigned if they are there: mail programs act on them by themselves. RFC 8058 §4
OVERSIGNED_IF_PRESENT = (b"list-unsubscribe", b"list-unsubscribe-post")

_NAMES = OVERSIGNED + OVERSIGNED_IF_PRESENT + SIGNED

Fields = dict[bytes, list[bytes]]
"""Fields by name in lower case: from the top what stands behind each colon, folded, with its CRLF.
"""

_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*\r\n)", re.MULTILINE)
_BLANKS = re.compile(rb"[ \t]+")
_RELAXED = Wanted(relaxed=True)
_PADDING, _SHA256 = PKCS1v15(), hashes.SHA256()
_FOLD = 72  # columns of a folded signature


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One selector of a domain that signs."""

    domain: str
    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey

    @property
    def algorithm(self) -> bytes:
        """The a= tag. RFC 8463 §3"""
        return b"rsa-sha256" if isinstance(self.key, RSAPrivateKey) else b"ed25519-sha256"

    def sign(self, canonical_header: bytes) -> bytes:
        """The octets of the b= tag. RFC 8463 §3: Ed25519 signs the SHA-256 hash."""
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(canonical_header, _PADDING, _SHA256)
        return self.key.sign(hashlib.sha256(canonical_header).digest())


def _refuse(error: ConfigError) -> None:
    raise error


def load_keys(
    domains: Path, domain: str, report: Callable[[ConfigError], None] = _refuse
) -> tuple[SigningKey, ...]:
    """The active keys of `domain`, in the order of their selectors; () for a domain without.

    A key that cannot be read is told to `report`, by which it is raised or left aside.
    """
    keys = []
    for path in sorted((domains / domain / "dkim").glob("*.pem")):
        try:
            if _is_active(path.with_suffix(".toml")):
                keys.append(SigningKey(domain, path.stem, _load(path)))
        except ConfigError as error:
            report(error)
    return tuple(keys)


def _load(path: Path) -> RSAPrivateKey | Ed25519PrivateKey:
    """Raises ConfigError."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(str(path), 0, "not a readable private key") from error
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise ConfigError(str(path), 0, "neither RSA nor Ed25519")
    return key


def _is_active(path: Path) -> bool:
    try:
        settings = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return True
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), 0, f"cannot be read: {error}") from error
    return settings.get("active", True) is True


@dataclass(frozen=True, slots=True)
class _Known:
    paths: tuple[str, ...]
    stamps: tuple[int, ...]
    keys: tuple[SigningKey, ...]


class KeyRing:
    """The keys of all domains, read again when the folder of a domain's keys changes.

    What cannot be read is told to `report`, each time that it is missed; the others sign.
    """

    def __init__(self, domains: Path, report: Callable[[ConfigError], None] = _refuse) -> None:
        self._domains = domains
        self._report = report
        self._known: dict[str, _Known] = {}

    def keys(self, domain: str) -> tuple[SigningKey, ...]:
        """The active keys of a domain of ours."""
        known = self._known.get(domain)
        if known is not None and _stamps(known.paths) == known.stamps:
            return known.keys
        folder = self._domains / domain / "dkim"
        paths = tuple(map(str, (folder, *folder.glob("*.toml"), *folder.glob("*.pem"))))
        stamps = _stamps(paths)
        problems: list[ConfigError] = []
        keys = load_keys(self._domains, domain, problems.append)
        if not problems:
            self._known[domain] = _Known(paths, stamps, keys)
        for problem in problems:
            self._report(problem)
        return keys


def _stamps(paths: tuple[str, ...]) -> tuple[int, ...]:
    try:
        return tuple([os.stat(path).st_mtime_ns for path in paths])  # noqa: PTH116
    except FileNotFoundError:
        return ()


def fields_of(header_block: bytes) -> Fields:
    """The fields of a header, which ends with the CRLF of its last one."""
    fields: Fields = {}
    for name, value in _FIELD.findall(header_block):
        fields.setdefault(name.lower(), []).append(value)
    return fields


def signing_domain(fields: Fields) -> str:
    """The domain that must sign for DMARC alignment: that of the one author, as A-labels.

    "" when there is no From, several, or authors of several domains. RFC 7489 §6.6.1
    """
    authors = fields.get(b"from", ())
    return _one_domain(authors[0]) if len(authors) == 1 else ""


@lru_cache(maxsize=1024)  # parsing takes a quarter of a millisecond, and few people write a lot
def _one_domain(authors: bytes) -> str:
    hosts = {one.host.lower() for one in parse_address_list(authors) if one.host}
    return normalise_domain(hosts.pop().decode("utf-8", "replace")) if len(hosts) == 1 else ""


class BodyHash:
    """The bh= of a body that comes in pieces: relaxed canonicalisation, SHA-256. RFC 6376 §3.4.4"""

    def __init__(self) -> None:
        self._hashes = BodyHashes((_RELAXED,))

    def update(self, piece: bytes) -> None:
        """Take the next piece, cut anywhere."""
        self._hashes.update(piece)

    def digest(self) -> bytes:
        """The hash of the whole body; call once, at the end."""
        self._hashes.finish()
        return self._hashes.digest(_RELAXED)


def signatures(fields: Fields, hash_of_body: bytes, keys: Iterable[SigningKey], now: int) -> bytes:
    """A DKIM-Signature field by each key, to be put before the header; `now` is in Unix seconds.

    The header is canonicalised once for all keys.
    """
    counts = tuple([len(fields.get(name, ())) for name in _NAMES])
    names = _names_to_sign(counts)
    canonical = b"".join(_selected(fields, counts))
    return b"".join([_signature(key, canonical, names, hash_of_body, now) for key in keys])


def _selected(fields: Fields, counts: tuple[int, ...]) -> Iterator[bytes]:
    """What is signed of the header: of one name the last first. RFC 6376 §5.4.2"""
    for name, count in zip(_NAMES, counts, strict=True):
        if count == 1:
            yield _canonical(name, fields[name][0])
        elif count:
            yield from (_canonical(name, value) for value in reversed(fields[name]))


def _canonical(name: bytes, value: bytes) -> bytes:
    """A field with a lower-case name, relaxed. RFC 6376 §3.4.2"""
    value = value.replace(b"\r\n", b"")
    if b"  " in value or b"\t" in value:
        value = _BLANKS.sub(b" ", value)
    return b"%s:%s\r\n" % (name, value.strip(b" "))


@lru_cache(maxsize=1024)  # most mail has the same fields
def _names_to_sign(counts: tuple[int, ...]) -> tuple[bytes, ...]:
    """The h= of a header that has so many of each of _NAMES."""
    names: list[bytes] = []
    for name, count in zip(_NAMES, counts, strict=True):
        is_over = name in OVERSIGNED or (count and name in OVERSIGNED_IF_PRESENT)
        names += [name] * (count + bool(is_over))
    return tuple(names)


def _signature(
    key: SigningKey, canonical: bytes, names: tuple[bytes, ...], hash_of_body: bytes, now: int
) -> bytes:
    form = _form(key.algorithm, key.domain, key.selector, names)
    time, hashed = b"%010d" % now, base64.b64encode(hash_of_body)
    mark = base64.b64encode(key.sign(canonical + form.canonical.filled(time, hashed)))
    pieces = [mark[at : at + _FOLD] for at in range(0, len(mark), _FOLD)]
    return b"\r\n\t".join([form.field.filled(time, hashed), *pieces]) + b"\r\n"


class _Blank(NamedTuple):
    """A text with two holes: t= and bh=, which alone differ from message to message."""

    start: bytes
    middle: bytes
    end: bytes

    @classmethod
    def cut(cls, text: bytes) -> "_Blank":
        start, _, rest = text.partition(_TIME)
        middle, _, end = rest.partition(_HASH)
        return cls(start, middle, end)

    def filled(self, time: bytes, hashed: bytes) -> bytes:
        return b"".join((self.start, time, self.middle, hashed, self.end))


class _Form(NamedTuple):
    """The field without its b=, as it is sent and as it is signed."""

    field: _Blank
    canonical: _Blank


_TIME = b"\x00" * 10  # as long as what takes their place, so that lines are folded right
_HASH = b"\x01" * 44


@lru_cache(maxsize=1024)  # folding took a tenth of a millisecond, and is the same for most mail
def _form(algorithm: bytes, domain: str, selector: str, names: tuple[bytes, ...]) -> _Form:
    tags = [
        b"v=1",
        b"a=" + algorithm,
        b"c=relaxed/relaxed",
        b"d=" + domain.encode(),
        b"s=" + selector.encode(),
        b"t=" + _TIME,
        b"bh=" + _HASH,
        b"h=" + b":".join(names),
        b"b=",
    ]
    value = _folded(tags)
    own = _canonical(b"dkim-signature", value).removesuffix(b"\r\n")
    return _Form(_Blank.cut(b"DKIM-Signature:" + value), _Blank.cut(own))


def _folded(tags: list[bytes]) -> bytes:
    """The tags, several on a line; a long h= is cut at its colons. RFC 6376 §3.2"""
    lines = [b" " + tags[0]]
    for tag in tags[1:]:
        words = tag.replace(b":", b":\n").split(b"\n") if tag.startswith(b"h=") else [tag]
        lines[-1] += b";"
        for number, word in enumerate(words):
            if len(lines[-1]) + len(word) < _FOLD:
                lines[-1] += (b" " if number == 0 else b"") + word
            else:
                lines.append(b"\t" + word)
    return b"\r\n".join(lines)
