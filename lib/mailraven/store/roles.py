"""What a mailbox is for, as far as that tells spam from good mail."""

from pathlib import Path

from mailraven.policy.lessons import Role
from mailraven.store.account import special_uses
from mailraven.store.names import INBOX, canonical


def role_of(maildir: Path, name: str, quarantine: str) -> Role:
    r"""The role of a mailbox by its special use (RFC 6154 §2); `quarantine`, where the server puts
    spam, is one for junk. Reads one small file. Raises BadMailboxName, OSError."""
    name = canonical(name)
    if name == INBOX:
        return "inbox"
    uses = special_uses(maildir).get(name, "").split()
    if "\\Junk" in uses or name == quarantine:
        return "junk"
    if "\\Trash" in uses:
        return "trash"
    return "own" if "\\Sent" in uses or "\\Drafts" in uses else "other"
