"""A message as the tests of a rule see it: header fields, who wrote it, texts, HTML, links.

All is cut to stated sizes, so that the worst message costs as little as a large good one. Nothing
here raises, whatever the octets.
"""

import re
from dataclasses import dataclass, field

from mailraven.mail.address_list import HeaderAddress, parse_address_list
from mailraven.mail.charset import codec_of, decode_text
from mailraven.mail.headers import decode_base64, decode_q, decode_words, fields, split_message
from mailraven.mail.media import disposition_of
from mailraven.mail.mime import Part, parse_structure
from mailraven.policy.domains import FREE_MAIL, domain_of, registered
from mailraven.policy.facts import Facts
from mailraven.policy.html_view import HtmlView, view_html
from mailraven.policy.urls import URL_LIMIT, Url, urls_in

SCAN_LIMIT = 256 << 10  # octets of a message whose structure is looked at
HEADER_LIMIT = 64 << 10  # octets of its header
FIELD_LIMIT = 500  # fields of its header
VALUE_LIMIT = 4096  # octets of a field that is decoded
TEXT_LIMIT = 64 << 10  # octets of text, decoded, of each kind
PART_LIMIT = 60  # parts that are looked into
OPENED_LIMIT = 400  # entities that are opened at all
ATTACHMENT_LIMIT = 60

_WORD = re.compile(r"[^\W_\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f\uac00-\ud7af]{2,}")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f\uac00-\ud7af]")


@dataclass(frozen=True, slots=True)
class Author:
    """An address of a field: what is shown, and what it is, in lower case; "" for none."""

    name: str = ""
    address: str = ""

    @property
    def domain(self) -> str:
        return domain_of(self.address)


NOBODY = Author()


@dataclass(slots=True)
class View:
    """`text` is what a reader sees first; `plain` the text/plain parts. Fields have lower-case
    names and raw values."""

    message: bytes
    facts: Facts
    header: bytes
    fields: dict[bytes, list[bytes]]
    root: Part
    subject: str
    author: Author
    authors: int  # addresses in From
    reply_to: Author
    recipients: list[Author]
    plain: str = ""
    source: str = ""  # of the HTML
    html: HtmlView = field(default_factory=HtmlView)
    has_html: bool = False
    has_plain: bool = False
    attachments: list[str] = field(default_factory=list)  # their names, in lower case
    urls: list[Url] = field(default_factory=list)
    bad_encoding: bool = False  # a text that is not what its charset says
    parts: int = 0
    text: str = ""
    words: int = 0  # of that text
    link_domains: frozenset[str] = frozenset()  # registered domains of its links
    own_domains: frozenset[str] = frozenset()  # of all who say that they sent it

    def first(self, name: bytes) -> bytes | None:
        """The raw value of the first field of that name."""
        values = self.fields.get(name)
        return values[0] if values else None

    def decoded(self, name: bytes) -> str:
        """The text of the first field of that name, "" without one."""
        value = self.first(name)
        return "" if value is None else decode_words(value[:VALUE_LIMIT])


def view_of(message: bytes, facts: Facts) -> View:
    """What there is to see in a message."""
    message = message[:SCAN_LIMIT]
    header = split_message(message)[0][:HEADER_LIMIT]
    pairs = fields(header.replace(b"\r\n", b"\n"))[:FIELD_LIMIT]
    by_name: dict[bytes, list[bytes]] = {}
    for name, value in pairs:
        by_name.setdefault(name, []).append(value)
    authors = _addresses(by_name, b"from")
    recipients = _addresses(by_name, b"to") + _addresses(by_name, b"cc")
    view = View(
        message,
        facts,
        header,
        by_name,
        parse_structure(message, dict(reversed(pairs)), OPENED_LIMIT),
        decode_words(by_name.get(b"subject", [b""])[0][:VALUE_LIMIT]),
        authors[0] if authors else NOBODY,
        len(authors),
        next(iter(_addresses(by_name, b"reply-to")), NOBODY),
        recipients,
    )
    _look_into_parts(view)
    return view


def _addresses(by_name: dict[bytes, list[bytes]], name: bytes) -> list[Author]:
    value = by_name.get(name, [b""])[0][:VALUE_LIMIT]
    return [_author(one) for one in parse_address_list(value) if one.mailbox is not None]


def _author(one: HeaderAddress) -> Author:
    address = b"%s@%s" % (one.mailbox or b"", one.host) if one.host else one.mailbox or b""
    return Author(decode_words(one.name or b"").strip(), decode_text(address).lower())


def _look_into_parts(view: View) -> None:
    plain: list[str] = []
    sources: list[str] = []
    left = {b"plain": TEXT_LIMIT, b"html": TEXT_LIMIT}
    for part in _leaves(view.root):
        view.parts += 1
        kind = part.media.subtype if part.media.type == b"text" else b""
        name = _file_name(part)
        if name or kind not in left:
            if len(view.attachments) < ATTACHMENT_LIMIT:
                view.attachments.append(name or f"({part.media.subtype[:40].decode('latin-1')})")
            continue
        text = _text(view, part, left[kind])
        left[kind] -= len(text)
        (sources if kind == b"html" else plain).append(text)
    view.has_html, view.has_plain = bool(sources), bool(plain)
    view.plain, view.source = "\n".join(plain), "\n".join(sources)
    if _is_html(view.plain) and not sources:
        view.source, view.has_html, view.has_plain = view.plain, True, False
    if view.has_html:
        view.html = view_html(view.source)
    links = [url for url, _ in view.html.links]
    view.urls = (links + urls_in(view.plain))[:URL_LIMIT]
    view.text = view.html.text if view.has_html else view.plain
    view.words = words_in(view.text)
    view.link_domains = frozenset(url.domain for url in view.urls)
    view.own_domains = _own_domains(view)


def words_in(text: str) -> int:
    """How many words a text has; where none are spaced, two letters stand for one."""
    return len(_WORD.findall(text)) + (0 if text.isascii() else len(_UNSPACED.findall(text)) // 2)


def _own_domains(view: View) -> frozenset[str]:
    """The domains of author, reverse-path and reverse name; none that anybody may write from."""
    hosts = [view.author.domain, domain_of(view.facts.mail_from or "")]
    hosts.append(view.facts.reverse_name or "")
    return frozenset(registered(host) for host in hosts if host and host not in FREE_MAIL)


def _is_html(text: str) -> bool:
    start = text[:400].lstrip().lower()
    return start.startswith(("<html", "<!doctype html", "<x-html", "<body", "<table", "<head"))


def _leaves(root: Part) -> list[Part]:
    """The parts that hold something, the first PART_LIMIT, in order; enclosed messages, too."""
    found: list[Part] = []
    waiting = [root]
    while waiting and len(found) < PART_LIMIT:
        part = waiting.pop()
        if part.children:
            waiting.extend(reversed(part.children))
        else:
            found.append(part)
    return found


def _file_name(part: Part) -> str:
    disposition = disposition_of(part.fields)
    parameters = disposition[1] if disposition else ()
    for key, value in (*parameters, *part.media.parameters):
        if key.lower().rstrip(b"*0") in (b"filename", b"name"):
            return decode_words(value[:300]).strip().lower() or "?"
    return "?" if disposition and disposition[0].lower() == b"attachment" else ""


def _text(view: View, part: Part, limit: int) -> str:
    """The text of a part, at most `limit` characters of it."""
    # What is encoded is at most three times as long as what it stands for.
    data = view.message[part.body_start : min(part.end, part.body_start + 3 * limit)]
    if part.encoding == b"base64":
        data = decode_base64(data[: 2 * limit])
    elif part.encoding == b"quoted-printable":
        data = decode_q(data)
    data = data[:limit]
    charset = part.media.parameter(b"charset") or b"utf-8"
    if not data.isascii() and codec_of(charset) in ("utf_8", "ascii", "us_ascii", "utf8"):
        view.bad_encoding |= not _is_utf8(data)
    return decode_text(data, charset)[:limit]


def _is_utf8(data: bytes) -> bool:
    try:
        data[:-4].decode()  # the cut may be inside of a character
    except UnicodeDecodeError as error:
        return error.start >= len(data) - 8
    return True
