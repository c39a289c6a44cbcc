"""The first words of a message, for a list of messages (RFC 8970 §3). Never raises, linear.

Looks at a bounded piece of the first part that has text: enough for any mail that people write.
"""

import html
import re

from mailraven.mail.charset import decode_text
from mailraven.mail.content import KNOWN_ENCODINGS, decode_transfer
from mailraven.mail.headers import Octets
from mailraven.mail.media import disposition_of
from mailraven.mail.mime import Part

PREVIEW_LIMIT = 200  # characters. RFC 8970 §3.3
# Octets that are looked at, more of them where fewer had too little text.
_PLAIN_READ = (1 << 10, 4 << 10)
_HTML_READ = (3 << 10, 64 << 10)  # a style sheet may go on for long
_ENOUGH = PREVIEW_LIMIT + 64  # characters: what was cut may spoil the last ones, and no others
_PART_LIMIT = 100  # parts that are looked at until one has text

# Elements that show no text; one that is not closed hides the rest.
_HIDDEN = re.compile(
    # With IGNORECASE for all of it, the search for "<" would be slow.
    r"<(?:!--.*?(?:-->|\Z)|((?i:style|script|head|title))\b.*?(?:</(?i:\1)\s*>|\Z))",
    re.DOTALL,
)
_TAG = re.compile(r"<[/!?a-zA-Z][^<>]*(?:>|\Z)")
_QUOTE = re.compile(r"^(?:>.*|--\s)$", re.MULTILINE)  # quoted lines, the start of a signature
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\xa0\u034f\u200b-\u200f\u2028-\u202f\u2060-\u2064\ufeff\xad]+"
)
_CUT_UTF8 = re.compile(
    rb"[\xc0-\xff][\x80-\xbf]{0,2}\Z"
)  # half a character would make all of it no UTF-8
_JOINER = "\u034f"  # the one character of _INVISIBLE that counts as printable


def preview_of(data: Octets, root: Part) -> bytes:
    """At most PREVIEW_LIMIT characters of UTF-8 on one line; empty where there is no text."""
    for part in _texts(root):
        words = _words(data, part)
        if words:
            # UTF-7 can hold half a surrogate pair.
            return words[:PREVIEW_LIMIT].rstrip().encode("utf-8", "replace")
    return b""


def _texts(root: Part) -> list[Part]:
    """Parts with text to be read, in order; of alternatives text/plain comes first."""
    found: list[Part] = []
    waiting = [root]
    for _ in range(_PART_LIMIT):
        if not waiting:
            break
        part = waiting.pop()
        children = part.children
        if part.media[:2] == (b"multipart", b"alternative"):
            children = sorted(children, key=lambda child: child.media[:2] != (b"text", b"plain"))
        waiting += reversed(children)
        if part.media[:2] in ((b"text", b"plain"), (b"text", b"html")) and not _is_attached(part):
            found.append(part)
    return found


def _is_attached(part: Part) -> bool:
    disposition = disposition_of(part.fields)
    return disposition is not None and disposition[0].lower() == b"attachment"


def _words(data: Octets, part: Part) -> str:
    if part.encoding not in KNOWN_ENCODINGS:
        return ""
    words = ""
    for limit in _HTML_READ if part.media.subtype == b"html" else _PLAIN_READ:
        words = _words_within(data, part, limit)
        if len(words) >= _ENOUGH or part.size <= limit:
            break
    return words


def _words_within(data: Octets, part: Part, limit: int) -> str:
    end = min(part.end, part.body_start + limit)
    octets = decode_transfer(data[part.body_start : end], part.encoding)
    charset = part.media.parameter(b"charset") or b"utf-8"
    if end < part.end:
        octets = _CUT_UTF8.sub(b"", octets)
    text = decode_text(octets, charset)
    if part.media.subtype == b"html":
        text = html.unescape(_TAG.sub(" ", _HIDDEN.sub(" ", text)))
    else:
        text = _QUOTE.sub("", text.replace("\r\n", "\n"))
    words = " ".join(text.split())
    if words.isprintable() and _JOINER not in words:
        return words
    return " ".join(_INVISIBLE.sub(" ", words).split())
