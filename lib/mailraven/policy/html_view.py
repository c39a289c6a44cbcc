"""HTML as a reader sees it: its text, what is hidden in it, its links and pictures.

No parser of HTML but a walk over its tags, linear in its input, made for mail that lies: what
opens and never closes swallows nothing, and depth is bounded.
"""

import html
import re
from dataclasses import dataclass, field

from mailraven.policy.colours import PLAIN_LOOK, WHITE, Colour, are_alike, look_of
from mailraven.policy.urls import URL_LENGTH, URL_LIMIT, Url, parse_url

DEPTH_LIMIT = 200  # open elements that are remembered
TAG_LIMIT = 6000  # tags of one message that are looked at
ATTRIBUTES_LENGTH = 1000  # octets of one tag whose look is judged

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:]*+)([^<>]*+)>")
_TARGET = re.compile(
    r"\b(href|src|background|action)\s{0,3}=\s{0,3}(?:\"([^\"]{1,2000})|'([^']{1,2000})|([^\s\"'>]{1,2000}))",
    re.IGNORECASE,
)
_SIZE = re.compile(r"\b(?:width|height)\s{0,3}[=:]\s{0,3}[\"']?([01])(?:px)?\b")
_BLANKS = re.compile(r"\s+")
_VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
        "param",
    ]
)
_BLOCK = frozenset(
    [
        "br",
        "p",
        "div",
        "tr",
        "td",
        "th",
        "table",
        "li",
        "ul",
        "ol",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "center",
        "hr",
        "title",
    ]
)
_SWALLOWED = (
    ("<!--", "-->"),
    ("<style", "</style>"),
    ("<script", "</script>"),
    ("<title", "</title>"),
    ("<!", ">"),
)
_HUGE_NUMBER = re.compile(r"&#[xX]?[0-9a-fA-F]{9,}+;?")  # no character has it; int() would raise


@dataclass(slots=True)
class HtmlView:
    """What was seen. `links` are (target, text between <a> and </a>)."""

    text: str = ""
    hidden: str = ""  # what is not to be seen
    faint: int = 0  # characters in a colour like their background's
    links: list[tuple[Url, str]] = field(default_factory=list)
    images: list[Url] = field(default_factory=list)
    image_tags: int = 0
    pixels: int = 0  # pictures of one pixel or none
    tags: int = 0
    names: frozenset[str] = frozenset()
    comments: int = 0  # octets of comments
    odd_targets: frozenset[str] = frozenset()  # schemes that a mail has no use for
    linked_image: bool = False  # a picture inside a link


@dataclass(slots=True)
class _Open:
    name: str
    background: Colour
    foreground: Colour | None
    hidden: bool
    tiny: bool

    @property
    def unseen(self) -> bool:
        return self.hidden or self.tiny


def view_html(source: str) -> HtmlView:
    """What `source` shows. Never raises."""
    seen = HtmlView()
    lower = source.lower()
    for opening, closing in _SWALLOWED:
        if opening not in lower:
            continue
        source, gone = _without(source, opening, closing)
        lower = source.lower()
        if opening == "<!--":
            seen.comments = gone
    return _Walk(source, seen).whole()


class _Walk:
    """The walk from tag to tag."""

    def __init__(self, source: str, seen: HtmlView) -> None:
        self.source = source
        self.seen = seen
        self.stack = [_Open("", WHITE, None, False, False)]
        self.visible: list[str] = []
        self.hidden: list[str] = []
        self.names: set[str] = set()
        self.odd: set[str] = set()
        self.link: Url | None = None  # of the <a> that is open
        self.link_start = 0  # index of its first piece of visible text

    def whole(self) -> HtmlView:
        # The text before each tag, and the three groups of it; at last the text behind all.
        pieces = _TAG.split(self.source, TAG_LIMIT)
        for at in range(0, len(pieces) - 1, 4):
            if pieces[at]:
                self.text(pieces[at])
            self.tag(pieces[at + 2].lower(), pieces[at + 3], bool(pieces[at + 1]))
        self.seen.tags = len(pieces) // 4
        if self.seen.tags < TAG_LIMIT:
            self.text(pieces[-1])
        self.end_link()
        self.seen.text = _plain("".join(self.visible))
        self.seen.hidden = _plain("".join(self.hidden))
        self.seen.names, self.seen.odd_targets = frozenset(self.names), frozenset(self.odd)
        return self.seen

    def text(self, piece: str) -> None:
        top = self.stack[-1]
        if top.unseen:
            self.hidden.append(piece)
            return
        self.visible.append(piece)
        if top.foreground is not None and are_alike(top.foreground, top.background):
            self.seen.faint += len(piece.strip())

    def tag(self, name: str, attributes: str, closes: bool) -> None:
        if name in _BLOCK:
            (self.hidden if self.stack[-1].unseen else self.visible).append(" ")
        if closes:
            self.close(name)
            return
        self.names.add(name)
        if "=" in attributes:
            if name == "img":
                self.image(attributes)
            if _may_have_target(attributes):
                self.targets(name, attributes)
        if name not in _VOID and not attributes.endswith("/") and len(self.stack) < DEPTH_LIMIT:
            self.open(name, attributes)

    def open(self, name: str, attributes: str) -> None:
        look = look_of(attributes[:ATTRIBUTES_LENGTH]) if "=" in attributes else PLAIN_LOOK
        top = self.stack[-1]
        self.stack.append(
            _Open(
                name,
                look.background or top.background,
                look.foreground or top.foreground,
                look.hidden or top.hidden,
                top.tiny if look.tiny is None else look.tiny,
            )
        )

    def close(self, name: str) -> None:
        """Ends the nearest open element of that name; of one that is far up nobody knows."""
        if name == "a":
            self.end_link()
        for back in range(1, min(len(self.stack), 8)):
            if self.stack[-back].name == name:
                del self.stack[-back:]
                return

    def targets(self, name: str, attributes: str) -> None:
        for kind, *values in _TARGET.findall(attributes):
            value = _unescape("".join(values)[:URL_LENGTH]).strip()
            url = parse_url("https:" + value if value.startswith("//") else value)
            if url is None:
                self.odd.add(value.partition(":")[0].lower()[:12])
            elif name in ("a", "area", "form", "input"):
                self.start_link(url, kind.lower() == "src")
            elif len(self.seen.images) < URL_LIMIT:
                self.seen.images.append(url)

    def image(self, attributes: str) -> None:
        self.seen.image_tags += 1
        self.seen.pixels += _SIZE.search(attributes.lower()) is not None
        self.seen.linked_image |= self.link is not None

    def start_link(self, url: Url, is_image: bool) -> None:
        if is_image:
            self.seen.images.append(url)
            return
        self.end_link()
        self.link, self.link_start = url, len(self.visible)

    def end_link(self) -> None:
        if self.link is not None and len(self.seen.links) < URL_LIMIT:
            label = _plain("".join(self.visible[self.link_start : self.link_start + 50]))
            self.seen.links.append((self.link, label))
        self.link = None


def _may_have_target(attributes: str) -> bool:
    """False where no name that _TARGET looks for is there: most tags have a style alone."""
    if not attributes.isascii():
        return True
    lower = attributes.lower()
    return "href" in lower or "src" in lower or "background" in lower or "action" in lower


def _plain(text: str) -> str:
    return _BLANKS.sub(" ", _unescape(text)).strip()


def _unescape(text: str) -> str:
    return html.unescape(_HUGE_NUMBER.sub("", text)) if "&" in text else text


def _without(source: str, opening: str, closing: str) -> tuple[str, int]:
    """`source` without what stands between the two marks, and how many octets that were."""
    lower, pieces, position, gone = source.lower(), [], 0, 0
    if len(lower) != len(source):  # a letter that becomes two in lower case
        lower = source
    while (start := lower.find(opening, position)) >= 0:
        end = lower.find(closing, start + len(opening))
        if end < 0:
            break  # it never closes: some readers show it then
        end += len(closing)
        pieces.append(source[position:start])
        gone += end - start
        position = end
    return "".join([*pieces, source[position:]]), gone
