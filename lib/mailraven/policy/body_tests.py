"""Tests of the body: structure, HTML, links, attachments."""

import re

from mailraven.policy.domains import (
    CHEAP_TLDS,
    FREE_HOSTING,
    SHORTENERS,
    domain_of,
    is_below,
    registered,
)
from mailraven.policy.lettering import has_mixed_scripts, has_styled_letters, unseen_letters
from mailraven.policy.testing import Table
from mailraven.policy.urls import Url, parse_url
from mailraven.policy.view import View, words_in

_LINK_TEXT = re.compile(
    r"(?:https?://)?(?:www\.)?([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,4})(?=[/?:\s]|$)",
    re.IGNORECASE,
)
_PROGRAM = re.compile(
    r"\.(?:exe|scr|pif|com|bat|cmd|js|jse|vbs|vbe|wsf|hta|lnk|jar|msi|ps1|cpl|dll|iso|img|vhd|vhdx"
    r"|ace|r\d\d|xll|docm|xlsm|pptm|one|chm)$"
)
_HEXED = re.compile(r"%(?:[46][1-9a-f]|[57][0-9a]|3\d)", re.IGNORECASE)
_LONG_CODE = re.compile(r"[A-Za-z0-9+/_-]{60}|[0-9a-f]{32}")
# Both begin with letters that are rare, and look back from there: most of a text is passed over ten
# times as fast as by what begins with alternatives.
_COIN = re.compile(
    r"[b13](?<!\w[b13])(?:(?<=b)c1[a-z0-9]{25,60}|(?<=[13])[1-9A-HJ-NP-Za-km-z]{25,34})\b"
)
_MONEY = re.compile(
    r"\d(?:(?:(?<=[$€£¥]\d)|(?<=[$€£¥]\s\d)|(?<=(?:usd|eur|gbp)\d)|(?<=(?:usd|eur|gbp)\s\d))"
    r"\d{0,2}(?:[.,\s]?\d{3}){1,4}"
    r"|\d{0,2}(?:[.,\s]\d{3}){2,4}\s?(?:usd|euros?|dollars|€|\$)"
    r"|(?<!\w\d)\d{0,2}(?:[.,]\d{1,2})?\s(?:millions?|billion)\b)",
    re.IGNORECASE,
)
_MONEY_WORDS = ("usd", "eur", "gbp", "dollars", "million", "billion")  # one is in each match
_QUOTED_LINE = re.compile(r"^> ?\S", re.MULTILINE)
_PATCH = re.compile(r"^(?:diff --git |@@ -\d|--- a/|\+\+\+ b/)", re.MULTILINE)
_BLANK_RUN = re.compile(r"\n(?:[ \t]*+\r?\n){24}")  # from a line end on, so linear
_GIBBERISH = re.compile(r"\b(?=\w*\d)(?=\w*[a-zA-Z])\w{16,80}\b")
_STYLE_BLOCK = re.compile(r"<style[^<>]*>", re.IGNORECASE)


def _html_only(view: View) -> bool:
    return view.has_html and not view.plain.strip()


def _few_words(view: View, most: int) -> bool:
    return view.words <= most


def _deceiving_link(view: View) -> bool:
    """A link whose text is the name of a host of another domain."""
    for url, label in view.html.links:
        match = _LINK_TEXT.match(label.strip()[:200])
        if match is None or "@" in label or not re.search(r"\.[a-z]{2,}$", match[1].lower()):
            continue
        shown = registered(match[1].lower())
        if shown != url.domain and not _passes_on(url, shown) and not _is_file(match[1]):
            return True
    return False


def _is_file(name: str) -> bool:
    """Whether what looks like a host is rather the name of a file or program."""
    last = name.lower().rpartition(".")[2]
    return last in (
        "pdf",
        "html",
        "htm",
        "php",
        "jpg",
        "png",
        "doc",
        "docx",
        "zip",
        "txt",
        "py",
        "js",
        "xml",
        "md",
        "sh",
        "so",
        "cpp",
    )


def _passes_on(url: Url, domain: str) -> bool:
    """Whether the link names that domain itself, as those of redirectors do."""
    return domain in url.rest.lower()


def _any_host(view: View, names: frozenset[str]) -> bool:
    return any(is_below(host, names) for host in {url.host for url in view.urls})


def _cheap_link(view: View) -> bool:
    return any(domain.rpartition(".")[2] in CHEAP_TLDS for domain in view.link_domains)


def _cheap_author(view: View) -> bool:
    hosts = (
        view.author.domain,
        domain_of(view.facts.mail_from or ""),
        view.facts.reverse_name or "",
    )
    return any(host.rpartition(".")[2] in CHEAP_TLDS for host in hosts)


def _strange_links(view: View) -> bool:
    """There are links, and none to a domain that has to do with the senders."""
    return bool(view.link_domains) and not view.link_domains & view.own_domains


def _all_one_target(view: View) -> bool:
    """Several links, and all lead to one place."""
    targets = {url.text for url, _ in view.html.links}
    return len(view.html.links) >= 3 and len(targets) == 1


def _hexed_url(view: View) -> bool:
    """Letters and digits of a host or path as %XX: nobody needs that."""
    return any(
        _HEXED.search(url.host) or len(_HEXED.findall(url.rest.partition("?")[0])) > 3
        for url in view.urls
    )


def _recipient_in_link(view: View) -> bool:
    known = {one.address for one in view.recipients[:5] if "@" in one.address}
    known |= set(view.facts.recipients[:5])
    return any(address in url.rest.lower() for address in known for url in view.urls[:50])


def _bare_address_link(view: View) -> bool:
    return any(url.is_bare_address for url in view.urls)


def _foreign_image(view: View) -> bool:
    return bool(view.html.images) and not any(
        url.domain in view.own_domains for url in view.html.images
    )


def _image_instead_of_text(view: View) -> bool:
    return view.html.image_tags > 0 and view.words < 40 and bool(view.html.links)


def _alternatives_differ(view: View) -> bool:
    """Text and HTML of a message have hardly a word in common."""
    if not (view.has_html and view.has_plain):
        return False
    plain = set(re.findall(r"\w{4,}", view.plain[:6000].lower()))
    shown = set(re.findall(r"\w{4,}", view.html.text[:12000].lower()))
    if len(plain) < 8 or len(shown) < 8:
        return False
    return len(plain & shown) < 0.25 * min(len(plain), len(shown))


def _hidden_text(view: View, least: int) -> bool:
    """More hidden words than a preview line has, and more than are shown."""
    hidden = words_in(view.html.hidden)
    return hidden > least and hidden > 0.6 * view.words


def _is_odd_port(view: View) -> bool:
    return any(
        re.match(r"https?://[^/?#]{1,255}:(?!80\b|443\b)\d{2,5}", url.text, re.I)
        for url in view.urls
    )


def _random_words(view: View) -> bool:
    long = " ".join([word for word in view.text[:20000].split() if len(word) >= 16])
    return len(_GIBBERISH.findall(long)) >= 3


def _has_large_sum(view: View) -> bool:
    text = view.text[:40000]
    if text.isascii() and "$" not in text:  # of other signs there are more than are worth a look
        lower = text.lower()
        if not any(word in lower for word in _MONEY_WORDS):
            return False
    return _MONEY.search(text) is not None


def _has_patch(view: View) -> bool:
    marks = ("diff --git ", "@@ -", "--- a/", "+++ b/")
    return any(mark in view.plain for mark in marks) and bool(_PATCH.search(view.plain[:40000]))


def _is_report(view: View) -> bool:
    return view.root.media[:2] == (b"multipart", b"report")


def _enclosed_html(view: View) -> bool:
    return any(
        name.endswith((".htm", ".html", ".shtml", ".xhtml", ".svg")) for name in view.attachments
    )


def _encoded_text(view: View) -> bool:
    """ASCII text in base64."""
    part = view.root
    return (
        part.encoding == b"base64"
        and part.media.type == b"text"
        and view.text.isascii()
        and bool(view.text)
    )


def _labels(view: View) -> str:
    return " ".join(label for _, label in view.html.links[:100]).lower()


def _user_in_url(view: View) -> bool:
    return any(url.user or "%40" in url.host for url in view.urls)


def _redirected(view: View) -> bool:
    """A link through the open redirector of a large house."""
    return any(
        is_below(url.host, _REDIRECTORS) and parse_url(_inner(url.rest)) is not None
        for url in view.urls[:100]
    )


def _inner(rest: str) -> str:
    match = re.search(r"https?(?::|%3a)(?:/|%2f){1,2}\S{4,300}", rest, re.IGNORECASE)
    return match[0].replace("%3A", ":").replace("%3a", ":") if match else ""


_REDIRECTORS = frozenset(
    [
        "google.com",
        "bing.com",
        "youtube.com",
        "doubleclick.net",
        "googleadservices.com",
        "adurl.com",
        "linkedin.com",
        "baidu.com",
        "yahoo.com",
        "facebook.com",
    ]
)

BODY_TESTS: Table = {
    "html": ("HTML", lambda view: view.has_html),
    "html-only": ("HTML without a text beside it", _html_only),
    "empty": ("hardly a word", lambda view: _few_words(view, 3)),
    "short": ("fewer than 60 words", lambda view: _few_words(view, 60)),
    "long": ("more than 500 words", lambda view: view.words > 500),
    "links": ("links", lambda view: bool(view.urls)),
    "one-target": ("several links, all to one place", _all_one_target),
    "one-link-domain": ("links to one domain only", lambda view: len(view.link_domains) == 1),
    "deceiving-link": ("a link that shows another host than it leads to", _deceiving_link),
    "strange-links": ("links, none to a domain of the sender", _strange_links),
    "hexed-link": ("a link with its letters as %XX", _hexed_url),
    "address-link": ("a link to a bare address", _bare_address_link),
    "user-in-link": ("a link with a user name", _user_in_url),
    "odd-port-link": ("a link to an odd port", _is_odd_port),
    "shortened-link": ("a link through a shortener", lambda view: _any_host(view, SHORTENERS)),
    "free-hosting-link": (
        "a link to a place that costs nothing",
        lambda view: _any_host(view, FREE_HOSTING),
    ),
    "free-hosting-image": (
        "a picture from a place that costs nothing",
        lambda view: any(is_below(url.host, FREE_HOSTING) for url in view.html.images),
    ),
    "cheap-link": ("a link into a cheap top-level domain", _cheap_link),
    "cheap-author": ("sent from a cheap top-level domain", _cheap_author),
    "redirected-link": ("a link through an open redirector", _redirected),
    "recipient-in-link": ("the recipient's address in a link", _recipient_in_link),
    "coded-link": (
        "a link with a long code",
        lambda view: any(_LONG_CODE.search(url.rest) for url in view.urls),
    ),
    "plain-http": (
        "links without TLS",
        lambda view: any(url.text[:5].lower() == "http:" for url in view.urls),
    ),
    "image": ("a picture from elsewhere", lambda view: bool(view.html.images)),
    "foreign-image": ("pictures, none from the sender", _foreign_image),
    "image-for-text": ("a picture with a link in place of words", _image_instead_of_text),
    "linked-image": ("a picture that is a link", lambda view: view.html.linked_image),
    "pixel": ("a picture of one pixel", lambda view: view.html.pixels > 0),
    "many-pixels": ("three pictures of one pixel", lambda view: view.html.pixels > 2),
    "faint-text": ("text in the colour of its background", lambda view: view.html.faint > 60),
    "hidden-text": ("more hidden text than a preview line", lambda view: _hidden_text(view, 30)),
    "much-hidden-text": ("hundreds of hidden words", lambda view: _hidden_text(view, 150)),
    "many-comments": (
        "more comments than text",
        lambda view: view.html.comments > 2000 and view.html.comments > 2 * len(view.text),
    ),
    "alternatives-differ": ("text and HTML that do not say the same", _alternatives_differ),
    "empty-alternative": (
        "an empty text beside the HTML",
        lambda view: view.has_html and view.has_plain and len(view.plain.strip()) < 3,
    ),
    "form": ("a form", lambda view: "form" in view.html.names),
    "script": (
        "a script or frame",
        lambda view: bool(view.html.names & {"script", "iframe", "object", "embed", "applet"}),
    ),
    "data-link": (
        "a link that holds its page",
        lambda view: bool(view.html.odd_targets & {"data", "javascript", "vbscript"}),
    ),
    "input-image": ("a picture as a button", lambda view: "input" in view.html.names),
    "center": ("<center>", lambda view: "center" in view.html.names),
    "map": (
        "a map of links on a picture",
        lambda view: "map" in view.html.names or "area" in view.html.names,
    ),
    "styled-text": (
        "letters of mathematics for plain ones",
        lambda view: has_styled_letters(view.text),
    ),
    "mixed-scripts-text": (
        "words of letters from two alphabets",
        lambda view: has_mixed_scripts(view.text),
    ),
    "broken-words": (
        "words broken up by letters without width",
        lambda view: unseen_letters(view.text) > 5,
    ),
    "random-words": ("words of letters and digits by chance", _random_words),
    "blank-run": ("25 empty lines", lambda view: _BLANK_RUN.search(view.plain[:20000]) is not None),
    "encoded-text": ("plain text in base64", _encoded_text),
    "bad-encoding": ("text that is not what its charset says", lambda view: view.bad_encoding),
    "attachment": ("an attachment", lambda view: bool(view.attachments)),
    "html-attachment": ("a page as attachment", _enclosed_html),
    "program-attachment": (
        "a program as attachment",
        lambda view: any(_PROGRAM.search(name) for name in view.attachments),
    ),
    "archive-attachment": (
        "an archive as attachment",
        lambda view: any(
            name.endswith((".zip", ".rar", ".7z", ".gz", ".tar", ".cab", ".arj"))
            for name in view.attachments
        ),
    ),
    "pdf-attachment": (
        "a PDF as attachment",
        lambda view: any(name.endswith(".pdf") for name in view.attachments),
    ),
    "coin-address": (
        "an address to pay crypto coins to",
        lambda view: _COIN.search(view.text[:40000]) is not None,
    ),
    "large-sum": ("a large sum of money", _has_large_sum),
    "quoted-lines": (
        "quoted lines",
        lambda view: ">" in view.plain and _QUOTED_LINE.search(view.plain[:40000]) is not None,
    ),
    "patch": ("a patch", _has_patch),
    "report": ("a report of a mail system", _is_report),
    "style-block": ("a style sheet", lambda view: _STYLE_BLOCK.search(view.source) is not None),
    "signature": (
        "a signature of OpenPGP or S/MIME",
        lambda view: view.root.media.subtype == b"signed" or "-----BEGIN PGP" in view.plain,
    ),
}
