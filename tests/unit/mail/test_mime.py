"""The MIME tree of sound and broken messages."""

import pytest

from mailraven.mail.mime import DEPTH_LIMIT, PART_LIMIT, Part, find_part, parse_structure

MULTIPART = b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n"


def shape(data: bytes) -> object:
    """The tree as nested lists of "type/subtype" and bodies."""
    return _shape(data, parse_structure(data))


def _shape(data: bytes, part: Part) -> object:
    name = b"%s/%s" % part.media[:2]
    if part.children:
        return [name, *(_shape(data, child) for child in part.children)]
    return name, data[part.body_start : part.end]


TEXT = b"text/plain"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", (TEXT, b"")),
        (b"\r\n", (TEXT, b"")),
        (b"A: b", (TEXT, b"")),
        (b"A: b\r\n\r\nbody", (TEXT, b"body")),
        (b"A: b\n\nbody\n", (TEXT, b"body\n")),
        (b"Content-Type: text\r\n\r\nx", (TEXT, b"x")),
        (b"Content-Type: Text/HTML ; charset=x\r\n\r\nx", (b"text/html", b"x")),
        (b"Content-Type: ;;;\r\n\r\nx", (TEXT, b"x")),
        (b"Content-Type: image/\r\n\r\nx", (b"image/plain", b"x")),
        (b"content-type:\r\n\timage/png\r\n\r\nx", (b"image/png", b"x")),
    ],
)
def test_simple_messages(data: bytes, expected: object) -> None:
    assert shape(data) == expected


def test_the_line_end_before_a_delimiter_is_part_of_it() -> None:
    data = MULTIPART % b"b" + b"--b\r\n\r\none\r\n\r\n--b\r\n\r\ntwo\r\n--b--\r\nepilogue\r\n"
    assert shape(data) == [b"multipart/mixed", (TEXT, b"one\r\n"), (TEXT, b"two")]


def test_bare_line_feeds_part_too() -> None:
    data = (MULTIPART % b"b" + b"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n").replace(b"\r", b"")
    assert shape(data) == [b"multipart/mixed", (TEXT, b"one"), (TEXT, b"two")]


def test_empty_parts_are_parts() -> None:
    data = MULTIPART % b"b" + b"--b\r\n--b\r\n\r\n--b\r\nA: b\r\n--b\r\nA: b\r\n\r\n--b--"
    assert shape(data) == [b"multipart/mixed", *[(TEXT, b"")] * 4]


def test_a_boundary_that_begins_another_does_not_end_it() -> None:
    data = (
        MULTIPART % b"b"
        + b"--b\r\n"
        + MULTIPART % b"bb"
        + b"--bb\r\n\r\ninner\r\n--bb--\r\n--bx\r\n--b\r\n\r\nouter\r\n--b--\r\n"
    )
    assert shape(data) == [
        b"multipart/mixed",
        [b"multipart/mixed", (TEXT, b"inner")],
        (TEXT, b"outer"),
    ]


def test_a_boundary_that_ends_in_dashes_is_told_from_its_close() -> None:
    data = MULTIPART % b"b--" + b"--b--\r\n\r\none\r\n--b----\r\nepilogue"
    assert shape(data) == [b"multipart/mixed", (TEXT, b"one")]


def test_an_outer_delimiter_ends_inner_multiparts_that_were_not_closed() -> None:
    data = (
        MULTIPART % b"o"
        + b"--o\r\n"
        + MULTIPART % b"i"
        + b"--i\r\n\r\none\r\n--o\r\n\r\ntwo\r\n--i\r\nstill two\r\n--o--"
    )
    assert shape(data) == [
        b"multipart/mixed",
        [b"multipart/mixed", (TEXT, b"one")],
        (TEXT, b"two\r\n--i\r\nstill two"),
    ]


def test_one_boundary_in_two_levels_belongs_to_the_inner_until_it_closes() -> None:
    data = (
        MULTIPART % b"b"
        + b"--b\r\n"
        + MULTIPART % b"b"
        + b"--b\r\n\r\none\r\n--b--\r\n--b\r\n\r\ntwo\r\n--b--\r\n"
    )
    assert shape(data) == [
        b"multipart/mixed",
        [b"multipart/mixed", (TEXT, b"one")],
        (TEXT, b"two"),
    ]


def test_a_message_cut_off_keeps_what_came() -> None:
    assert shape(MULTIPART % b"b" + b"--b\r\n\r\none\r\ntw") == [
        b"multipart/mixed",
        (TEXT, b"one\r\ntw"),
    ]


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: multipart/mixed\r\n\r\n",
        b'Content-Type: multipart/mixed; boundary=""\r\n\r\n',
        b"Content-Type: multipart/mixed; boundary=other\r\n\r\n",
        b"Content-Type: multipart\r\n\r\n",
    ],
)
def test_a_multipart_without_parts_is_shown_as_text(head: bytes) -> None:
    assert shape(head + b"-- \r\n--b\r\n\r\none\r\n") == (TEXT, b"-- \r\n--b\r\n\r\none\r\n")


@pytest.mark.parametrize(
    "parameter",
    [
        b'boundary="a b" ',
        b'BOUNDARY = "a b"; x=y',
        b'x="q;boundary=no"; boundary="a b"',
        b"boundary=a b",
        b"boundary=a b (comment)",
        b'boundary="a \\b"',
        b"charset=utf-8 <p>; boundary=a b",
        b'boundary="a b',
        b'\r\n\tboundary="a b"',
        b'charset=; boundary="a b   "',
    ],
)
def test_boundaries_are_found_however_they_are_written(parameter: bytes) -> None:
    data = b"Content-Type: multipart/x; " + parameter + b"\r\n\r\n--a b \t\r\n\r\none\r\n--a b--"
    assert shape(data) == [b"multipart/x", (TEXT, b"one")]


def test_parts_of_a_digest_are_messages_unless_they_say_otherwise() -> None:
    data = (
        b"Content-Type: multipart/digest; boundary=b\r\n\r\n"
        b"--b\r\n\r\nSubject: x\r\n\r\none\r\n--b\r\nContent-Type: text/plain\r\n\r\ntwo\r\n--b--"
    )
    assert shape(data) == [
        b"multipart/digest",
        [b"message/rfc822", (TEXT, b"one")],
        (TEXT, b"two"),
    ]


def test_an_encoded_message_stays_closed() -> None:
    head = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: Base64\r\n\r\n"
    data = head + b"U3ViamVjdDoKCg==\r\n"
    assert shape(data) == (b"application/octet-stream", b"U3ViamVjdDoKCg==\r\n")


def test_an_enclosed_message_without_anything_is_one() -> None:
    data = MULTIPART % b"b" + b"--b\r\nContent-Type: message/rfc822\r\n--b--"
    assert shape(data) == [b"multipart/mixed", [b"message/rfc822", (TEXT, b"")]]


def test_lines_and_octets_are_counted_to_the_last_line_end() -> None:
    inner = b"Subject: x\r\n\r\none\r\ntwo\r\nthree"
    data = MULTIPART % b"b" + b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--b--"
    message = parse_structure(data).children[0]
    assert (message.size, message.lines) == (len(inner), 4)
    text = message.children[0]
    assert (text.size, text.lines) == (15, 2)


def test_an_entity_without_a_body_ends_with_its_header_and_so_does_what_holds_it() -> None:
    inner = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n"
    data = MULTIPART % b"b" + b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"--b--"
    message = parse_structure(data).children[0]
    assert data[message.body_start : message.end] == inner
    assert message.lines == 3
    assert message.children[0].end == message.end


def test_nesting_ends_at_the_limit() -> None:
    data = b"Content-Type: message/rfc822\r\n\r\n" * (DEPTH_LIMIT + 50)
    part, depth = parse_structure(data), 1
    while part.children:
        part, depth = part.children[0], depth + 1
    assert depth == DEPTH_LIMIT
    assert part.media[:2] == (b"application", b"octet-stream")
    deep = b"".join(MULTIPART % b"%d" % n + b"--%d\r\n" % n for n in range(DEPTH_LIMIT + 50))
    part, depth = parse_structure(deep), 1
    while part.children:
        part, depth = part.children[0], depth + 1
    assert depth == DEPTH_LIMIT
    assert part.media[:2] == (b"text", b"plain")


def test_the_rest_of_too_many_parts_stays_in_the_last() -> None:
    root = parse_structure(MULTIPART % b"b" + b"--b\r\n\r\nx\r\n" * (PART_LIMIT + 5))
    assert len(root.children) == PART_LIMIT
    assert {child.lines for child in root.children[:-1]} == {0}
    assert root.children[-1].end == root.end


def test_parts_are_found_by_their_numbers() -> None:
    data = (
        MULTIPART % b"o"
        + b"--o\r\nContent-Type: message/rfc822\r\n\r\n"
        + MULTIPART % b"i"
        + b"--i\r\n\r\none\r\n--i\r\n\r\ntwo\r\n--i--\r\n--o--\r\n"
    )
    root = parse_structure(data)
    assert find_part(root, ()) is root
    assert find_part(root, (1,)) is root.children[0]
    assert find_part(root, (1, 2)) is root.children[0].children[0].children[1]
    for numbers in ((2,), (0,), (1, 3), (1, 1, 1), (1, 2, 1, 1)):
        assert find_part(root, numbers) is None
