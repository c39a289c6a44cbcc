"""Which names a domain and an account may have; both become file names, so nothing odd gets in."""

import re
from functools import lru_cache

DOMAIN_LIMIT = 253  # octets. RFC 1035 §2.3.4, without the root's dot
LOCAL_PART_LIMIT = 64  # octets. RFC 5321 §4.5.3.1.1
NAMES_KEPT = 4096  # checked names remembered: a look-up per message checks the same few

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_ATOM = re.compile(r"[a-z0-9_][a-z0-9_=&'~-]*")
# What could split a line, a list or an SMTP command is no part of an address here.
_TARGET = re.compile(r"[^\s\x00-\x20\x7f-\xa0()<>@,;:\\\"\[\]#]+")


@lru_cache(NAMES_KEPT)
def domain_name(text: str) -> str:
    """The domain in lower case, as A-labels (RFC 5890 §2.3.2.1); ValueError when it is none."""
    name = text.lower()
    if not name.isascii():
        raise ValueError(f"{text!r} is not a domain name (write its ASCII form, xn--...)")
    labels = name.split(".")
    if len(name) > DOMAIN_LIMIT or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{_short(text)} is not a domain name (write example.org)")
    return name


@lru_cache(NAMES_KEPT)
def account_name(text: str) -> str:
    """The local part of an account in lower case, safe as a file name; ValueError when it is not.

    Narrower than RFC 5321 §4.1.2 on purpose: dot-atom letters that no file system or shell minds,
    and no "+", which starts the tag of a sub-address (RFC 5233).
    """
    name = text.lower()
    if len(name) > LOCAL_PART_LIMIT or not all(_ATOM.fullmatch(atom) for atom in name.split(".")):
        raise ValueError(
            f"{_short(text)} is not an account name (letters, digits, . _ - and = & ' ~)"
        )
    return name


def split_address(text: str) -> tuple[str, str]:
    """Account name and domain name of "alice@example.org"; ValueError when either is not one."""
    local, at, domain = text.rpartition("@")
    if not at:
        raise ValueError(f"{_short(text)} is not an address (write alice@example.org)")
    return account_name(local), domain_name(domain)


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


def target_address(text: str, domain: str) -> str:
    """The full address of an alias target; one without "@" is in `domain`. Raises ValueError.

    Elsewhere more local parts are good than here; what could split a line or a command is not.
    """
    local, at, host = text.rpartition("@")
    if not at:
        local, host = text, domain
    if not _TARGET.fullmatch(local) or len(local.encode()) > LOCAL_PART_LIMIT:
        raise ValueError(f"{_short(text)} is not an address")
    return f"{local}@{domain_name(host)}"
