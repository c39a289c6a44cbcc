"""Transfer encodings undone piece by piece."""

from hypothesis import given
from hypothesis import strategies as st

from mailraven.mail.content import decode_pieces, decode_transfer

ENCODINGS = st.sampled_from([b"base64", b"quoted-printable", b"7bit", b"unknown"])
SPECIAL = st.sampled_from([b"=", b"=4", b"=\r\n", b"= \n", b"=\r", b"==", b"\r\n", b"QUJD", b"41"])
PIECES = st.lists(st.one_of(SPECIAL, st.binary(max_size=6)), max_size=40)


@given(PIECES, ENCODINGS)
def test_pieces_decode_as_the_whole_does(pieces: list[bytes], encoding: bytes) -> None:
    whole = decode_transfer(b"".join(pieces), encoding)
    assert b"".join(decode_pieces(pieces, encoding)) == whole


def test_an_equals_sign_that_escapes_nothing_eats_nothing() -> None:
    assert decode_transfer(b"a=\rb c\r\n==41=", b"quoted-printable") == b"a=\rb c\r\n=A"
