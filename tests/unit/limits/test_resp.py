"""Replies of a Valkey or Redis server: read whole, and what is none ends the connection."""

import asyncio

import pytest

from mailraven.limits.resp import LINE_LIMIT, Reply, StoreError, command, read_reply


def read(data: bytes) -> Reply:
    async def story() -> Reply:
        reader = asyncio.StreamReader(limit=LINE_LIMIT)
        reader.feed_data(data)
        reader.feed_eof()
        return await read_reply(reader)

    return asyncio.run(story())


def test_a_command_is_an_array_of_counted_words() -> None:
    assert command(b"GET", b"a\r\nb") == b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n"


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b"+OK\r\n", b"OK"),
        (b":-7\r\n", -7),
        (b"$4\r\na\r\nb\r\n", b"a\r\nb"),
        (b"$-1\r\n", None),
        (b"*2\r\n:1\r\n*1\r\n$0\r\n\r\n", [1, [b""]]),
    ],
)
def test_replies_of_every_kind_are_read(data: bytes, reply: Reply) -> None:
    assert read(data) == reply


def test_an_error_is_the_servers_sentence() -> None:
    with pytest.raises(StoreError, match="NOAUTH"):
        read(b"-NOAUTH Authentication required.\r\n")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"+O",
        b":x\r\n",
        b"HTTP/1.1 400 no\r\n",
        b"$9\r\nshort",
        b"$99999999\r\n",
        b"*99999999\r\n",
        b"*1\r\n" * 50 + b":1\r\n",
        b"+" + b"x" * (2 * LINE_LIMIT) + b"\r\n",
    ],
)
def test_what_is_no_reply_is_an_error_of_the_connection(data: bytes) -> None:
    with pytest.raises(OSError):
        read(data)
