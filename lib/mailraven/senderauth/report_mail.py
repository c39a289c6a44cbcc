"""Reports in the mail: taken out of messages of strangers, and put into ours.

An archive is opened in pieces and only as far as a report may be long: what unpacks to more, how
small it may be, is refused.
"""

import io
import zipfile
import zlib
from binascii import b2a_base64
from collections.abc import Iterator

from mailraven.mail.content import decode_transfer
from mailraven.mail.mime import Part, parse_structure
from mailraven.senderauth.feedback import Feedback, parse_feedback
from mailraven.senderauth.tls_report import TlsReport, parse_tls_report

PACKED_LIMIT = 10 << 20  # octets of an attachment
UNPACKED_LIMIT = 20 << 20  # octets of a report
PARTS_LIMIT = 50  # of a message that are looked at

Report = Feedback | TlsReport


def reports_in(message: bytes) -> list[Report]:
    """The reports in a message, or in the bare file that such a message has attached."""
    found: list[Report] = []
    for content in _attachments(message):
        try:
            found.append(parse_report(content))
        except ValueError:
            continue
    return found


def _attachments(message: bytes) -> Iterator[bytes]:
    if message[:2] in (b"\x1f\x8b", b"PK") or message.lstrip()[:1] in (b"<", b"{"):
        yield message
        return
    for number, part in enumerate(_leaves(parse_structure(message))):
        if number >= PARTS_LIMIT:
            return
        if part.media.type in (b"application", b"text") and part.size <= PACKED_LIMIT * 3 // 2:
            yield decode_transfer(message[part.body_start : part.end], part.encoding)


def _leaves(part: Part) -> Iterator[Part]:
    if not part.children:
        yield part
    for child in part.children:
        yield from _leaves(child)


def parse_report(content: bytes) -> Report:
    """The report in XML or JSON, packed by gzip, zip or not at all. Raises ValueError."""
    text = unpack(content).lstrip()
    if text.startswith(b"{"):
        return parse_tls_report(text)
    if b"<" not in text[:10]:
        raise ValueError("neither XML nor JSON")
    return parse_feedback(text)


def unpack(content: bytes) -> bytes:
    """What a gzip or zip archive holds, or `content` itself. Raises ValueError."""
    if len(content) > PACKED_LIMIT:
        raise ValueError("too long")
    if content.startswith(b"\x1f\x8b"):
        return _gunzip(content)
    if content.startswith(b"PK"):
        return _unzip(content)
    return content


def _gunzip(content: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(content, UNPACKED_LIMIT + 1)
    except zlib.error as error:
        raise ValueError("a broken gzip file") from error
    return _bounded(text)


def _unzip(content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            first = archive.infolist()[0]
            with archive.open(first) as file:
                return _bounded(file.read(UNPACKED_LIMIT + 1))
    except (zipfile.BadZipFile, zlib.error, IndexError, RuntimeError, OSError, EOFError) as error:
        raise ValueError("a broken zip file") from error  # RuntimeError: it wants a password
    except (NotImplementedError, UnicodeDecodeError) as error:
        raise ValueError("a zip file of an unknown kind") from error


def _bounded(text: bytes) -> bytes:
    if len(text) > UNPACKED_LIMIT:
        raise ValueError("a report that unpacks to too much")
    return text


def base64_lines(content: bytes) -> bytes:
    """`content` in base64, lines of 76 and CRLF. RFC 2045 §6.8"""
    lines = [b2a_base64(content[at : at + 57], newline=False) for at in range(0, len(content), 57)]
    return b"\r\n".join(lines) + b"\r\n"
