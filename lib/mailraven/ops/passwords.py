"""Passwords: how a new one is made, and which ones are taken from people."""

import secrets

from mailraven.ops.errors import OperationError

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 letters; none is read as another
GROUPS, GROUP = 4, 5  # 20 letters of 5 bits each: 100 bits
LEAST = 8  # characters. NIST SP 800-63B §5.1.1.1


def generate_password() -> str:
    """A fresh password like "hk3rv-9wq2d-mmx4p-z7tge"; 100 bits of chance."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))
    return "-".join(groups)


def check_password(password: str, address: str) -> None:
    """Raises OperationError when `password` is too weak for the account `address`."""
    if len(password) < LEAST:
        raise OperationError(f"the password has fewer than {LEAST} characters")
    if password.lower() in (address.lower(), address.partition("@")[0].lower()):
        raise OperationError("the password is the name of the account")
    if len(set(password)) == 1:
        raise OperationError("the password is one character again and again")
