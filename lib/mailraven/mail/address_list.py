"""Address lists of header fields, as far as they can be understood (RFC 5322 §3.4, §4.4).

Never raises and is linear in its input: every octet is looked at a fixed number of times.
"""

import re
from typing import NamedTuple

from mailraven.mail.headers import unfold


class HeaderAddress(NamedTuple):
    """One address structure as IMAP has it (RFC 9051 §7.5.2): raw octets, quoting undone.

    A group starts with its name as `mailbox` and no `host`, and ends with four Nones. An address
    that lacks a mailbox or a host has b"" there.
    """

    name: bytes | None
    adl: bytes | None
    mailbox: bytes | None
    host: bytes | None


GROUP_END = HeaderAddress(None, None, None, None)

# What nearly all of mail looks like: "Name" <a@b>, Name <a@b>, a@b; possessive, so linear.
_PLAIN = re.compile(
    rb'\s*+(?:(?:"([^"\\]*+)"|([^"\\()<>,:;\[\]]*+))\s*+'
    rb'<([^\s"\\()<>@,:;\[\]]++)@([^\s"\\()<>@,:;\[\]]++)>'
    rb'|([^\s"\\()<>@,:;\[\]]++)@([^\s"\\()<>@,:;\[\]]++))\s*+(?:,\s*+|\Z)'
)
# Every alternative takes `\` with the octet behind it, so that all scans agree on which quotes
# are escaped: only then does a quote without its partner cost one look ahead and not many.
_TOKEN = re.compile(
    rb'"((?:[^"\\]|\\.)*+)"'
    rb"|(=\?[^?\s\\]++\?[bBqQ]\?[^?\\]*+\?=)"  # encoded-word: its commas separate nothing
    rb"|(\[(?:[^\[\]\\]|\\.)*+\]?)"
    rb"|([<>@,:;(])"
    rb'|((?:[^\s"\\\[<>@,:;()]|\\.)++)',
    re.DOTALL,
)
_COMMENT_PART = re.compile(rb"\\.|[()]", re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)


def parse_address_list(value: bytes) -> list[HeaderAddress]:
    """The addresses of a raw header value, in order, groups included."""
    value = unfold(value)
    found: list[HeaderAddress] = []
    position, end = 0, len(value)
    while position < end:
        match = _PLAIN.match(value, position)
        if match is None:
            _Cursor(value, position, found).address_list()
            break
        quoted, phrase, mailbox, host, bare_mailbox, bare_host = match.groups()
        name = (quoted or phrase or b"").rstrip() or None
        found.append(HeaderAddress(name, None, mailbox or bare_mailbox, host or bare_host))
        position = match.end()
    return found


class _Cursor:
    """One left-to-right pass over a list that is not plain; methods follow RFC 5322 §3.4."""

    def __init__(self, value: bytes, position: int, found: list[HeaderAddress]) -> None:
        self.value = value
        self.position = position
        self.found = found
        self.words: list[bytes] = []  # of the phrase or addr-spec being read, "@" included
        self.comment: bytes | None = None  # the last one: old mail puts names there
        self.in_group = False

    def address_list(self) -> None:
        """Reads addresses to the end of the value."""
        while (token := self.token()) is not None:
            special, word = token
            if special == b",":
                self.finish()
            elif special == b"<":
                self.angle_addr()
            elif special == b":" and not self.in_group and b"@" not in self.words:
                self.start_group()
            elif special == b";":
                self.finish()
                self.end_group()
            elif special not in (b">", b":"):
                self.words.append(word)
        self.finish()
        self.end_group()

    def token(self) -> tuple[bytes | None, bytes] | None:
        """The next (special, word), special None for a mere word; None at the end.

        Comments are noted and passed over.
        """
        while match := _TOKEN.search(self.value, self.position):
            self.position = match.end()
            if match[4] == b"(":
                self.skip_comment()
            elif match[1] is not None:
                return None, _QUOTED_PAIR.sub(rb"\1", match[1])
            else:
                return match[4], match[0]
        return None

    def skip_comment(self) -> None:
        """Moves behind a comment; comments nest (RFC 5322 §3.2.2). An open one takes the rest."""
        start, depth = self.position, 1
        for match in _COMMENT_PART.finditer(self.value, start):
            depth += {b"(": 1, b")": -1}.get(match[0], 0)
            if depth == 0:
                self.comment = self.value[start : match.start()].strip()
                self.position = match.end()
                return
        self.position = len(self.value)

    def angle_addr(self) -> None:
        """Reads `[obs-route] addr-spec >` and adds the address, named by the words before it."""
        name = _phrase(self.words)
        self.words, adl = [], None
        while (token := self.token()) is not None:
            special, word = token
            if special == b">" or (special == b"," and self.words[:1] != [b"@"]):
                break  # a comma too: an unclosed bracket must not swallow the next address
            if special == b":" and self.words[:1] == [b"@"]:
                adl, self.words = b"".join(self.words), []  # RFC 5322 §4.4, obs-route
            else:
                self.words.append(word)
        mailbox, host = _addr_spec(self.words)
        self.add(HeaderAddress(name or self.comment, adl, mailbox, host))

    def add(self, address: HeaderAddress) -> None:
        self.found.append(address)
        self.words, self.comment = [], None

    def finish(self) -> None:
        """Adds the bare addr-spec, or lone words, that stand before a separator."""
        if b"@" in self.words:
            mailbox, host = _addr_spec(self.words)
            self.add(HeaderAddress(self.comment or None, None, mailbox, host))
        elif len(self.words) == 1 and b" " not in self.words[0]:
            self.add(HeaderAddress(self.comment or None, None, self.words[0], b""))
        elif self.words:
            self.add(HeaderAddress(_phrase(self.words), None, b"", b""))
        self.comment = None

    def start_group(self) -> None:
        self.add(HeaderAddress(None, None, _phrase(self.words) or b"", None))
        self.in_group = True

    def end_group(self) -> None:
        if self.in_group:
            self.add(GROUP_END)
        self.in_group = False


def _phrase(words: list[bytes]) -> bytes | None:
    return b" ".join(words).replace(b" @ ", b"@") or None  # many put an address for a name


def _addr_spec(words: list[bytes]) -> tuple[bytes, bytes]:
    """Mailbox and host: parted at the last @, blanks and comments around dots gone (obs-local)."""
    if b"@" not in words:
        return b"".join(words), b""
    at = len(words) - 1 - words[::-1].index(b"@")
    return b"".join(words[:at]), b"".join(words[at + 1 :])
