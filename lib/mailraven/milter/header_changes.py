"""A header as filters want it."""

import re
from collections.abc import Iterable

from mailraven.milter.answers import AddField, ChangeField, FieldChange, InsertField

_WHOLE = re.compile(rb"^(?:([!-9;-~]++)[ \t]*+:)?+.*+(?:\n[ \t].*+)*+\n?", re.MULTILINE)

Piece = tuple[bytes, bytes]  # name in lower case ("" for what is no field), all its octets


def changed(header: bytes, changes: Iterable[FieldChange], *, keeps_blank: bool) -> bytes:
    """`header`, the block without the empty line, with the changes in their order.

    `keeps_blank`: the values of the filter begin behind the colon; else a blank goes between.
    """
    if header and not header.endswith(b"\n"):
        header += b"\r\n"
    pieces = [(m[1].lower() if m[1] else b"", m[0]) for m in _WHOLE.finditer(header) if m[0]]
    for change in changes:
        blank = b"" if keeps_blank else b" "
        piece = (change.name.lower(), change.name + b":" + blank + change.value + b"\r\n")
        match change:
            case AddField():
                pieces.append(piece)
            case InsertField(index):
                pieces.insert(max(index - 1, 0), piece)
            case ChangeField():
                _change(pieces, change, piece)
    return b"".join(raw for _, raw in pieces)


def _change(pieces: list[Piece], change: ChangeField, piece: Piece) -> None:
    """One that is not there is added, as sendmail does."""
    places = [place for place, (name, _) in enumerate(pieces) if name == piece[0]]
    index = max(change.index, 1) - 1
    if index >= len(places):
        if change.value:
            pieces.append(piece)
    elif change.value:
        pieces[places[index]] = piece
    else:
        del pieces[places[index]]
