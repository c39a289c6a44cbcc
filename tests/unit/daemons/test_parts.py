"""Octets that wait cost what they are, however they came."""

import pytest

from mailraven.daemons import parts
from mailraven.daemons.smtp_message import Incoming


@pytest.mark.parametrize("size", [1, 2, 100, parts.SMALL, 3 * parts.SMALL])
def test_octets_come_out_as_they_went_in(size: int) -> None:
    octets, waiting = bytes(range(256)) * 200, parts.Parts()
    for at in range(0, len(octets), size):
        parts.add(waiting, octets[at : at + size])
    assert parts.take(waiting) == octets
    assert waiting == []
    assert parts.take(waiting) == b""


def test_one_piece_is_not_copied() -> None:
    piece, waiting = b"x" * 5000, parts.Parts()
    parts.add(waiting, piece)
    assert parts.take(waiting) is piece


def test_a_message_in_tiny_packets_is_few_objects() -> None:
    incoming = Incoming(lambda head: head)
    for _ in range(50_000):
        incoming.add(b"ab")
    assert len(incoming._waiting) == 2
    assert incoming.take() == b"ab" * 50_000
