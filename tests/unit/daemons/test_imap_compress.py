"""COMPRESS=DEFLATE (RFC 4978): bounded, and never mixed with what came before it."""

import zlib
from pathlib import Path

import pytest

from mailraven.daemons.imap_compress import PIECE, Deflate
from unit.daemons.imap_house import ImapHouse, play


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(9, wbits=-15)
    return stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)


def test_a_bomb_is_inflated_piece_by_piece() -> None:
    layer = Deflate()
    piece, total = layer.inflate(deflated(b"x" * (50 * PIECE + 1))), 0
    while piece:
        assert len(piece) <= PIECE
        total += len(piece)
        piece = layer.more()
    assert total == 50 * PIECE + 1


def test_octets_that_are_no_whole_block_are_waited_for() -> None:
    layer = Deflate()
    data = deflated(b"a NOOP\r\n")
    assert b"".join(layer.inflate(data[n : n + 1]) for n in range(len(data))) == b"a NOOP\r\n"


def test_what_goes_out_can_be_read_at_once() -> None:
    layer, client = Deflate(), zlib.decompressobj(-15)
    for line in (b"* OK one", b"* OK two"):
        assert client.decompress(layer.deflate(line)) == line


@pytest.mark.parametrize("data", [b"\xff" * 9, zlib.compress(b"x", wbits=-15)])
def test_a_broken_or_ended_stream_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not deflated|has ended"):
        Deflate().inflate(data)


def test_a_client_that_stops_deflating_is_told_so(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        client = await house.client()
        assert b"DEFLATE active" in await client.ask(b"a COMPRESS DEFLATE")
        client.writer.write(b"\xff" * 9)
        said = zlib.decompressobj(-15).decompress(await client.rest())
        assert said == b"* BYE not deflated\r\n"
        client.writer.close()

    play(tmp_path, story)


def test_compress_is_bad_once_it_is_active(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        client = await house.client()
        await client.ask(b"a COMPRESS DEFLATE")
        client.writer.write(deflated(b"b COMPRESS DEFLATE\r\n"))
        said = zlib.decompressobj(-15).decompress(await client.reader.read(PIECE))
        assert said == b"b BAD [COMPRESSIONACTIVE] compressed already\r\n"
        client.writer.close()

    play(tmp_path, story)


def test_a_long_command_in_few_octets_is_refused_as_any_other(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        client = await house.client()
        await client.ask(b"a COMPRESS DEFLATE")
        client.writer.write(deflated(b"b NOOP" + b" " * (8 << 20) + b"\r\nc LOGOUT\r\n"))
        said = zlib.decompressobj(-15).decompress(await client.rest())
        assert said.startswith(b"b BAD command is too long")
        assert said.endswith(b"c OK bye\r\n")
        client.writer.close()

    play(tmp_path, story)
