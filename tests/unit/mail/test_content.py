"""Transfer encodings undone piece by piece."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.mail.content import PIECE, decode_pieces, decode_transfer

ENCODINGS = st.sampled_from([b"base64", b"quoted-printable", b"7bit", b"unknown"])
SPECIAL = st.sampled_from([b"=", b"=4", b"=\r\n", b"= \n", b"=\r", b"==", b"\r\n", b"QUJD", b"41"])
PIECES = st.lists(st.one_of(SPECIAL, st.binary(max_size=6)), max_size=40)


@given(PIECES, ENCODINGS)
def test_pieces_decode_as_the_whole_does(pieces: list[bytes], encoding: bytes) -> None:
    whole = decode_transfer(b"".join(pieces), encoding)
    assert b"".join(decode_pieces(pieces, encoding)) == whole


def test_an_equals_sign_that_escapes_nothing_eats_nothing() -> None:
    assert decode_transfer(b"a=\rb c\r\n==41=", b"quoted-printable") == b"a=\rb c\r\n=A"


@pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable", b"7bit"])
def test_a_large_body_is_decoded_piece_by_piece(encoding: bytes) -> None:
    line = {b"base64": b"aGVsbG8g", b"quoted-printable": b"he=6C=\r\nlo "}.get(encoding, b"hello ")
    body = line * (3 * PIECE // len(line))
    assert decode_transfer(body, encoding) == b"hello " * (3 * PIECE // len(line))
    assert decode_transfer(b"=" * 2 * PIECE, encoding) == b"=" * (
        0 if encoding == b"base64" else 2 * PIECE - (encoding == b"quoted-printable")
    )
