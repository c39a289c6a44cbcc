"""QUOTA: an account is one quota root, over all its mailboxes (RFC 9208, RFC 2087)."""

from dataclasses import dataclass

from mailraven.imap.grammar import Cursor

ROOT = b"account"  # the name of the only quota root
UNIT = 1024  # octets of STORAGE. RFC 9208 §5.1
RESOURCE_LIMIT = 2**63 - 1


@dataclass(frozen=True, slots=True)
class GetQuota:
    """RFC 9208 §4.1.1"""

    root: bytes


@dataclass(frozen=True, slots=True)
class GetQuotaRoot:
    """RFC 9208 §4.1.2"""

    mailbox: str


@dataclass(frozen=True, slots=True)
class SetQuota:
    """RFC 9208 §4.1.3: what it would set is read and thrown away, for no user may."""


def get_quota(cursor: Cursor) -> GetQuota:
    """quota-root-name"""
    return GetQuota(cursor.astring())


def get_quota_root(cursor: Cursor) -> GetQuotaRoot:
    """mailbox"""
    return GetQuotaRoot(cursor.mailbox())


def set_quota(cursor: Cursor) -> SetQuota:
    """quota-root-name SP setquota-list"""
    cursor.astring()
    cursor.space()

    def resource() -> None:
        cursor.atom()
        cursor.space()
        cursor.number(RESOURCE_LIMIT)

    cursor.parenthesised(resource, may_be_empty=True)
    return SetQuota()


def quota_line(used: tuple[int, int], limit: tuple[int, int]) -> bytes:
    """QUOTA; both are octets and messages, and a limit of 0 is none. RFC 9208 §4.2.1"""
    resources = []
    if limit[0]:
        resources.append(b"STORAGE %d %d" % (_units(used[0]), _units(limit[0])))
    if limit[1]:
        resources.append(b"MESSAGE %d %d" % (used[1], limit[1]))
    return b'* QUOTA "%b" (%b)\r\n' % (ROOT, b" ".join(resources))


def _units(octets: int) -> int:
    return -(-octets // UNIT)
