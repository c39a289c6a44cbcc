"""The account that a log-in name means, checked so strictly that it may become part of a path.

A log-in name is the whole address of an account. Aliases, sub-addresses and bare local parts do not
log in: one account has one name, or throttling would count its guesses under many.
"""

from dataclasses import dataclass

from mailraven.config import names
from mailraven.mail.address import a_labels

NAME_LIMIT = 320  # characters: 64 of local part, "@", 255 of domain. RFC 5321 §4.5.3.1


@dataclass(frozen=True, slots=True)
class AccountName:
    """Local part and domain (A-labels), both lower-case; safe as names of files."""

    local_part: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain}"


def account_name(user: str) -> AccountName | None:
    """The account that `user` names, or None when no account can have that name."""
    if len(user) > NAME_LIMIT:
        return None
    local_part, at, domain = user.strip().rpartition("@")
    try:
        return AccountName(*names.split_address(f"{local_part}{at}{a_labels(domain)}"))
    except ValueError:  # UnicodeError of the domain is one, too
        return None


def is_local_part(local_part: str) -> bool:
    """True when an account may be called so: no blank, colon, slash or dot at the rim."""
    try:
        return names.account_name(local_part) == local_part
    except ValueError:
        return False
