"""Arguments of CONDSTORE (RFC 7162 §3.1)."""

import pytest

from mailraven.imap import commands
from mailraven.imap.commands import Request
from mailraven.imap.condstore import enables_condstore
from mailraven.imap.grammar import Cursor
from mailraven.imap.parser import parse_request
from mailraven.imap.states import State
from mailraven.mail.errors import PeerError


def parsed(text: bytes, state: State = State.SELECTED) -> Request:
    return parse_request(Cursor(text), state)


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        (
            b"FETCH 1 FLAGS (changedsince 0)",
            commands.Fetch(((1, 1),), (b"FLAGS", b"MODSEQ"), by_uid=False, changed_since=0),
        ),
        (
            b"UID FETCH 1 (MODSEQ) (CHANGEDSINCE 9223372036854775807)",
            commands.Fetch(((1, 1),), (b"MODSEQ",), by_uid=True, changed_since=2**63 - 1),
        ),
        (
            b"STORE 1 (UNCHANGEDSINCE 5) +FLAGS.SILENT \\Seen",
            commands.Store(((1, 1),), "+", (b"\\Seen",), True, False, 5),
        ),
        (b"SELECT x (CONDSTORE)", commands.Select("x", read_only=False, condstore=True)),
        (b"EXAMINE x", commands.Select("x", read_only=True)),
    ],
)
def test_modifiers(text: bytes, request_: Request) -> None:
    assert parsed(text) == request_


@pytest.mark.parametrize(
    "text",
    [
        b"FETCH 1 FLAGS (FROB 1)",
        b"FETCH 1 FLAGS ()",
        b"FETCH 1 FLAGS (CHANGEDSINCE)",
        b"FETCH 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 2)",
        b"FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)",
        b"STORE 1 (UNCHANGEDSINCE x) FLAGS ()",
        b"STORE 1 (UNCHANGEDSINCE 1)FLAGS ()",
        b"SELECT x (FROB)",
        b"SELECT x CONDSTORE",
    ],
)
def test_wrong_modifiers_are_bad(text: bytes) -> None:
    with pytest.raises(PeerError):
        parsed(text)


@pytest.mark.parametrize(
    ("text", "enables"),
    [
        (b"FETCH 1 MODSEQ", True),
        (b"FETCH 1 FLAGS", False),
        (b"FETCH 1 FLAGS (CHANGEDSINCE 1)", True),
        (b"STORE 1 (UNCHANGEDSINCE 1) FLAGS ()", True),
        (b"STORE 1 FLAGS ()", False),
        (b"SEARCH OR SEEN NOT (ALL MODSEQ 1)", True),
        (b"SEARCH ALL", False),
        (b"STATUS x (HIGHESTMODSEQ)", True),
        (b'LIST "" * RETURN (STATUS (HIGHESTMODSEQ))', True),
        (b"STATUS x (MESSAGES)", False),
        (b"SELECT x (CONDSTORE)", True),
        (b"SELECT x", False),
        (b"NOOP", False),
    ],
)
def test_who_asks_for_a_modseq_knows_condstore(text: bytes, enables: bool) -> None:
    assert enables_condstore(parsed(text)) is enables


def test_condstore_may_be_enabled_by_name() -> None:
    assert enables_condstore(parsed(b"ENABLE condstore", State.AUTHENTICATED))
