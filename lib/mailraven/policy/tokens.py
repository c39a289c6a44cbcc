"""What the learners see of a message: findings and words, each hashed to one of 65,536 places.

Never a name or address of the recipient, nor what the way of collecting mail leaves behind: names
of hosts, dates, ids. So what is learned from one mailbox holds in another.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Set

from mailraven.mail.headers import unfold
from mailraven.policy.catalogue import CATALOGUE
from mailraven.policy.view import View

PLACES = 1 << 16
WORD_LIMIT = 1200  # words of the body
_LETTERS = 20_000  # characters of the body
# Not learned: they tell of the age or the way of the mail that was learned from.
_UNTOLD = frozenset({"modern", "refers", "style-block", "plain-http", "signed", "signed-by-author"})
_KNOWN = frozenset(CATALOGUE) - _UNTOLD
_WORD = re.compile(r"[^\W\d_][\w'-]{2,19}|[$€£%!]{1,3}")
_NUMBER = re.compile(r"\d+")
_CODE_RUN = re.compile(r"(?:[A-Za-z]*9){2,}[A-Za-z]*")
_LETTER_RUN = re.compile(r"[A-Za-z]{2,}")
_EAST = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f\uac00-\ud7af]{2}")


def tokens_of(view: View, findings: Set[str]) -> frozenset[str]:
    """The tokens of a message; `findings` are those of the catalogue, other names do not count."""
    return frozenset(_tokens(view, findings))


def _tokens(view: View, findings: Set[str]) -> Iterator[str]:
    for name in findings & _KNOWN:
        yield "is:" + name
    for word in _words(view.subject[:300]):
        yield "subject:" + word
    for number, word in enumerate(_words(view.text[:_LETTERS])):
        if number >= WORD_LIMIT:
            break
        yield word
    for url in view.urls[:50]:
        yield "link:" + url.host.rpartition(".")[2]
    for name in view.attachments[:20]:
        yield "file:" + name.rpartition(".")[2][:10]
    yield "from:" + view.author.domain.rpartition(".")[2]
    yield from _made_by(view)


def _made_by(view: View) -> Iterator[str]:
    """How the program that wrote the message writes: shapes of what it made up, its name."""
    yield "id:" + _shape(unfold(view.first(b"message-id") or b"").partition(b"@")[0])
    boundary = view.root.media.parameter(b"boundary")
    if boundary is not None:
        yield "boundary:" + _shape(boundary)
    mailer = unfold(view.first(b"x-mailer") or view.first(b"user-agent") or b"")
    yield "mailer:" + _NUMBER.sub("", mailer.decode("latin-1").lower())[:24].strip()
    charset = view.root.media.parameter(b"charset") or b""
    encoding = view.root.encoding[:20].decode("latin-1")
    yield f"text:{charset[:20].decode('latin-1').lower()}:{encoding}"


def _shape(made_up: bytes) -> str:
    """The signs of a text and what kinds of letters stand between them: <a9.9$a>."""
    text = made_up[:120].decode("latin-1")
    return _LETTER_RUN.sub("a", _CODE_RUN.sub("x", _NUMBER.sub("9", text)))[:24]


def _words(text: str) -> Iterator[str]:
    lower = text.lower()
    for match in _WORD.finditer(lower):
        yield match[0]
    if not text.isascii():
        for match in _EAST.finditer(lower):
            yield match[0]


def place_of(token: str) -> int:
    """Where a token counts: 0 to PLACES - 1."""
    return zlib.crc32(token.encode(errors="replace")) & (PLACES - 1)


def places_of(tokens: Iterable[str]) -> dict[int, str]:
    """The places of tokens, each with one token that is there, to explain it by."""
    return {place_of(token): token for token in tokens}
