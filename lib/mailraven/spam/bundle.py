"""Signed bundles of rules: checking them, taking them, going back.

A bundle is text: three lines, an empty one, and the rules as TOML.

    mailraven-rules 1
    version: 20261124
    signature: <base64 of Ed25519 over the two lines above, a line end, and the rules>

DATA/spam/rules/ holds `current.bundle`, `previous.bundle` and `highest`, the highest version that
was ever taken: nobody can bring an old bundle again, not even after going back. `current.bundle` is
replaced last, at once, so a crash leaves the old rules or the new ones.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mailraven.files.atomic import write_atomically

SIZE_LIMIT = 4 << 20  # octets of a bundle
_HEAD = re.compile(
    rb"mailraven-rules 1\nversion: (\d{1,15})\nsignature: ([A-Za-z0-9+/=]{1,200})\n\n"
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """Rules that a known key has signed; `text` is their TOML, `data` the whole bundle."""

    version: int
    text: str
    data: bytes


def open_bundle(data: bytes, keys: tuple[str, ...]) -> Bundle:
    """The bundle in `data`; `keys` are base64 of Ed25519 public keys.

    Raises ValueError if it is none, or if none of the keys has signed it.
    """
    match = _HEAD.match(data)
    if match is None or len(data) > SIZE_LIMIT:
        raise ValueError("this is no bundle of rules")
    version, text = int(match[1]), data[match.end() :]
    if not any(_has_signed(key, match[2], _signed_part(version, text)) for key in keys):
        raise ValueError("none of spam.rules_keys has signed it")
    try:
        return Bundle(version, text.decode(), data)
    except UnicodeDecodeError:
        raise ValueError("the rules are not UTF-8") from None


def make_bundle(version: int, text: str, key: Ed25519PrivateKey) -> bytes:
    """A bundle of rules, signed; what whoever publishes rules does."""
    signature = base64.b64encode(key.sign(_signed_part(version, text.encode())))
    head = b"mailraven-rules 1\nversion: %d\nsignature: %s\n\n" % (version, signature)
    return head + text.encode()


def _signed_part(version: int, text: bytes) -> bytes:
    return b"mailraven-rules 1\nversion: %d\n\n%s" % (version, text)


def _has_signed(key: str, signature: bytes, data: bytes) -> bool:
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
        public.verify(base64.b64decode(signature, validate=True), data)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


@dataclass(frozen=True, slots=True)
class BundleFolder:
    """DATA/spam/rules."""

    path: Path

    def current(self) -> tuple[int, str] | None:
        """Version and rules of the bundle in force; None without one. Raises OSError."""
        try:
            data = (self.path / "current.bundle").read_bytes()
        except FileNotFoundError:
            return None
        match = _HEAD.match(data)  # it was checked when it was taken, and the folder is ours
        return None if match is None else (int(match[1]), data[match.end() :].decode())

    def highest(self) -> int:
        """The highest version that was ever taken."""
        try:
            return int((self.path / "highest").read_text())
        except (FileNotFoundError, ValueError):
            current = self.current()
            return current[0] if current else 0

    def take(self, bundle: Bundle) -> None:
        """Puts `bundle` in force and keeps the one before. Raises ValueError unless it is newer."""
        if bundle.version <= self.highest():
            raise ValueError(f"version {bundle.version} is not newer than {self.highest()}")
        self.path.mkdir(parents=True, exist_ok=True)
        current = self.path / "current.bundle"
        if current.exists():
            write_atomically(self.path / "previous.bundle", current.read_bytes())
        write_atomically(self.path / "highest", b"%d\n" % bundle.version)
        write_atomically(current, bundle.data)

    def go_back(self) -> int:
        """Puts the bundle before the last in force, and gives its version; 0 is "only the shipped
        rules", where there was none. Raises ValueError if there is nothing to go back from."""
        current, previous = self.path / "current.bundle", self.path / "previous.bundle"
        if not current.exists():
            raise ValueError("no bundle is in force")
        if not previous.exists():
            current.unlink()
            return 0
        write_atomically(current, previous.read_bytes())
        previous.unlink()
        found = self.current()
        return found[0] if found else 0
