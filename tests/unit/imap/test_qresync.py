"""Arguments of QRESYNC (RFC 7162 §3.2), and what a sample of message numbers proves."""

import pytest

from mailraven.imap import commands
from mailraven.imap.commands import Request, Resync
from mailraven.imap.condstore import enables_condstore
from mailraven.imap.grammar import Cursor
from mailraven.imap.parser import parse_request
from mailraven.imap.qresync import SAMPLE_LIMIT, known_up_to
from mailraven.imap.states import State
from mailraven.mail.errors import PeerError


def parsed(text: bytes, state: State = State.SELECTED) -> Request:
    return parse_request(Cursor(text), state)


@pytest.mark.parametrize(
    ("text", "resync"),
    [
        (b"(QRESYNC (67890007 20050715194045000))", Resync(67890007, 20050715194045000)),
        (b"(qresync (1 2 41,43:45))", Resync(1, 2, ((41, 41), (43, 45)))),
        (b"(QRESYNC (1 2 (3:4 8,9)))", Resync(1, 2, None, (((3, 4),), ((8, 8), (9, 9))))),
        (b"(QRESYNC (1 2 1:9 (3 8)))", Resync(1, 2, ((1, 9),), (((3, 3),), ((8, 8),)))),
    ],
)
def test_parameters_of_select(text: bytes, resync: Resync) -> None:
    expected = commands.Select("x", read_only=False, resync=resync)
    assert parsed(b"SELECT x " + text) == expected
    assert enables_condstore(expected)


def test_both_parameters_at_once() -> None:
    request = parsed(b"EXAMINE x (CONDSTORE QRESYNC (1 2))")
    assert request == commands.Select("x", read_only=True, condstore=True, resync=Resync(1, 2))


@pytest.mark.parametrize(
    "text",
    [
        b"SELECT x (QRESYNC)",
        b"SELECT x (QRESYNC 1 2)",
        b"SELECT x (QRESYNC (0 2))",
        b"SELECT x (QRESYNC (1 2 *))",
        b"SELECT x (QRESYNC (1 2 $))",
        b"SELECT x (QRESYNC (1 2 1:*))",
        b"SELECT x (QRESYNC (1 2 1:3 ))",
        b"SELECT x (QRESYNC (1 2 ))",
        b"SELECT x (QRESYNC (1 2 (1:2 5)))",
        b"SELECT x (QRESYNC (1 2 (1:2 5:*)))",
        b"SELECT x (QRESYNC (1 2 (1:4294967295 1:4294967295)))",
        b"SELECT x (QRESYNC (1 2) QRESYNC (1 2))",
        b"FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        b"UID FETCH 1 FLAGS (VANISHED)",
        b"UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED VANISHED)",
    ],
)
def test_what_does_not_fit_is_bad(text: bytes) -> None:
    with pytest.raises(PeerError):
        parsed(text)


def test_vanished_is_a_modifier_of_uid_fetch() -> None:
    request = commands.Fetch(((1, 5),), (b"FLAGS", b"MODSEQ"), True, 7, vanished=True)
    assert parsed(b"UID FETCH 1:5 FLAGS (VANISHED CHANGEDSINCE 7)") == request


@pytest.mark.parametrize(
    ("numbers", "uids", "known"),
    [
        (((1, 1),), ((2, 2),), 2),
        (((1, 3),), ((2, 2), (5, 5), (8, 8)), 5),  # the third has UID 9 now
        (((2, 2),), ((4, 4),), 0),
        (((9, 9),), ((4, 4),), 0),
    ],
)
def test_a_message_that_kept_its_number_proves_what_is_known(
    numbers: tuple[tuple[int, int], ...], uids: tuple[tuple[int, int], ...], known: int
) -> None:
    """RFC 7162 §3.2.5.2"""
    assert known_up_to(Resync(1, 1, None, (numbers, uids)), [2, 5, 9]) == known


def test_a_sample_has_its_limit() -> None:
    whole = b"SELECT x (QRESYNC (1 2 (1:%d 1:%d)))" % (SAMPLE_LIMIT, SAMPLE_LIMIT)
    assert isinstance(parsed(whole), commands.Select)
