"""ENVELOPE, BODY and BODYSTRUCTURE in wire form (RFC 9051 §7.5.2, RFC 3501 §7.4.2).

Values are sent as the header has them: to decode encoded words and percent signs is the client's
work. Sections of one parameter are joined (RFC 2231 §6); RFC 9051 §7.5.2 would have them in UTF-8,
too, under a name that says that they are encoded, which no client could read.
"""

from functools import lru_cache

from mailraven.imap.wire import NIL, nstring, string
from mailraven.mail.address_list import HeaderAddress, parse_address_list
from mailraven.mail.headers import Octets, fields, unfold
from mailraven.mail.media import Parameters, content_encoding, disposition_of
from mailraven.mail.mime import Part

ADDRESS_LIMIT = 1 << 18  # octets of address lists read for one ENVELOPE: 5,000 recipients or so
_ADDRESS_FIELDS = (b"from", b"to", b"cc", b"bcc", b"sender", b"reply-to")
_EXTENSION_FIELDS = frozenset(
    {b"content-md5", b"content-disposition", b"content-language", b"content-location"}
)
_KNOWN_LENGTH = 128  # octets; longer lists are rare, and must not fill the memory
_US_ASCII = b'"charset" "us-ascii"'  # RFC 2045 §5.2


def envelope_wire(header_block: bytes) -> bytes:
    """The ENVELOPE of a message with this header."""
    return envelope_of_fields(fields(header_block))


def envelope_of_fields(header: list[tuple[bytes, bytes]], limit: int = ADDRESS_LIMIT) -> bytes:
    """The ENVELOPE of a header that is already split; `header` as headers.fields() gives it.

    Of its address lists at most `limit` octets are read.
    """
    first = dict(reversed(header))
    is_single = len(first) == len(header)
    lists = {}
    for name in _ADDRESS_FIELDS:
        if name in first:
            value = first[name] if is_single else _joined(first, header, name)
            lists[name] = _addresses(value[:limit])
            limit = max(0, limit - len(value))
    sender = lists.get(b"from", NIL)
    return b"(%s %s %s %s %s %s %s %s %s %s)" % (
        _text(first, b"date"),
        _text(first, b"subject"),
        sender,
        _or(lists.get(b"sender", NIL), sender),  # RFC 9051 §7.5.2: From stands in for both
        _or(lists.get(b"reply-to", NIL), sender),
        lists.get(b"to", NIL),
        lists.get(b"cc", NIL),
        lists.get(b"bcc", NIL),
        _text(first, b"in-reply-to"),
        _text(first, b"message-id"),
    )


def _or(value: bytes, default: bytes) -> bytes:
    return default if value is NIL else value


def _text(first: dict[bytes, bytes], name: bytes) -> bytes:
    value = first.get(name)
    return NIL if value is None else string(unfold(value))


def _joined(first: dict[bytes, bytes], header: list[tuple[bytes, bytes]], name: bytes) -> bytes:
    """The value of an address field; those of fields given twice count together."""
    values = [value for key, value in header if key == name]
    return first[name] if len(values) == 1 else b",".join(values)


def _addresses(value: bytes) -> bytes:
    """The address list of a field; NIL for an empty one."""
    return _known_addresses(value) if len(value) <= _KNOWN_LENGTH else _rendered(value)


def _rendered(value: bytes) -> bytes:
    rendered = b"".join([_address(address) for address in parse_address_list(value)])
    return b"(%s)" % rendered if rendered else NIL


_known_addresses = lru_cache(1024)(_rendered)  # most mail is of few people, to one


def _address(address: HeaderAddress) -> bytes:
    name, adl, mailbox, host = address
    return b"(%s %s %s %s)" % (nstring(name), nstring(adl), nstring(mailbox), nstring(host))


def body_wire(data: Octets, part: Part, extensible: bool) -> bytes:
    """The body structure of `part` of the message `data`: BODYSTRUCTURE if `extensible`, or BODY.

    `data` is needed for the envelopes of enclosed messages.
    """
    body, structure = body_wires(data, part)
    return structure if extensible else body


def body_wires(data: Octets, part: Part) -> tuple[bytes, bytes]:
    """BODY and BODYSTRUCTURE of `part`, made in one walk."""
    writer = _Writer(data)
    writer.write(part)
    return b"".join(writer.body), b"".join(writer.structure)


class _Writer:
    """The two forms as they grow; only BODYSTRUCTURE has the extension data."""

    def __init__(self, data: Octets) -> None:
        self.data = data
        self.body: list[bytes] = []
        self.structure: list[bytes] = []
        self.address_limit = ADDRESS_LIMIT  # of all enclosed messages together

    def both(self, piece: bytes) -> None:
        self.body.append(piece)
        self.structure.append(piece)

    def write(self, part: Part) -> None:
        """Appends body of RFC 9051 §9, and itself for what is inside; DEPTH_LIMIT bounds that."""
        if part.is_multipart:
            self.multipart(part)
        else:
            self.one_part(part)
        self.structure.append(_extension(part))
        self.both(b")")

    def multipart(self, part: Part) -> None:
        self.both(b"(")
        for child in part.children:
            self.write(child)
        self.both(b" " + string(part.media.subtype))
        self.structure.append(b" " + _parameters(part.media.parameters))

    def one_part(self, part: Part) -> None:
        self.both(b"(" + _basic_fields(part))
        if part.is_message:
            self.enclosed(part.children[0])
        if part.is_message or part.media.type == b"text":
            self.both(b" %d" % part.lines)
        self.structure.append(b" " + _unfolded(part, b"content-md5"))

    def enclosed(self, message: Part) -> None:
        header = fields(self.data[message.header_start : message.body_start])
        self.both(b" %s " % envelope_of_fields(header, self.address_limit))
        spent = message.body_start - message.header_start
        self.address_limit = max(0, self.address_limit - spent)
        self.write(message)


def _basic_fields(part: Part) -> bytes:
    """From the type to the octets: what every part but a multipart has."""
    media = part.media
    parameters = _parameters(media.parameters)
    if media.type == b"text" and media.parameter(b"charset") is None:
        # RFC 2045 §5.2: text without a charset is US-ASCII.
        parameters = b"(%s)" % _US_ASCII if parameters is NIL else _with_us_ascii(parameters)
    return b"%s %s %s %s %s %s %d" % (
        string(media.type),
        string(media.subtype),
        parameters,
        _unfolded(part, b"content-id"),
        _unfolded(part, b"content-description"),
        string(content_encoding(part.fields)),
        part.size,
    )


def _with_us_ascii(parameters: bytes) -> bytes:
    return b"%s %s)" % (parameters[:-1], _US_ASCII)


def _parameters(parameters: Parameters) -> bytes:
    if not parameters:
        return NIL
    return b"(%s)" % b" ".join([string(octets) for pair in parameters for octets in pair])


def _unfolded(part: Part, name: bytes) -> bytes:
    value = part.fields.get(name)
    return NIL if value is None else string(unfold(value))


def _extension(part: Part) -> bytes:
    """Disposition, language and location, which all parts may have."""
    if _EXTENSION_FIELDS.isdisjoint(part.fields):
        return b" NIL NIL NIL"
    disposition = NIL
    found = disposition_of(part.fields)
    if found:
        disposition = b"(%s %s)" % (string(found[0]), _parameters(found[1]))
    return b" %s %s %s" % (
        disposition,
        _languages(part.fields.get(b"content-language")),
        _unfolded(part, b"content-location"),
    )


def _languages(value: bytes | None) -> bytes:
    """The tags of Content-Language as a list (RFC 3282 §2)."""
    if value is None:
        return NIL
    tags = b" ".join([string(tag) for tag in value.replace(b",", b" ").split()])
    return b"(%s)" % tags if tags else NIL
