"""The PROXY header of both versions, in parts, with rubbish behind it, and what is none."""

import pytest

from mailraven.mail.errors import PeerError
from mailraven.smtp.proxy_protocol import V2_SIGNATURE, Proxied, parse

V1 = b"PROXY TCP6 2001:db8::7 2001:db8::1 4321 25\r\n"
V2 = V2_SIGNATURE + bytes([0x21, 0x11, 0, 12, 192, 0, 2, 7, 192, 0, 2, 1, 16, 225, 0, 25])
V2_EXTENDED = V2[:15] + bytes([17]) + V2[16:] + b"\x03\x00\x02ab"
V2_LOCAL = V2_SIGNATURE + bytes([0x20, 0, 0, 0])


@pytest.mark.parametrize(
    ("header", "peer"),
    [
        (V1, ("2001:db8::7", 4321)),
        (V2, ("192.0.2.7", 4321)),
        (V2_EXTENDED, ("192.0.2.7", 4321)),
        (V2_LOCAL, None),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ::1 ::1 1 2\r\n", None),
    ],
)
def test_a_header_is_read_when_it_is_whole(header: bytes, peer: tuple[str, int] | None) -> None:
    for length in range(len(header)):
        assert parse(header[:length]) is None, length
    for behind in (b"", b"EHLO a\r\n", b"\x16\x03\x01"):
        found = parse(header + behind)
        assert isinstance(found, Proxied)
        assert (found.length, found.peer) == (len(header), peer)


@pytest.mark.parametrize(
    "data",
    [
        b"EHLO a\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 4321\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 4321 25\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 99999 25\r\n",
        b"PROXY TCP4 192.0.2.777 192.0.2.1 1 25\r\n",
        b"PROXY " + b"a" * 120,
        V2_SIGNATURE + bytes([0x31, 0x11, 0, 12]) + bytes(12),
        V2_SIGNATURE + bytes([0x21, 0x11, 0, 4]) + bytes(4),
        V2_SIGNATURE + bytes([0x22, 0x11, 0, 12]) + bytes(12),
    ],
)
def test_anything_else_ends_the_connection(data: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        parse(data)
    assert caught.value.fatal
