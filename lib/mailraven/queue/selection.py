"""Which messages of the queue an operator means. Pure: an entry and its state in, a yes or no out.

Addresses may have the wildcards of a shell: "*@example.net", "news-*@example.org". Without one an
address is meant whole, so that "bob@example.net" is not "notbob@example.net". What says something
of recipients selects those that are still waited for, and each alone.
"""

import re
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache

from mailraven.mail.address import normalise_domain, split_address
from mailraven.mail.types import QueueId
from mailraven.queue.entry import QueuedRecipient, QueueEntry
from mailraven.queue.spool import Folder

NULL_SENDER = "<>"  # how an operator writes the null reverse-path


@dataclass(frozen=True, slots=True)
class Selection:
    """All of it must hold; what is empty says nothing.

    `older` is in seconds since the message came; `text` is a part of the last answer, in any case;
    `hold` is a part of why it is held.
    """

    ids: frozenset[QueueId] = field(default_factory=frozenset)
    folders: tuple[Folder, ...] = ()
    sender: str = ""
    recipient: str = ""
    domain: str = ""
    account: str = ""
    older: float = 0.0
    text: str = ""
    hold: str = ""

    @property
    def is_everything(self) -> bool:
        """Whether nothing was said."""
        return self == Selection()

    @property
    def names_recipients(self) -> bool:
        """Whether single recipients of a message may be meant."""
        return bool(self.recipient or self.domain or self.text)

    def chosen(self, entry: QueueEntry, folder: Folder, now: float) -> tuple[int, ...] | None:
        """Positions of the recipients of `entry` that are meant; None when the message is not.

        They are all pending ones where only the message is spoken of.
        """
        if not self._means(entry, folder, now):
            return None
        if not self.names_recipients:
            return entry.pending
        found = tuple(n for n in entry.pending if self._means_recipient(entry.recipients[n]))
        return found or None

    def _means(self, entry: QueueEntry, folder: Folder, now: float) -> bool:
        sender = entry.reverse_path or NULL_SENDER
        return (
            (not self.ids or entry.id in self.ids)
            and (not self.folders or folder in self.folders)
            and (not self.sender or is_like(sender, self.sender))
            and (not self.account or is_like(entry.account or "", self.account))
            and (not self.older or now - entry.received.timestamp() >= self.older)
            and self.hold in entry.hold
        )

    def _means_recipient(self, one: QueuedRecipient) -> bool:
        answer = one.answer.text if one.answer is not None else ""
        return (
            (not self.recipient or is_like(one.address, self.recipient))
            and (not self.domain or _is_in(one.address, self.domain))
            and self.text.lower() in answer.lower()
        )


def is_like(address: str, pattern: str) -> bool:
    """Whether a pattern means an address, in any case."""
    return _compiled(pattern.lower()).match(address.lower()) is not None


def _is_in(address: str, domain: str) -> bool:
    """Whether an address is of a domain, written as A-labels or U-labels, or with wildcards."""
    own = split_address(address)[1]
    return is_like(own, domain) or normalise_domain(own) == normalise_domain(domain)


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern.replace("[", "[[]")))  # an address literal, no set
