"""Canonical bodies in pieces, beside dkimpy's of the whole."""

import hashlib
import random
import re

import pytest
from dkim.canonicalization import Relaxed, Simple, correct_empty_body, strip_trailing_lines

from mailraven.senderauth.body_hash import Wanted, body_hashes, relaxed_hash

BODIES = [
    b"",
    b"\r\n",
    b"\r\n\r\n\r\n",
    b" \t\r\n",
    b" C \r\nD \t E\r\n\r\n\r\n",  # RFC 6376 §3.4.5
    b"a",
    b"a\r\n \r\n\r\nb  \t c \r\n \r\n",
    b"\r\n\r\na\r\n",
    b"a\rb\nc\r\r\n\n\r\n\r\n",
    b" \r\n \r\n \r\nx\r\n",
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("relaxed", [True, False])
def test_pieces_give_the_hash_of_the_whole(body: bytes, relaxed: bool) -> None:
    whole = (Relaxed if relaxed else Simple).canonicalize_body(body)
    wanted = [Wanted(relaxed), Wanted(relaxed, 3)]
    for size in range(1, len(body) + 2):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        hashes = body_hashes(pieces, wanted)
        assert hashes.digest(wanted[0]) == hashlib.sha256(whole).digest()
        assert hashes.digest(wanted[1]) == hashlib.sha256(whole[:3]).digest()
        assert hashes.length(relaxed) == len(whole)
    if relaxed:
        assert relaxed_hash(body) == hashlib.sha256(whole).digest()


def test_random_bodies_give_the_hash_of_the_whole() -> None:
    chance = random.Random(6376)
    for _ in range(300):
        body = b"".join(chance.choices([b" ", b"\t", b"\r\n", b"a", b"\r", b"\n"], k=20)) + b"\r\n"
        body = re.sub(rb"[ \t]+(?=\r\n)", b"", body) if chance.random() < 0.3 else body
        cuts = sorted(chance.sample(range(len(body)), 3))
        pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        hashes = body_hashes(pieces, [Wanted(True), Wanted(False)])
        simple = strip_trailing_lines(body)
        assert hashes.digest(Wanted(False)) == hashlib.sha256(simple).digest()
        relaxed = re.sub(rb"[ \t]+", b" ", re.sub(rb"[ \t]+\r\n", b"\r\n", body))
        relaxed = correct_empty_body(strip_trailing_lines(relaxed))
        assert hashes.digest(Wanted(True)) == hashlib.sha256(relaxed).digest(), body
        assert relaxed_hash(body) == hashlib.sha256(relaxed).digest(), body


def test_a_body_of_empty_lines_is_counted_not_kept() -> None:
    hashes = body_hashes([b"\r\n" * 1000] * 100 + [b"end"], [Wanted()])
    assert hashes.digest(Wanted()) == hashlib.sha256(b"\r\n" * 100_000 + b"end\r\n").digest()
