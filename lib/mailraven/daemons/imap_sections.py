"""BODY[section] of one message, read from its open file (RFC 3501 §6.4.5)."""

import asyncio
import os
from functools import partial

from mailraven.daemons.connection import Closed
from mailraven.daemons.imap_octets import FileOctets
from mailraven.daemons.imap_session import Session
from mailraven.imap.fetch_commands import Preview, Section
from mailraven.imap.section import Span, cut, extract, header_fields
from mailraven.imap.wire import string
from mailraven.mail.headers import Octets, header_end
from mailraven.mail.mime import Part, parse_structure
from mailraven.mail.preview import preview_of

IN_MEMORY = 1 << 20  # octets: a message up to here is read at once
PARSED_AT_ONCE = 64 << 10  # octets: the structure of a larger one is parsed in a thread
PARTS_AT_ONCE = 500  # lines that may begin a part; more of them are parsed in a thread, too
PIECE = 256 << 10  # octets of a larger one that are in memory at a time


class OpenMessage:
    """The message behind the descriptor `fd`, which the caller closes."""

    def __init__(self, fd: int) -> None:
        size = os.fstat(fd).st_size
        self.octets: Octets = os.pread(fd, size, 0) if size <= IN_MEMORY else FileOctets(fd)
        self._root: Part | None = None

    async def content(self, section: Section) -> bytes | Span | None:
        """What the section holds, before partial is applied; None for NIL."""
        octets = self.octets
        if section.part:
            root = await self.structure()
            return extract(octets, root, section.part, section.text, section.fields)
        if section.text == "":
            return Span(0, len(octets))
        _, body = header_end(octets, 0, len(octets))
        match section.text:
            case "TEXT":
                return Span(body, len(octets))
            case "HEADER":
                return Span(0, body)
        return header_fields(octets[:body], section.fields, section.text.endswith(".NOT"))

    async def structure(self) -> Part:
        """Its MIME structure."""
        if self._root is None:
            parse = partial(parse_structure, self.octets)
            self._root = parse() if _is_quick(self.octets) else await asyncio.to_thread(parse)
        return self._root

    async def preview(self, wanted: Preview) -> bytes:
        """PREVIEW and its value; NIL for a large message, if it must not take long. RFC 8970"""
        if wanted.lazy and len(self.octets) > IN_MEMORY:
            return b"PREVIEW NIL"
        text = preview_of(self.octets, await self.structure())
        return b"PREVIEW " + string(text)

    async def send(self, session: Session, section: Section) -> None:
        """The item's label and value as a response."""
        content = await self.content(section)
        if content is None:
            session.send(section.label + b" NIL")
        elif isinstance(content, bytes):
            span = cut(Span(0, len(content)), section.partial)
            session.send(_literal(section.label, content[span.start : span.end]))
        else:
            await self._send_span(session, section.label, cut(content, section.partial))

    async def _send_span(self, session: Session, label: bytes, span: Span) -> None:
        length = span.end - span.start
        if length <= PIECE:
            session.send(_literal(label, self.octets[span.start : span.end]))
            return
        session.send(b"%b {%d}\r\n" % (label, length))
        for start in range(span.start, span.end, PIECE):
            piece = self.octets[start : min(start + PIECE, span.end)]
            if len(piece) != min(PIECE, span.end - start):
                raise Closed  # somebody cut the file: the promised octets are not there
            session.send(piece)
            await session.drain()


def _is_quick(octets: Octets) -> bool:
    if not isinstance(octets, bytes) or len(octets) > PARSED_AT_ONCE:
        return False
    return octets.count(b"\n--") <= PARTS_AT_ONCE


def _literal(label: bytes, text: bytes) -> bytes:
    return b"%b {%d}\r\n%b" % (label, len(text), text)
