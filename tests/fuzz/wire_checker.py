"""A strict reader of IMAP's parenthesised data, after RFC 9051 §9: what clients must cope with."""

import re

_QUOTED = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{(0|[1-9]\d{0,9})\}\r\n")
_NUMBER = re.compile(rb"0|[1-9]\d{0,9}")

Value = bytes | int | None | list["Value"]


def read(wire: bytes) -> Value:
    """The one value that `wire` is: bytes, number, None for NIL, or a list. Raises ValueError."""
    value, end = _value(wire, 0)
    if end != len(wire):
        raise ValueError(f"rest after {end}: {wire[end : end + 40]!r}")
    return value


def _value(wire: bytes, at: int) -> tuple[Value, int]:
    if wire.startswith(b"(", at):
        return _list(wire, at + 1)
    if wire.startswith(b"NIL", at):
        return None, at + 3
    if match := _QUOTED.match(wire, at):
        return re.sub(rb"\\(.)", rb"\1", match[1]), match.end()
    if match := _LITERAL.match(wire, at):
        end = match.end() + int(match[1])
        octets = wire[match.end() : end]
        if len(octets) != int(match[1]) or b"\0" in octets:
            raise ValueError(f"bad literal at {at}")
        return octets, end
    if match := _NUMBER.match(wire, at):
        return int(match[0]), match.end()
    raise ValueError(f"no value at {at}: {wire[at : at + 40]!r}")


def _list(wire: bytes, at: int) -> tuple[Value, int]:
    """Values with one blank between them; between lists there may be none (1*body, 1*address)."""
    found: list[Value] = []
    while not wire.startswith(b")", at):
        if found:
            glued = isinstance(found[-1], list) and wire.startswith(b"(", at)
            if not glued:
                at = _blank(wire, at)
        value, at = _value(wire, at)
        found.append(value)
    if not found:
        raise ValueError(f"empty list before {at}")
    return found, at + 1


def _blank(wire: bytes, at: int) -> int:
    if not wire.startswith(b" ", at):
        raise ValueError(f"no blank at {at}: {wire[at : at + 40]!r}")
    return at + 1


def check_envelope(value: Value) -> None:
    """RFC 9051 §9, envelope."""
    assert isinstance(value, list)
    assert len(value) == 10
    for n in (0, 1, 8, 9):
        _nstring(value[n])
    for addresses in value[2:8]:
        if addresses is not None:
            assert isinstance(addresses, list)
            for address in addresses:
                assert isinstance(address, list)
                assert len(address) == 4
                for member in address:
                    _nstring(member)


def check_body(value: Value, *, extensible: bool) -> None:
    """RFC 9051 §9, body: BODYSTRUCTURE if `extensible`, else BODY."""
    assert isinstance(value, list)
    if isinstance(value[0], list):
        parts = [member for member in value if isinstance(member, list)]
        count = next(n for n, member in enumerate(value) if not isinstance(member, list))
        for part in parts[:count]:
            check_body(part, extensible=extensible)
        assert isinstance(value[count], bytes)
        rest = value[count + 1 :]
        _check_extension(rest, extensible, multipart=True)
        return
    rest = _check_one_part(value, extensible)
    _check_extension(rest, extensible, multipart=False)


def _check_one_part(value: list[Value], extensible: bool) -> list[Value]:
    media, subtype = value[:2]
    assert isinstance(media, bytes)
    assert isinstance(subtype, bytes)
    _parameters(value[2])
    _nstring(value[3])
    _nstring(value[4])
    assert isinstance(value[5], bytes)
    assert isinstance(value[6], int)
    if media == b"message" and subtype in (b"rfc822", b"global"):
        check_envelope(value[7])
        check_body(value[8], extensible=extensible)
        assert isinstance(value[9], int)
        return value[10:]
    if media == b"text":
        assert isinstance(value[7], int)
        return value[8:]
    return value[7:]


def _check_extension(rest: list[Value], extensible: bool, *, multipart: bool) -> None:
    if not extensible:
        assert rest == []
        return
    assert len(rest) == 4
    if multipart:
        _parameters(rest[0])
    else:
        _nstring(rest[0])
    if rest[1] is not None:
        assert isinstance(rest[1], list)
        assert len(rest[1]) == 2
        assert isinstance(rest[1][0], bytes)
        _parameters(rest[1][1])
    if rest[2] is not None:
        assert isinstance(rest[2], list)
        assert all(isinstance(tag, bytes) for tag in rest[2])
    _nstring(rest[3])


def _parameters(value: Value) -> None:
    if value is not None:
        assert isinstance(value, list)
        assert len(value) % 2 == 0
        assert all(isinstance(member, bytes) for member in value)


def _nstring(value: Value) -> None:
    assert value is None or isinstance(value, bytes)
