"""Who wrote a message that a user hands in: From and Sender, read strictly (RFC 5322 §3.4, §3.6.2).

address_list.py makes something of everything; so does every mail reader, and of odd values each
makes something else. What we check must be what all of them show, so only what has one meaning is
taken here: names of atoms (with dots, RFC 5322 §4.1, and UTF-8, RFC 6532 §3.2), encoded words and
quoted strings, comments, and addresses of two dot-atoms. Linear in its input.
"""

import re
from collections.abc import Iterator

from mailraven.mail.headers import decode_words, unfold

AUTHORS_LIMIT = 100  # of one field

_ATOM = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\xff-]++"  # atext (RFC 5322 §3.2.3), UTF-8, dots
_TOKEN = re.compile(
    rb"(?P<address>" + _ATOM + rb"@" + _ATOM + rb")"
    rb"|<[ \t]*+(?P<angle>" + _ATOM + rb"@" + _ATOM + rb")[ \t]*+>"
    rb"|(?P<atom>" + _ATOM + rb")"
    rb'|(?P<quoted>"(?:[^"\\]|\\.)*+")'
    rb"|(?P<comment>\()"
    rb"|(?P<comma>,)"
    rb"|(?P<blanks>[ \t]++)",
    re.DOTALL,
)
_COMMENT_PART = re.compile(rb"\\.|[()]", re.DOTALL)
_ENCODED_WORDS = re.compile(rb"(?:=\?[^?]++\?[bBqQ]\?[^?]*+\?=)++")  # RFC 2047 §2
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_DECODED_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FAULTS = {
    b"\\": "a backslash outside quotes",
    b"[": "a bracket outside quotes",
    b"]": "a bracket outside quotes",
    b"(": "a comment without end",
    b")": "a parenthesis outside quotes",
    b'"': "a quote without end",
    b"<": "no plain address between < and >",
    b">": "> without <",
    b"@": "@ outside an address",
    b":": "a group",
    b";": "a group",
}


def parse_authors(value: bytes) -> list[str]:
    """The addresses in a raw From or Sender value, in order: at least one.

    Raises ValueError that says what stands there and must not.
    """
    value = unfold(value)
    _check_octets(value)
    authors: list[str] = []
    address, is_named = "", False  # of the author that is being read
    for kind, text in _tokens(value):
        if kind == "comma":
            authors.append(_whole(address))
            address, is_named = "", False
            if len(authors) >= AUTHORS_LIMIT:
                raise ValueError(f"more than {AUTHORS_LIMIT} authors")
        elif address:
            raise ValueError("more than a comment behind an address")
        elif kind == "angle":
            address = _checked_address(text)
        elif kind == "address" and is_named:
            raise ValueError(_FAULTS[b"@"])
        elif kind == "address":
            address = _checked_address(text)
        else:
            is_named = True
            _check_word(kind, text)
    return [*authors, _whole(address)]


def _tokens(value: bytes) -> Iterator[tuple[str, bytes]]:
    """Kind and text of all tokens but blanks and comments. Raises ValueError where none begins."""
    position = 0
    while position < len(value):
        match = _TOKEN.match(value, position)
        if match is None or match.lastgroup is None:
            raise ValueError(_FAULTS.get(value[position : position + 1], "an octet out of place"))
        kind, position = match.lastgroup, match.end()
        if kind == "comment":
            position = _comment_end(value, position)
        elif kind != "blanks":
            yield kind, match[kind]


def _comment_end(value: bytes, start: int) -> int:
    """Where the comment ends that was opened before `start`; they nest. RFC 5322 §3.2.2"""
    depth = 1
    for part in _COMMENT_PART.finditer(value, start):
        depth += {b"(": 1, b")": -1}.get(part[0], 0)
        if depth == 0:
            return part.end()
    raise ValueError(_FAULTS[b"("])


def _check_octets(value: bytes) -> None:
    """No controls, not even encoded ones, and 8-bit octets only as UTF-8. RFC 6532 §3.1"""
    try:
        value.decode()
    except UnicodeDecodeError:
        raise ValueError("8-bit octets that are not UTF-8") from None
    if _CONTROL.search(value):
        raise ValueError("a control character")
    if b"=?" in value and _DECODED_CONTROL.search(decode_words(value).replace("\t", " ")):
        raise ValueError("an encoded control character")


def _check_word(kind: str, text: bytes) -> None:
    """What begins like an encoded word is one, whole: else readers disagree where it ends."""
    if kind == "atom" and b"=?" in text and not _ENCODED_WORDS.fullmatch(text):
        raise ValueError("a broken encoded word")


def _checked_address(text: bytes) -> str:
    """An encoded word is no address (RFC 2047 §5), but some readers decode it there, too."""
    if b"=?" in text:
        raise ValueError("an encoded word in an address")
    return text.decode()


def _whole(address: str) -> str:
    if not address:
        raise ValueError("a name without an address")
    return address
