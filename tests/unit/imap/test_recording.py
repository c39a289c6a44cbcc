"""A recorded session can be played again, and nobody's mail or password is in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.imap.recording import Transcriber
from transcripts.runner import parse

DIALOGUE = [
    ("S", b"login OK [CAPABILITY IMAP4rev1] logged in\r\n"),
    ("C", b"a SELECT INBOX\r\n"),
    ("S", b"* OK [UIDVALIDITY 1700] UIDs are valid\r\na OK [READ-WRITE] selected\r\n"),
    ("C", b"b APPEND Sent (\\Seen) {12}\r\n"),
    ("S", b"+ OK\r\n"),
    ("C", b"secret: mail\r\n"),
    ("S", b"b OK [APPENDUID 1700 9] appended\r\n"),
    ("C", b"c FETCH 1 (UID BODY[] INTERNALDATE ENVELOPE)\r\n"),
    ("S", b"* 1 FETCH (UID 1 BODY[] {10}\r\nsecret\r\n:) FLAGS (\\Seen))\r\nc OK fetched\r\n"),
    ("S", b'* 2 FETCH (ENVELOPE ("secret" NIL))\r\n* 3 FETCH (BODY["]secret" "secret")\r\n'),
    ("S", b'* 4 FETCH (FLAGS ($label1) INTERNALDATE "1-Jan-2026 00:00:00 +0000")\r\n'),
    ("S", b'* 5 FETCH (ENVELOPE ("secret") BODY[] {6}\r\nsecret BODY[1] {2}\r\n:) UID 5)\r\n'),
    ("C", b"d FETCH 1 PREVIEW\r\n"),
    ("S", b'* 1 FETCH (PREVIEW "secret")\r\nd OK fetched\r\n'),
    ("S", b'* METADATA "" (/private/comment "secret")\r\n'),
    ("C", b"e SEARCH TEXT {3+}\r\nabc UNSEEN\r\nf LOGIN {3+}\r\nbob {6+}\r\nsecret\r\n"),
    ("C", b"g LOGIN bob secret\r\nsecret==\r\n"),
    ("S", b"secret== BAD that is no command\r\n"),
    ("C", b"h APPEND Sent {9999}\r\n"),
    ("S", b"h NO [TOOBIG] message is too large\r\n"),
    ("C", b"i COMPRESS DEFLATE\r\n"),
    ("S", b"i OK DEFLATE active\r\n"),
    ("C", b"j SELECT INBOX (QRESYNC (1700 5))\r\nk LOGN bob secret\r\nl IDLE\r\nDONE\r\n"),
]
EXPECTED = r"""
C: a SELECT INBOX
S: * OK [UIDVALIDITY $varying1] UIDs are valid
S: a OK [READ-WRITE] selected
C: b APPEND Sent (\Seen) {12}
S: + OK
C! b"x" * 12
C:
S: b OK [APPENDUID $varying1 9] appended
C: c FETCH 1 (UID BODY[] INTERNALDATE ENVELOPE)
S~ \* 1 FETCH \(UID 1 BODY\[\] \{10\}.*
S: c OK fetched
S~ \* 2 FETCH \(ENVELOPE .*
S~ \* 3 FETCH \(BODY\[.*
S~ \* 4 FETCH \(FLAGS \([$]label1\) INTERNALDATE "[^"]*"\)
S~ \* 5 FETCH \(ENVELOPE .*
# with BODY[] {6}
# with BODY[1] {2}
C: d FETCH 1 PREVIEW
S~ \* 1 FETCH \(PREVIEW .*
S: d OK fetched
S~ \* METADATA "" \(.*
C: e SEARCH TEXT {3+}
C! b'abc'
C:  UNSEEN
C: f LOGIN x {3+}
C! b"x" * 3
C:  x {6+}
C! b"x" * 6
C:
C: g LOGIN x
C: x
S: x BAD that is no command
C: h APPEND Sent {9999}
S: h NO [TOOBIG] message is too large
C: j SELECT INBOX (QRESYNC ($varying1 5))
C: k LOGN x
C: l IDLE
C: DONE
"""
# A client that does not wait for the go-ahead: refused, so what it sends is the next command.
HASTY = [
    ("S", b"login OK logged in\r\n"),
    ("C", b"a APPEND Sent {9}\r\nb NOOP\r\n"),
    ("S", b"a NO [OVERQUOTA] full\r\nb OK done\r\n"),
    ("C", b"c APPEND Sent {9}\r\nsecret: x\r\nd NOOP\r\n"),
    ("S", b"+ OK\r\nc OK appended\r\nd OK done\r\n"),
]
HASTY_EXPECTED = """
C: a APPEND Sent {9}
S: a NO [OVERQUOTA] full
C: b NOOP
S: b OK done
C: c APPEND Sent {9}
S: + OK
C! b"x" * 9
C:
C: d NOOP
S: c OK appended
S: d OK done
"""


def recorded(pieces: list[tuple[str, bytes]]) -> str:
    transcriber = Transcriber(skipped=1)
    for who, data in pieces:
        (transcriber.client if who == "C" else transcriber.server)(data)
    return transcriber.take()


def in_pieces(dialogue: list[tuple[str, bytes]], size: int) -> list[tuple[str, bytes]]:
    return [
        (who, data[at : at + size]) for who, data in dialogue for at in range(0, len(data), size)
    ]


@pytest.mark.parametrize(
    ("dialogue", "expected"),
    [
        pytest.param(DIALOGUE, EXPECTED, id="dialogue"),
        pytest.param(HASTY, HASTY_EXPECTED, id="hasty"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_session_becomes_a_transcript_without_its_messages(
    dialogue: list[tuple[str, bytes]], expected: str, size: int
) -> None:
    assert "secret" not in expected
    assert recorded(in_pieces(dialogue, size)) == expected.lstrip("\n")
    parse(expected)


@given(st.lists(st.tuples(st.sampled_from("CS"), st.binary(max_size=60))))
def test_any_octets_become_steps(pieces: list[tuple[str, bytes]]) -> None:
    parse(recorded(pieces))
