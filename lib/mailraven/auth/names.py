"""The account that a log-in name means, checked so strictly that it may become part of a path.

A log-in name is the whole address of an account. Aliases, sub-addresses and bare local parts do not
log in: one account has one name, or throttling would count its guesses under many.
"""

import re
import unicodedata
from dataclasses import dataclass

NAME_LIMIT = 320  # octets: 64 of local part, "@", 255 of domain. RFC 5321 §4.5.3.1

# Neither can start with a dot, hold ".." or a slash, a colon, a blank or a control character.
LOCAL_PART = re.compile(r"[\w!#$%&'*+=?^`{|}~-]+(?:\.[\w!#$%&'*+=?^`{|}~-]+)*")
DOMAIN = re.compile(r"\w(?:[\w-]*\w)?(?:\.\w(?:[\w-]*\w)?)*")


@dataclass(frozen=True, slots=True)
class AccountName:
    """Local part and domain, both lower-case and NFC; safe as names of files."""

    local_part: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain}"


def account_name(user: str) -> AccountName | None:
    """The account that `user` names, or None when no account can have that name."""
    if len(user) > NAME_LIMIT or len(user.encode("utf-8", "surrogatepass")) > NAME_LIMIT:
        return None
    local_part, _, domain = unicodedata.normalize("NFC", user.strip().lower()).rpartition("@")
    if not is_local_part(local_part) or not DOMAIN.fullmatch(domain):
        return None
    return AccountName(local_part, domain)


def is_local_part(local_part: str) -> bool:
    """True when an account may be called `local_part`: no blank, colon, slash or dot at the rim."""
    return LOCAL_PART.fullmatch(local_part) is not None
