"""The mailbox that a session has open, seen as its client knows it."""

from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import compress

from mailraven.imap.sequence import (
    SAVED,
    SequenceSet,
    place_of,
    places_of_numbers,
    places_of_saved,
    places_of_uids,
    set_wire,
)
from mailraven.imap.view import News, View
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.mail.flags import DELETED, RECENT, FlagNames
from mailraven.store.errors import StoreFull
from mailraven.store.mailbox import Mailbox

AT_ONCE = 500  # responses between which others have their turn
SYSTEM_FLAG_WORDS = b"\\Answered \\Flagged \\Deleted \\Seen \\Draft"


@dataclass(frozen=True, slots=True)
class Telling:
    """What the command just done allows to be told, and whether it wants UIDs with it."""

    may_expunge: bool = True
    with_uid: bool = False
    flags: bool = True


@dataclass(slots=True)
class Selected:
    """The mailbox that a session has open."""

    name: str
    mailbox: Mailbox
    view: View
    flag_names: FlagNames
    read_only: bool
    keywords_told: int  # how many keywords the last FLAGS response named
    recent_told: int = 0  # what the last RECENT response said
    rev2: bool = False  # UID comes with every FETCH response, nothing is recent. RFC 9051 §7.5.2
    out_of_step: bool = False  # more changed than can be told in order
    vanishes: bool = False  # VANISHED takes the place of EXPUNGE. RFC 7162 §3.2.10
    modseq_told: int = 0  # the client knows all changes up to here
    uid_only: bool = False  # UIDFETCH takes the place of FETCH. RFC 9586 §3
    condstore: bool = False  # MODSEQ and UID come with every change of flags. RFC 7162 §3.2.4
    untold: list[int] = field(default_factory=list)  # UIDs whose new flags are still to be told
    saved: "array[int]" = field(default_factory=partial(array, "L"))  # UIDs of "$". RFC 5182 §2.1

    @property
    def farewell(self) -> bytes:
        """Why the session must end; empty while it need not."""
        if self.mailbox.gone:
            return b"the selected mailbox was deleted"
        return b"too many changes to tell them one by one" if self.out_of_step else b""

    def places(self, numbers: SequenceSet, *, by_uid: bool) -> list[range]:
        """The places in the view that a set names. Raises PeerError for a wrong number."""
        view = self.view
        if numbers == SAVED:
            return places_of_saved(self.saved, view.uids, view.exists)
        if by_uid:
            return places_of_uids(numbers, view.uids, view.exists)
        return places_of_numbers(numbers, view.exists)

    def uids(self, places: list[range]) -> list[int]:
        """The UIDs at these places of the view."""
        uids = self.view.uids
        return [uid for span in places for uid in uids[span.start : span.stop]]

    def column(self, values: Sequence[int]) -> Sequence[int]:
        """One of the mailbox's arrays at the places of the view; 0 where a message is gone."""
        mailbox, view = self.mailbox, self.view
        if view.uids is mailbox.uids:
            return values[: view.exists]
        places = map(mailbox.place, view.uids[: view.exists])
        return [values[place] if place >= 0 else 0 for place in places]

    def names(self) -> Sequence[str]:
        """The unique parts of the file names at the places of the view; "" where one is gone."""
        mailbox, view = self.mailbox, self.view
        if view.uids is mailbox.uids:
            return mailbox.names[: view.exists]
        places = map(mailbox.place, view.uids[: view.exists])
        return [mailbox.names[place] if place >= 0 else "" for place in places]

    def modseq(self, uid: int) -> int:
        """MODSEQ of a message, 0 when it is expunged."""
        at = self.mailbox.place(uid)
        return self.mailbox.modseqs[at] if at >= 0 else 0

    def modseq_line(self, uid: int) -> bytes:
        """A FETCH response without flags; empty when the message is gone. RFC 7162 §3.1.3"""
        modseq, place = self.modseq(uid), place_of(uid, self.view.uids, self.view.exists)
        if not modseq or place < 0:
            return b""
        if self.uid_only:
            return b"* %d UIDFETCH (MODSEQ (%d))\r\n" % (uid, modseq)
        return b"* %d FETCH (UID %d MODSEQ (%d))\r\n" % (place + 1, uid, modseq)

    def highest_modseq_line(self) -> bytes:
        """HIGHESTMODSEQ, as far as the client has been told of changes. RFC 7162 §3.1.2.1"""
        return b"* OK [HIGHESTMODSEQ %d] highest\r\n" % self.modseq_told

    async def claim_recent(self) -> None:
        """Messages are recent for the one session that is first told of them. RFC 3501 §2.3.2"""
        mailbox = self.mailbox
        if self.rev2 or self.read_only or mailbox.recent_from >= mailbox.uid_next:
            return
        try:
            claimed = await mailbox.claim_recent()
        except (TemporaryError, PermanentError):
            return  # a full disk, a lock: not worth failing a command that has succeeded
        if not claimed:
            return
        recent = self.view.recent
        if recent and recent[-1][1] + 1 == claimed.start:
            recent[-1] = (recent[-1][0], claimed.stop - 1)
        else:
            recent.append((claimed.start, claimed.stop - 1))

    def flag_lines(self, *, with_uid: bool) -> list[bytes]:
        """FETCH responses for the first AT_ONCE of `untold`."""
        uids, self.untold = self.untold[:AT_ONCE], self.untold[AT_ONCE:]
        return [self.flag_line(uid, with_uid=with_uid) for uid in uids]

    def flag_line(self, uid: int, *, with_uid: bool) -> bytes:
        """A FETCH response with the message's flags; empty when it is gone."""
        state, view = self.mailbox.state, self.view
        place = at = state.place(uid)
        if view.uids is not state.uids or at >= view.exists:
            place = place_of(uid, view.uids, view.exists)
        if at < 0 or place < 0:
            return b""
        recent = RECENT if view.recent and view.is_recent(uid) else 0
        flags = self.flag_names.wire(state.masks[at] | recent)
        if self.uid_only:
            tail = b" MODSEQ (%d)" % state.modseqs[at] if self.condstore else b""
            return b"* %d UIDFETCH (FLAGS (%b)%b)\r\n" % (uid, flags, tail)
        if self.condstore:
            return b"* %d FETCH (UID %d FLAGS (%b) MODSEQ (%d))\r\n" % (
                place + 1,
                uid,
                flags,
                state.modseqs[at],
            )
        if with_uid or self.rev2:
            return b"* %d FETCH (UID %d FLAGS (%b))\r\n" % (place + 1, uid, flags)
        return b"* %d FETCH (FLAGS (%b))\r\n" % (place + 1, flags)


def news_lines(selected: Selected, news: News, told: Telling) -> list[bytes]:
    """The responses that tell `news`; flags behind the first AT_ONCE stay `untold`."""
    if selected.vanishes and news.vanished:
        lines = [b"* VANISHED %b\r\n" % set_wire(news.vanished)]
    else:
        lines = [b"* %d EXPUNGE\r\n" % number for number in news.expunged]
    if news.exists is not None:
        lines.append(b"* %d EXISTS\r\n" % news.exists)
    if told.flags:
        selected.untold += news.touched
        lines += selected.flag_lines(with_uid=told.with_uid)
    return lines


def flags_lines(selected: Selected) -> bytes:
    """FLAGS and PERMANENTFLAGS. RFC 3501 §7.1, §7.2.6"""
    keywords = [keyword.encode("ascii", "replace") for keyword in selected.mailbox.keywords]
    words = b" ".join([SYSTEM_FLAG_WORDS, *keywords])
    permanent = b"" if selected.read_only else words + b" \\*"
    return b"* FLAGS (%b)\r\n* OK [PERMANENTFLAGS (%b)] flags kept\r\n" % (words, permanent)


async def deleted_uids(selected: Selected) -> list[int]:
    """UIDs with \\Deleted, whoever set it, that the client knows; what came later is not meant."""
    mailbox, view = selected.mailbox, selected.view
    with suppress(StoreFull):  # then most of all
        await mailbox.refresh()
    known = view.uids[view.exists - 1] if view.exists else 0
    deleted = compress(mailbox.uids, [mask & DELETED for mask in mailbox.masks])
    return [uid for uid in deleted if uid <= known]
