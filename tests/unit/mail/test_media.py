"""Parameters of Content-Type and Content-Disposition: sections joined (RFC 2231)."""

import pytest

from mailraven.mail.media import PARAMETER_LIMIT, media_of, parameters_of
from mailraven.mail.mime import parse_structure


@pytest.mark.req("FR-036")
@pytest.mark.parametrize(
    ("text", "joined"),
    [
        (b'; N*0="long "; n*1=er', ((b"N", b"long er"),)),
        (b"; n*1=b; x=y; n*0=a", ((b"n", b"ab"), (b"x", b"y"))),
        (b"; n*0*=utf-8'en'%C3%A9; n*1*=%20x", ((b"n*", b"utf-8'en'%C3%A9%20x"),)),
        (b"; n*0*=utf-8''%C3%A9; n*1=\"a b%'\"", ((b"n*", b"utf-8''%C3%A9a%20b%25%27"),)),
        (b"; n*0=a; n*1*=%20", ((b"n*", b"''a%20"),)),
        (b"; n*=utf-8''x; n=y", ((b"n*", b"utf-8''x"), (b"n", b"y"))),
    ],
)
def test_sections_are_joined_where_the_first_stood(
    text: bytes, joined: tuple[tuple[bytes, bytes], ...]
) -> None:
    assert parameters_of(text) == joined


@pytest.mark.parametrize(
    "names", [(b"n*1", b"n*2"), (b"n*0", b"n*2"), (b"n*0", b"n*0"), (b"n*00", b"n*01"), (b"*0",)]
)
def test_sections_that_are_not_whole_stay_as_they_came(names: tuple[bytes, ...]) -> None:
    came = tuple((name, b"v") for name in names)
    assert parameters_of(b"".join(b"; %b=v" % name for name in names)) == came


def test_many_sections_are_joined_in_order() -> None:
    text = b"".join(b"; n*%d=%d" % (n, n % 10) for n in reversed(range(300)))
    assert parameters_of(text) == ((b"n", b"0123456789" * 30),)


def test_parameters_are_counted() -> None:
    text = b"; a=b" * (PARAMETER_LIMIT + 100)
    assert parameters_of(text) == ((b"a", b"b"),) * PARAMETER_LIMIT


def test_a_boundary_in_sections_divides() -> None:
    header = b"Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\r\n\r\n"
    root = parse_structure(header + b"--ab\r\n\r\none\r\n--ab--\r\n")
    assert len(root.children) == 1
    assert media_of(root.fields).parameter(b"boundary") == b"ab"
