"""The server's side of the milter protocol: what is said, what is taken, what is not believed."""

import pytest

from mailraven.milter.answers import (
    AddField,
    AddRecipient,
    Answer,
    ChangeField,
    ChangeSender,
    DeleteRecipient,
    InsertField,
    Progress,
    Quarantine,
    ReplaceBody,
    Reply,
    Said,
    said,
)
from mailraven.milter.client import OFFERED, MilterClient
from mailraven.milter.frames import FRAME_LIMIT, FrameReader, MilterError, frame
from mailraven.milter.header_changes import changed
from mailraven.milter.steps import connect_data, header_data, path_data

CONTINUE = frame(b"c")


def offer(version: int = 6, actions: int = 0xFF, protocol: int = 0) -> bytes:
    numbers = (version, actions, protocol)
    return frame(b"O", b"".join(number.to_bytes(4, "big") for number in numbers))


def ready(protocol: int = 0, version: int = 6) -> MilterClient:
    client = MilterClient(body_limit=1000)
    client.negotiate()
    client.receive(offer(version, protocol=protocol))
    assert client.next_said() == Answer("continue")
    client.data_to_send()
    return client


def at_end(client: MilterClient, *frames: bytes) -> list[Said]:
    client.end({"i": "4f1c9"})
    client.receive(b"".join(frames))
    found = []
    while (what := client.next_said()) is not None:
        found.append(what)
    return found


def frames_of(data: bytes) -> list[tuple[bytes, bytes]]:
    reader, found = FrameReader(), []
    reader.feed(data)
    while (one := reader.next()) is not None:
        found.append(one)
    return found


def test_all_of_version_6_is_offered() -> None:
    client = MilterClient(body_limit=1000)
    client.negotiate()
    assert client.data_to_send() == offer(6, 0xFF, OFFERED)
    assert OFFERED == 0x1FF7FF  # all but SMFIP_RCPT_REJ


def test_a_session_is_said_step_by_step() -> None:
    client = ready()
    connect = connect_data("mx.example.net", "192.0.2.1", 4321)
    assert client.step("connect", connect, {"j": "mx.example.org"})
    said_first = frames_of(client.data_to_send())
    assert said_first == [
        (b"D", b"Cj\0mx.example.org\0"),
        (b"C", b"mx.example.net\x004\x10\xe1192.0.2.1\0"),
    ]
    client.receive(CONTINUE)
    assert client.next_said() == Answer("continue")
    assert client.step("mail", path_data("a@example.net", ["SIZE=9"]))
    assert frames_of(client.data_to_send()) == [(b"M", b"<a@example.net>\0SIZE=9\0")]


def test_addresses_have_their_family() -> None:
    assert connect_data("", "2001:db8::1", 25) == b"unknown\x006\x00\x192001:db8::1\0"
    assert connect_data("", "", 0) == b"unknown\0U"


def test_no_text_of_a_client_ends_early() -> None:
    assert path_data("a\0b@c", []) == b"<ab@c>\0"


@pytest.mark.parametrize(
    ("keeps", "value"), [(True, b" folded\n\tvalue"), (False, b"folded\n\tvalue")]
)
def test_fields_are_said_as_they_stand(keeps: bool, value: bytes) -> None:
    header = b"no field\r\nSubject: folded\r\n\tvalue\r\nX:y\r\n"
    assert list(header_data(header, keeps_blank=keeps)) == [b"Subject\0" + value + b"\0", b"X\0y\0"]


def test_a_filter_hears_only_what_it_wants() -> None:
    client = ready(protocol=0x20)
    assert not client.wants("header")
    assert not client.step("header", b"Subject\0hi\0")
    assert client.data_to_send() == b""


def test_a_step_that_it_does_not_answer_is_not_waited_for() -> None:
    client = ready(protocol=0x80)
    assert not client.step("header", b"Subject\0hi\0")
    assert client.data_to_send() == frame(b"L", b"Subject\0hi\0")


def test_data_is_not_said_to_old_filters() -> None:
    assert not ready(version=3).wants("data")
    assert not ready(version=3).is_reusable
    assert ready(version=6).is_reusable


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (b"h", b"X-A\0one\n two\0", AddField(b"X-A", b"one\r\n two")),
        (b"i", b"\0\0\0\1X-A\0v\0", InsertField(1, b"X-A", b"v")),
        (b"m", b"\0\0\0\2X-A\0\0", ChangeField(2, b"X-A", b"")),
        (b"+", b"<b@example.org>\0", AddRecipient("b@example.org")),
        (b"2", b"<b@example.org>\0NOTIFY=NEVER\0", AddRecipient("b@example.org")),
        (b"-", b"b@example.org\0", DeleteRecipient("b@example.org")),
        (b"e", b"<>\0", ChangeSender("")),
        (b"b", b"new body", ReplaceBody(b"new body")),
        (b"q", b"virus\0", Quarantine("virus")),
        (b"p", b"", Progress()),
    ],
)
def test_every_change_is_understood(kind: bytes, data: bytes, expected: Said) -> None:
    assert at_end(ready(), frame(kind, data), frame(b"a")) == [expected, Answer("accept")]


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        (b"550 5.7.1 100%% spam", Reply(550, "5.7.1 100% spam")),
        (b"550 5.7.1", Reply(550, "5.7.1 refused by a filter")),
        (b"451 later", Reply(451, "4.7.1 later")),
        (b"554 4.2.0 odd", Reply(554, "5.7.1 odd")),
        (b"421 4.7.0 away", Reply(451, "4.7.0 away")),
        (b"599 5.7.0 no", Reply(550, "5.7.0 no")),
        (b"550-5.7.1 two\r\n550 5.7.1 lines", Reply(550, "5.7.1 two lines")),
        (b"550 5.7.1 \xff\x01QUIT", Reply(550, "5.7.1 ??QUIT")),
        (b"550 5.7.1 " + b"x" * 5000, Reply(550, "5.7.1 " + "x" * 394)),
    ],
)
def test_a_reply_of_its_own_is_set_right(text: bytes, reply: Reply) -> None:
    word = "tempfail" if reply.code < 500 else "reject"
    assert said(b"y", text + b"\0") == Answer(word, reply)


def test_a_value_cannot_make_another_field() -> None:
    what = said(b"h", b"X-A\0one\nBcc: all@example.org\r\nX: y\rZ: z\0")
    assert what == AddField(b"X-A", b"one\r\n\tBcc: all@example.org\r\n\tX: y\r\n\tZ: z")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (b"?", b""),
        (b"y", b"250 fine\0"),
        (b"y", b"550 no end"),
        (b"y", b"550-a\r\n451 b\0"),
        (b"h", b"X A\0v\0"),
        (b"h", b"\0v\0"),
        (b"h", b"X-A\0no end"),
        (b"h", b"X-A\0" + b"x" * 70_000 + b"\0"),
        (b"i", b"\0\0"),
        (b"+", b"a\nb\0"),
        (b"+", b"\xff\0"),
        (b"s", b""),
    ],
)
def test_what_makes_no_sense_is_an_error(kind: bytes, data: bytes) -> None:
    with pytest.raises(MilterError):
        at_end(ready(), frame(kind, data))


@pytest.mark.parametrize("length", [0, FRAME_LIMIT + 1, 0xFFFFFFFF])
def test_a_giant_frame_is_not_waited_for(length: int) -> None:
    client = ready()
    client.end({})
    client.receive(length.to_bytes(4, "big"))
    with pytest.raises(MilterError):
        client.next_said()


def test_changes_come_at_the_end_only() -> None:
    client = ready()
    client.step("mail", path_data("", []))
    client.receive(frame(b"h", b"X-A\0v\0"))
    with pytest.raises(MilterError, match="a change at mail"):
        client.next_said()


def test_nothing_is_taken_unasked() -> None:
    client = ready()
    client.receive(CONTINUE)
    with pytest.raises(MilterError):
        client.next_said()


def test_changes_and_new_bodies_have_a_bound() -> None:
    with pytest.raises(MilterError, match="changes"):
        at_end(ready(), frame(b"q", b"x\0") * 1001)
    with pytest.raises(MilterError, match="body"):
        at_end(ready(), frame(b"b", b"x" * 600) * 2)


@pytest.mark.parametrize("answer", [b"", frame(b"c"), frame(b"O", b"\0"), offer(1), offer(7)])
def test_who_does_not_negotiate_is_no_filter(answer: bytes) -> None:
    client = MilterClient(body_limit=1000)
    client.negotiate()
    client.receive(answer)
    if not answer:
        assert client.next_said() is None
        return
    with pytest.raises(MilterError):
        client.next_said()


HEADER = b"Received: a\r\nX-A: one\r\nSubject: hi\r\nx-a: two\r\n\tfolded\r\n"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (AddField(b"B", b"v"), HEADER + b"B: v\r\n"),
        (InsertField(0, b"B", b"v"), b"B: v\r\n" + HEADER),
        (InsertField(1, b"B", b"v"), b"B: v\r\n" + HEADER),
        (InsertField(2, b"B", b"v"), HEADER.replace(b"X-A: one", b"B: v\r\nX-A: one")),
        (InsertField(99, b"B", b"v"), HEADER + b"B: v\r\n"),
        (ChangeField(2, b"X-a", b""), HEADER.replace(b"x-a: two\r\n\tfolded\r\n", b"")),
        (ChangeField(1, b"subject", b"ho"), HEADER.replace(b"Subject: hi", b"subject: ho")),
        (ChangeField(3, b"X-A", b"three"), HEADER + b"X-A: three\r\n"),
        (ChangeField(3, b"X-A", b""), HEADER),
    ],
)
def test_a_header_is_changed_where_the_filter_says(
    change: AddField | InsertField | ChangeField, expected: bytes
) -> None:
    assert changed(HEADER, [change], keeps_blank=False) == expected


def test_a_filter_that_keeps_blanks_gets_no_second_one() -> None:
    assert changed(b"", [AddField(b"B", b" v")], keeps_blank=True) == b"B: v\r\n"
