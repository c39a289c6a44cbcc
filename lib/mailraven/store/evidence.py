"""Which messages of an account are spam and which are good mail, by where they lie and their flags.

Spam is what lies in the mailbox for junk. Good mail is what was filed in mailboxes of one's own,
and what in the inbox was answered or flagged, or read and kept for SETTLED. The keywords $Junk and
$NotJunk count more. Nothing is said of Sent, Drafts and Trash, and of mail marked as deleted: what
a person writes is not like what comes to them, and to delete says nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mailraven.mail.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, keyword_bit, mask_of
from mailraven.policy.lessons import GOOD, SPAM, Role, keyword_kind
from mailraven.store.account import list_mailboxes
from mailraven.store.journal_file import JournalFile
from mailraven.store.names import find
from mailraven.store.quarantine import arrived_at, messages_in
from mailraven.store.roles import role_of

SETTLED = 86400  # seconds


@dataclass(frozen=True, slots=True)
class Evidence:
    """A message and what it is, "s" or "g"; `arrived` in Unix seconds."""

    path: Path
    kind: str
    arrived: float


def evidence_in(maildir: Path, quarantine: str, now: float) -> Iterator[Evidence]:
    """All messages that tell something, in no order. Waits for the disk. Raises OSError."""
    for info in list_mailboxes(maildir):
        role = role_of(maildir, info.name, quarantine)
        if not info.selectable or role in ("own", "trash"):
            continue
        place = find(maildir, info.name)
        keywords = _keywords_of(place)
        for path in messages_in(place):
            arrived = arrived_at(path)
            kind = kind_of(role, mask_of(path.name), keywords, is_settled=now - arrived > SETTLED)
            if kind:
                yield Evidence(path, kind, arrived)


def kind_of(role: Role, mask: int, keywords: Sequence[str], *, is_settled: bool) -> str:
    """What a message with the flags `mask` is: "s", "g" or "" for unknown."""
    if mask & (DELETED | DRAFT):
        return ""
    said = keyword_kind([word for n, word in enumerate(keywords) if mask & keyword_bit(n)])
    if said or role == "junk":
        return said or SPAM
    if role == "other" or mask & (ANSWERED | FLAGGED):
        return GOOD
    return GOOD if mask & SEEN and is_settled else ""


def _keywords_of(place: Path) -> list[str]:
    journal = JournalFile.read(str(place))
    if journal is None:
        return []
    journal.close()
    return journal.state.keywords
