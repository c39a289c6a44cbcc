"""Tag lists, `v=1; a=rsa-sha256; ...`, of signatures and of records in the DNS. RFC 6376 §3.2"""

import re

LIST_LIMIT = 32 * 1024  # octets
TAGS_LIMIT = 100

_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*+")
_BLANKS = b" \t\r\n"


def parse_tags(text: bytes) -> dict[str, bytes]:
    """The tags in order, blanks around names and values cut off.

    Raises ValueError that says what is wrong: a name twice, a piece that is no tag.
    """
    if len(text) > LIST_LIMIT:
        raise ValueError("too long")
    pieces = _FOLD.sub(b"", text).split(b";")
    if len(pieces) > TAGS_LIMIT:
        raise ValueError("too many tags")
    tags: dict[str, bytes] = {}
    for number, piece in enumerate(pieces):
        if not piece.strip(_BLANKS) and number == len(pieces) - 1:
            continue  # a semicolon may end the list
        name, equals, value = piece.partition(b"=")
        name = name.strip(_BLANKS)
        if not equals or not _NAME.fullmatch(name):
            raise ValueError("not a list of tags")
        if (key := name.decode()) in tags:
            raise ValueError(f"{key[:20]}= twice")
        tags[key] = value.strip(_BLANKS)
    return tags


def colon_list(value: bytes) -> list[bytes]:
    """The words of "a : b", in lower case."""
    return [word.strip(_BLANKS).lower() for word in value.split(b":")]


def compact(value: bytes) -> bytes:
    """`value` without the blanks that may stand anywhere in base64."""
    return value.translate(None, _BLANKS)
