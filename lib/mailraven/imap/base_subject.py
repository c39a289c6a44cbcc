"""What a subject is about, without Re:, Fwd:, [list] and the like (RFC 5256 §2.1, §5)."""

import re
from typing import NamedTuple

from mailraven.mail.headers import decode_words

_BLANKS = re.compile(r"[ \t\r\n]+")
_BLOB = re.compile(r"\[[^\[\]]*+\] *+")
_REFWD = re.compile(r"(?:re|fwd?) *+(?:\[[^\[\]]*+\] *+)?:", re.IGNORECASE)
_TRAILER = re.compile(r"(?:\)dwf\(| )*", re.IGNORECASE)  # on the text turned round
_MARK = re.compile(r"[\[:)]")  # without one there is nothing but blanks to take away
_FORWARD = "[fwd:"


class BaseSubject(NamedTuple):
    """The text, and whether its marks said that the message is a reply or was forwarded."""

    text: str
    is_reply: bool


def base_subject(raw: bytes) -> BaseSubject:
    """The base subject of a raw Subject value; linear in it."""
    text = _BLANKS.sub(" ", decode_words(raw))  # step 1
    if not _MARK.search(text):
        return BaseSubject(text.strip(" "), False)
    start, end = 0, len(text)
    turned = text[::-1]
    is_reply = False
    while True:
        cut = _TRAILER.match(turned, len(text) - end)  # step 2
        tail = end - (cut.end() - (len(text) - end)) if cut else end
        tail = max(tail, start)
        is_reply |= ")" in text[tail:end]
        end = tail
        start, has_leader = _without_leaders(text, start, end)
        is_reply |= has_leader
        wrapped = text[start : start + len(_FORWARD)].lower() == _FORWARD
        if not (wrapped and end - start > len(_FORWARD) and text[end - 1] == "]"):
            return BaseSubject(text[start:end], is_reply)
        start, end, is_reply = start + len(_FORWARD), end - 1, True  # step 6


def _without_leaders(text: str, start: int, end: int) -> tuple[int, bool]:
    """Where the text begins behind all subj-leader and subj-blob, and if a subj-refwd was there.

    Steps 3 to 5. A run of blobs goes with the subj-refwd behind it; without one, all go as long
    as something is left: the last is the subj-base then. Each run is looked at once.
    """
    is_reply = False
    while True:
        while start < end and text[start] == " ":
            start += 1
        last = at = start
        while at < end and (blob := _BLOB.match(text, at, end)):
            last, at = at, blob.end()
        mark = _REFWD.match(text, at, end)
        if not mark:
            return (at if at < end else last), is_reply
        start, is_reply = mark.end(), True
