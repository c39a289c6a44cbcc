"""What the name of a message's file tells of it: when it was saved, and whose copy it is.

The unique part of a name in a Maildir begins with the second in which the file was put there, and
COPY and MOVE make a new one. So it holds the save date (RFC 8514) and the EMAILID (RFC 8474), and a
lost journal, a restored backup or another program's rename of flags changes neither. A copy has
",E=ID" in its name, with the EMAILID of what it was copied from.

Text here is ASCII.
"""

import re
from hashlib import blake2b

_SAVED = re.compile(r"(\d{1,12})\.")
_EMAIL_ID = re.compile(r",E=([0-9a-f]{24})(?:,|$)")


def save_date(base: str) -> int | None:
    """Unix seconds at which the file with the unique part `base` was saved; None if unknown."""
    found = _SAVED.match(base)
    return int(found[1]) if found else None


def email_id(base: str) -> str:
    """24 hexadecimal digits: the same for a message and its copies, and for no other."""
    found = _EMAIL_ID.search(base)
    if found:
        return found[1]
    # What follows "," are notes of programs: sizes of Maildir++, the UIDs of mbsync.
    own = base.partition(",")[0].encode("utf-8", "surrogateescape")
    return blake2b(own, digest_size=12).hexdigest()


def copied(base: str, source: str) -> str:
    """The unique part `base`, new, for a copy of the message with the unique part `source`."""
    return f"{base},E={email_id(source)}"


def mailbox_id(uid_validity: int) -> str:
    """MAILBOXID (RFC 8474 §4).

    No two mailboxes of an account ever have the same UIDVALIDITY, and RENAME keeps it.
    """
    return f"M{uid_validity}"
