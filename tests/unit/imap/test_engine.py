"""The IMAP engine: commands, literals, states (RFC 3501 §2.2, §3, RFC 7888)."""

import pytest

from mailraven.imap import commands
from mailraven.imap.engine import (
    GREETED_SWALLOW_LIMIT,
    MISTAKE_LIMIT,
    SWALLOW_LIMIT,
    Engine,
)
from mailraven.imap.events import (
    AppendBegin,
    AppendEnd,
    AppendNext,
    AppendPart,
    Command,
    IdleEnd,
    Response,
)
from mailraven.imap.grammar import COMMAND_LIMIT, GREETED_LINE_LIMIT
from mailraven.imap.states import State


def engine_in(state: State) -> Engine:
    engine = Engine()
    engine.state = state
    return engine


def one_request(engine: Engine, data: bytes) -> commands.Request:
    engine.receive(data)
    event = engine.next_event()
    assert isinstance(event, Command), engine.data_to_send()
    return event.request


def answers(engine: Engine, data: bytes) -> bytes:
    """What the engine itself says to `data`."""
    engine.receive(data)
    assert engine.next_event() is None
    return engine.data_to_send()


def test_a_command_waits_for_the_answer_to_the_one_before() -> None:
    engine = Engine()
    engine.receive(b"a NOOP\r\nb CAPABILITY\r\n")
    assert engine.next_event() == Command(b"a", commands.Noop())
    assert engine.next_event() is None
    engine.finish(b"OK", b"done")
    assert engine.next_event() == Command(b"b", commands.Capability())
    assert engine.data_to_send() == b"a OK done\r\n"


def test_states_move_by_the_table() -> None:
    engine = Engine()
    for line, state in [
        (b"a LOGIN u p\r\n", State.AUTHENTICATED),
        (b"b SELECT INBOX\r\n", State.SELECTED),
        (b"c CLOSE\r\n", State.AUTHENTICATED),
        (b"d EXAMINE INBOX\r\n", State.SELECTED),
        (b"e UNSELECT\r\n", State.AUTHENTICATED),
        (b"f LOGOUT\r\n", State.LOGOUT),
    ]:
        one_request(engine, line)
        engine.finish(b"OK", b"done")
        assert engine.state is state
    assert engine.closed


def test_a_failed_select_leaves_no_mailbox_selected() -> None:
    engine = engine_in(State.SELECTED)
    one_request(engine, b"a SELECT gone\r\n")
    engine.finish(b"NO", b"no such mailbox")
    assert engine.state is State.AUTHENTICATED


@pytest.mark.parametrize(
    ("state", "line", "text"),
    [
        (State.NOT_AUTHENTICATED, b"a SELECT INBOX\r\n", b"a BAD not allowed before log-in\r\n"),
        (State.AUTHENTICATED, b"a EXPUNGE\r\n", b"a BAD not allowed without a mailbox\r\n"),
        (State.AUTHENTICATED, b"a LOGIN u p\r\n", b"a BAD not allowed without a mailbox\r\n"),
        (State.SELECTED, b"a STARTTLS\r\n", b"a BAD not allowed with a mailbox\r\n"),
        (State.SELECTED, b"a FROB\r\n", b"a BAD unknown command\r\n"),
        (State.SELECTED, b"\r\n", b"* BAD expected a tag at octet 1\r\n"),
        (State.SELECTED, b"a NOOP x\r\n", b"a BAD expected the end of the command at octet 7\r\n"),
        (State.SELECTED, b"+ NOOP\r\n", b"* BAD expected a tag at octet 1\r\n"),
        (State.SELECTED, b"a STORE 1 FLAGS\r\n", b"a BAD expected SP at octet 16\r\n"),
    ],
)
def test_what_does_not_fit_is_bad(state: State, line: bytes, text: bytes) -> None:
    assert answers(engine_in(state), line) == text


def test_verbs_are_known_in_any_case() -> None:
    assert one_request(Engine(), b"a NoOp\r\n") == commands.Noop()


def test_synchronising_literals_are_asked_for() -> None:
    engine = Engine()
    engine.receive(b"a LOGIN {3}\r\n")
    assert engine.next_event() is None
    assert engine.data_to_send() == b"+ OK\r\n"
    engine.receive(b"bob {2}\r\n")
    assert engine.next_event() is None
    assert engine.data_to_send() == b"+ OK\r\n"
    assert one_request(engine, b"pw\r\n") == commands.Login(b"bob", b"pw")


def test_literal_plus_comes_at_once() -> None:
    request = one_request(Engine(), b"a LOGIN {5+}\r\nb\r\nob {0+}\r\n\r\n")
    assert request == commands.Login(b"b\r\nob", b"")


def test_a_refused_commands_literal_plus_is_never_a_command() -> None:
    engine = Engine()
    engine.receive(b"a SELECT {10+}\r\nb LOGOUT\r\n\r\nc NOOP\r\n")
    assert engine.next_event() == Command(b"c", commands.Noop())
    assert engine.data_to_send() == b"a BAD not allowed before log-in\r\n"


def test_all_literals_of_a_refused_command_are_swallowed() -> None:
    engine = Engine()
    engine.receive(b"a FROB {3+}\r\nxyz {8+}\r\nb NOOP\r\n tail\r\nc NOOP\r\n")
    assert engine.next_event() == Command(b"c", commands.Noop())
    assert engine.data_to_send() == b"a BAD unknown command\r\n"


def test_a_refused_synchronising_literal_is_not_awaited() -> None:
    engine = Engine()
    assert answers(engine, b"a FROB {3}\r\n") == b"a BAD unknown command\r\n"
    assert one_request(engine, b"b NOOP\r\n") == commands.Noop()


@pytest.mark.parametrize("literal", [b"{70000}\r\n", b"{99999999999999999999}\r\n"])
def test_a_long_literal_is_refused(literal: bytes) -> None:
    engine = engine_in(State.AUTHENTICATED)
    assert answers(engine, b"a CREATE " + literal) == b"a BAD literal is too long\r\n"


def test_an_absurd_literal_plus_ends_the_connection() -> None:
    engine = engine_in(State.AUTHENTICATED)
    out = answers(engine, b"a CREATE {9999999999+}\r\n")
    assert out.startswith(b"a BAD literal is too long\r\n* BYE ")
    assert engine.closed


@pytest.mark.parametrize(
    ("state", "limit"),
    [(State.NOT_AUTHENTICATED, GREETED_LINE_LIMIT), (State.SELECTED, COMMAND_LIMIT)],
)
def test_a_long_line_is_refused_whole_and_the_session_goes_on(state: State, limit: int) -> None:
    engine = engine_in(state)
    engine.receive(b"a NOOP " + b"x" * limit)
    assert engine.next_event() is None
    for _ in range(3):
        engine.receive(b"y" * 1000 + b" b NOOP")
        assert engine.next_event() is None
    engine.receive(b" {8+}\r\nc NOOP\r\n\r\nd NOOP\r\n")
    assert engine.next_event() == Command(b"d", commands.Noop())
    assert engine.data_to_send() == b"a BAD command is too long\r\n"


def test_a_long_line_at_once_is_refused() -> None:
    line = b"a NOOP " + b"x" * GREETED_LINE_LIMIT + b"\r\n"
    assert answers(Engine(), line) == b"a BAD command is too long\r\n"


def test_nul_is_refused() -> None:
    engine = engine_in(State.AUTHENTICATED)
    assert answers(engine, b"a CREATE a\0b\r\n").startswith(b"a BAD ")
    assert answers(engine, b'a CREATE "a\0b"\r\n').startswith(b"a BAD ")
    assert answers(engine, b"a CREATE {3+}\r\na\0b\r\n").startswith(b"a BAD ")


def test_text_after_starttls_in_one_packet_ends_the_connection() -> None:
    engine = Engine()
    out = answers(engine, b"a STARTTLS\r\nb LOGIN u p\r\n")
    assert out.startswith(b"a BAD text after that command\r\n* BYE ")
    assert engine.closed


def test_too_many_mistakes_in_a_row_end_the_connection() -> None:
    engine = Engine()
    out = answers(engine, b"a FROB\r\n" * (MISTAKE_LIMIT + 1))
    assert out.endswith(b"* BYE too many mistakes\r\n")
    assert engine.closed


@pytest.mark.parametrize(
    ("state", "limit"),
    [
        (State.NOT_AUTHENTICATED, GREETED_SWALLOW_LIMIT),
        (State.AUTHENTICATED, SWALLOW_LIMIT),
    ],
)
def test_a_line_without_an_end_ends_the_connection(state: State, limit: int) -> None:
    engine, piece = engine_in(state), b"x" * (4 << 20)
    for _ in range(limit // len(piece) + 2):
        answers(engine, piece)
    assert engine.closed
    assert answers(engine, b"\r\na NOOP\r\n") == b""


def test_before_log_in_no_large_literal_is_swallowed() -> None:
    engine = Engine()
    assert b"BYE" in answers(engine, b"a LOGIN {%d+}\r\n" % (GREETED_SWALLOW_LIMIT + 1))
    assert engine.closed


def test_sasl_responses_are_decoded() -> None:
    engine = Engine()
    request = one_request(engine, b"a AUTHENTICATE plain AGEAYg==\r\n")
    assert request == commands.Authenticate("PLAIN", b"\0a\0b")
    engine.challenge(b"go")
    engine.receive(b"Ym9i\r\n")
    assert engine.next_event() == Response(b"bob")
    assert engine.data_to_send() == b"+ Z28=\r\n"
    engine.challenge(b"")
    engine.receive(b"*\r\n")
    assert engine.next_event() == Response(None)
    engine.finish(b"BAD", b"cancelled")
    assert engine.state is State.NOT_AUTHENTICATED


def test_an_empty_initial_response_is_an_equals_sign() -> None:
    request = one_request(Engine(), b"a AUTHENTICATE PLAIN =\r\n")
    assert request == commands.Authenticate("PLAIN", b"")


def test_idle_ends_with_done() -> None:
    engine = engine_in(State.SELECTED)
    assert one_request(engine, b"a IDLE\r\n") == commands.Idle()
    engine.begin_idle()
    engine.receive(b"done\r\n")
    assert engine.next_event() == IdleEnd(True)
    engine.finish(b"OK", b"idled")
    assert engine.data_to_send() == b"+ idling\r\na OK idled\r\n"


def test_anything_else_ends_idle_too() -> None:
    engine = engine_in(State.SELECTED)
    one_request(engine, b"a IDLE\r\n")
    engine.begin_idle()
    engine.receive(b"b NOOP\r\n")
    assert engine.next_event() == IdleEnd(False)


def append_event(engine: Engine, data: bytes) -> AppendBegin:
    engine.receive(data)
    event = engine.next_event()
    assert isinstance(event, AppendBegin), engine.data_to_send()
    return event


def test_append_streams_its_message() -> None:
    engine = engine_in(State.AUTHENTICATED)
    line = b'a APPEND Sent (\\Seen $x) " 1-Jan-1970 01:00:01 +0100" {6}\r\n'
    event = append_event(engine, line)
    assert event.request == commands.Append(
        "Sent", (commands.MessageBegin((b"\\Seen", b"$x"), 1), commands.MessageLiteral(6))
    )
    engine.accept_message()
    assert engine.next_event() is None
    assert engine.data_to_send() == b"+ OK\r\n"
    engine.receive(b"abc")
    assert engine.next_event() == AppendPart(b"abc")
    assert engine.next_event() is None
    engine.receive(b"def\r\n")
    assert engine.next_event() == AppendPart(b"def")
    assert engine.next_event() == AppendEnd(None)
    engine.finish(b"OK", b"appended")
    assert engine.data_to_send() == b"a OK appended\r\n"


def test_append_takes_its_mailbox_as_a_literal() -> None:
    engine = engine_in(State.AUTHENTICATED)
    event = append_event(engine, b"a APPEND {4+}\r\nSent {2+}\r\n")
    assert event.request == commands.Append(
        "Sent", (commands.MessageBegin(), commands.MessageLiteral(2))
    )


def test_a_refused_append_is_swallowed() -> None:
    engine = engine_in(State.AUTHENTICATED)
    append_event(engine, b"a APPEND gone {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n")
    engine.finish(b"NO", b"[TRYCREATE] no such mailbox")
    assert engine.next_event() == Command(b"c", commands.Noop())
    assert engine.data_to_send() == b"a NO [TRYCREATE] no such mailbox\r\n"


def test_text_behind_appends_message_is_refused_whole() -> None:
    engine = engine_in(State.AUTHENTICATED)
    append_event(engine, b"a APPEND x {1+}\r\nz more {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n")
    engine.accept_message()
    assert engine.next_event() == AppendPart(b"z")
    event = engine.next_event()
    assert isinstance(event, AppendEnd)
    assert event.error
    engine.finish(b"BAD", b"no")
    assert engine.next_event() == Command(b"c", commands.Noop())
    assert engine.data_to_send() == b"a BAD no\r\n"


@pytest.mark.parametrize(
    "line",
    [b"a APPEND x {1}\r\n", b"a APPEND x\r\n", b"a APPEND x y {1}\r\n", b"a APPEND x (a ~{1}\r\n"],
)
def test_append_before_login_or_wrong_is_bad(line: bytes) -> None:
    state = State.NOT_AUTHENTICATED if line.endswith(b"x {1}\r\n") else State.AUTHENTICATED
    assert answers(engine_in(state), line).startswith(b"a BAD ")


def test_utf8_append_wraps_a_literal8() -> None:
    engine = engine_in(State.AUTHENTICATED)
    engine.utf8 = True
    event = append_event(engine, 'a APPEND "Entwürfe" UTF8 (~{2+}\r\n'.encode())
    assert event.request == commands.Append(
        "Entwürfe", (commands.MessageBegin(), commands.MessageLiteral(2, binary=True))
    )
    engine.accept_message()
    engine.receive(b"\0x)\r\n")
    assert engine.next_event() == AppendPart(b"\0x")
    assert engine.next_event() == AppendEnd(None)


def test_a_second_message_follows_the_first() -> None:
    """RFC 3502"""
    engine = engine_in(State.AUTHENTICATED)
    append_event(engine, b"a APPEND x {1+}\r\ny (\\Seen) {2}\r\n")
    engine.accept_message()
    assert engine.next_event() == AppendPart(b"y")
    assert engine.next_event() == AppendNext(
        (commands.MessageBegin((b"\\Seen",)), commands.MessageLiteral(2))
    )
    assert engine.next_event() is None
    engine.accept_message()
    assert engine.data_to_send() == b"+ OK\r\n"
    engine.receive(b"zz\r\n")
    assert engine.next_event() == AppendPart(b"zz")
    assert engine.next_event() == AppendEnd(None)


def test_a_refused_second_message_is_swallowed_with_all_behind_it() -> None:
    engine = engine_in(State.AUTHENTICATED)
    append_event(
        engine, b"a APPEND x {1+}\r\ny {8+}\r\nb NOOP\r\n {8+}\r\nc NOOP\r\n\r\nd NOOP\r\n"
    )
    engine.accept_message()
    assert engine.next_event() == AppendPart(b"y")
    assert isinstance(engine.next_event(), AppendNext)
    engine.finish(b"NO", b"full")
    assert engine.next_event() == Command(b"d", commands.Noop())
    assert engine.data_to_send() == b"a NO full\r\n"


def test_what_stands_between_two_messages_is_bounded() -> None:
    engine = engine_in(State.AUTHENTICATED)
    append_event(engine, b"a APPEND x {1+}\r\ny (" + b"k " * GREETED_LINE_LIMIT)
    engine.accept_message()
    assert engine.next_event() == AppendPart(b"y")
    event = engine.next_event()
    assert isinstance(event, AppendEnd)
    assert event.error


def test_utf8_messages_follow_each_other_too() -> None:
    engine = engine_in(State.AUTHENTICATED)
    engine.utf8 = True
    append_event(engine, b"a APPEND x UTF8 (~{1+}\r\ny) UTF8 (~{1+}\r\n")
    engine.accept_message()
    assert engine.next_event() == AppendPart(b"y")
    assert engine.next_event() == AppendNext(
        (commands.MessageBegin(), commands.MessageLiteral(1, binary=True))
    )
    engine.accept_message()
    engine.receive(b"z)\r\n")
    assert engine.next_event() == AppendPart(b"z")
    assert engine.next_event() == AppendEnd(None)
