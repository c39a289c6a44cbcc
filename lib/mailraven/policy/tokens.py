"""What the learners see of a message: findings and words, each hashed to one of 65,536 places.

Never a name or address of the recipient, nor what the way of collecting mail leaves behind: dates,
ids. The shipped model sees no names of hosts either, so that what was learned from one mailbox
holds in another; what people teach here may also hang on who sent it, by sources_of().
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Set
from itertools import islice

from mailraven.mail.headers import unfold
from mailraven.policy.catalogue import CATALOGUE
from mailraven.policy.domains import FREE_MAIL, registered
from mailraven.policy.view import View

PLACES = 1 << 16
# What the tokens of sources_of() begin with.
SOURCES = ("author:", "named:", "host:", "net:", "to:", "titled:", "mould:")
WORD_LIMIT = 1200  # words of the body
_LETTERS = 20_000  # characters of the body
# Not learned: they tell of the age or the way of the mail that was learned from.
_UNTOLD = frozenset({"modern", "refers", "style-block", "plain-http", "signed", "signed-by-author"})
_KNOWN = frozenset(CATALOGUE) - _UNTOLD
_TAG_NAME = re.compile(r"<([a-zA-Z]{1,12})\b")
_WORD = re.compile(r"[^\W\d_][\w'-]{2,19}|[$€£%!]{1,3}")
_NUMBER = re.compile(r"\d+")
_CODE_RUN = re.compile(r"(?:[A-Za-z]*9){2,}[A-Za-z]*")
_LETTER_RUN = re.compile(r"[A-Za-z]{2,}")
# Fields that programs which write mail have, and those which only carry or collect it have not.
_WRITTEN = frozenset(
    b"cc x-priority x-msmail-priority x-mimeole importance organization user-agent x-mailer sender"
    b" errors-to precedence feedback-id thread-index thread-topic content-language"
    b" x-accept-language x-originating-ip disposition-notification-to list-unsubscribe"
    b" list-unsubscribe-post list-id x-sender mime-version reply-to content-disposition"
    b" x-campaign x-job".split()
)
_EAST = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f\uac00-\ud7af]{2}")


def tokens_of(view: View, findings: Set[str]) -> frozenset[str]:
    """The tokens of a message; `findings` are those of the catalogue, other names do not count."""
    return frozenset(_tokens(view, findings))


def sources_of(view: View) -> frozenset[str]:
    """Who a message comes from, and the mould that it was made in: for those who learn here."""
    return frozenset(_sources(view))


def _sources(view: View) -> Iterator[str]:
    if view.author.domain:
        yield "author:" + (
            view.author.address
            if view.author.domain in FREE_MAIL
            else registered(view.author.domain)
        )
    if view.author.name:
        yield "named:" + _NUMBER.sub("9", view.author.name.lower())[:60]
    if view.facts.reverse_name:
        yield "host:" + registered(view.facts.reverse_name)
    if view.facts.client_ip:
        yield (
            "net:" + view.facts.client_ip.rpartition("." if "." in view.facts.client_ip else ":")[0]
        )
    for domain in sorted(view.link_domains)[:20]:
        yield "to:" + domain
    yield "titled:" + _NUMBER.sub("9", view.subject.lower())[:80].strip()
    if view.has_html:
        yield f"mould:{zlib.crc32(' '.join(_TAG_NAME.findall(view.source[:20_000])[:80]).encode())}"


def _tokens(view: View, findings: Set[str]) -> Iterator[str]:
    for name in findings & _KNOWN:
        yield "is:" + name
    for word in _words(view.subject[:300]):
        yield "subject:" + word
    yield from islice(_words(view.text[:_LETTERS]), WORD_LIMIT)
    for url in view.urls[:50]:
        yield "link:" + url.host.rpartition(".")[2]
    for name in sorted(view.html.names)[:60]:
        yield "tag:" + name[:12]
    yield from _sizes(view)
    for name in view.attachments[:20]:
        yield "file:" + name.rpartition(".")[2][:10]
    yield "from:" + view.author.domain.rpartition(".")[2]
    yield from _made_by(view)


def _sizes(view: View) -> Iterator[str]:
    """How much there is of what, each to a power of two."""
    yield f"words:{view.words.bit_length()}"
    yield f"links:{len(view.urls).bit_length()}"
    yield f"hosts:{len(view.link_domains).bit_length()}"
    yield f"images:{view.html.image_tags.bit_length()}"
    yield f"source:{(len(view.source) // (len(view.text) + 200)).bit_length()}"
    for name in view.fields.keys() & _WRITTEN:
        yield "field:" + name.decode("ascii")


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
    yield from _WORD.findall(lower)
    if not text.isascii():
        yield from _EAST.findall(lower)


def place_of(token: str) -> int:
    """Where a token counts: 0 to PLACES - 1."""
    return zlib.crc32(token.encode(errors="replace")) & (PLACES - 1)


def places_of(tokens: Iterable[str]) -> dict[int, str]:
    """The places of tokens, each with one token that is there, to explain it by."""
    crc32, mask = zlib.crc32, PLACES - 1  # as place_of: a call for each would cost as much again
    return {crc32(token.encode(errors="replace")) & mask: token for token in tokens}
