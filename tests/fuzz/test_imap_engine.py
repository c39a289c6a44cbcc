"""Whatever octets a client sends, the IMAP engine gives events or answers, in linear time."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mailraven.imap import commands
from mailraven.imap.engine import Engine
from mailraven.imap.events import (
    AppendBegin,
    AppendEnd,
    AppendNext,
    AppendPart,
    Command,
    Event,
    IdleEnd,
    Response,
)
from mailraven.imap.states import State

WORDS = [
    b"a ", b"NOOP", b"LOGIN ", b"FETCH ", b"UID ", b"STORE ", b"SEARCH ", b"APPEND ", b"LIST ",
    b"AUTHENTICATE PLAIN", b"IDLE", b"DONE", b"STARTTLS", b"STATUS ", b"CREATE ", b"SELECT ",
    b"\r\n", b"\n", b" ", b"(", b")", b"[", b"]", b'"', b"\\", b"{3}\r\n", b"{3+}\r\n",
    b"~{2+}\r\n", b"{0+}", b"{99999999999+}\r\n",
    b"*", b"1:*", b"1,2,4:9", b"$", b"INBOX", b"&AOk-", b"&", b"\0",
    b"\xff", b"abc", b"FLAGS ", b"BODY[", b"HEADER.FIELDS (", b"<0.10>", b"OR ", b"NOT ", b"=",
    b"1-Jan-2026", b'" 1-Jan-2026 00:00:00 +0000" ', b"(USE (\\Sent))", b"RETURN (STATUS (", b"+",
    b"REPLACE 1 x ", b"CATENATE (", b"TEXT ", b"URL ", b"/x;UID=1", b"BINARY[1]<1.2>", b"PREVIEW",
]  # fmt: skip
STREAMS = st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=6)), max_size=60).map(
    b"".join
)
STATES = st.sampled_from([State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED])


def is_odd(steps: tuple[commands.Step, ...]) -> bool:
    """Whether the literal that they end with is of odd size."""
    return isinstance(steps[-1], commands.MessageLiteral) and steps[-1].size % 2 == 1


def answer(engine: Engine, event: Event) -> None:
    """Answer as a willing server would, a fixed way for each event."""
    match event:
        case AppendBegin(_, commands.Append(_, steps)) | AppendNext(steps) if is_odd(steps):
            engine.finish(b"NO", b"refused")
        case AppendBegin() | AppendNext():
            engine.accept_message()
        case Command(_, commands.Authenticate()):
            engine.challenge(b"more")
        case Command(_, commands.Idle()):
            engine.begin_idle()
        case Command() | AppendEnd() | Response() | IdleEnd():
            engine.finish(b"OK", b"done")


def converse(pieces: list[bytes], state: State) -> tuple[list[object], bytes]:
    """Events (message parts joined) and all that the engine said."""
    engine = Engine()
    engine.state = state
    events: list[object] = []
    said = b""
    message = b""
    for piece in pieces:
        engine.receive(piece)
        while (event := engine.next_event()) is not None:
            if isinstance(event, AppendPart):
                message += event.data
            else:
                events.append(repr(event))
            answer(engine, event)
        said += engine.data_to_send()
    return [*events, message], said


@given(STREAMS, STATES)
@settings(max_examples=400, deadline=None)
def test_any_octets_give_events_or_answers(stream: bytes, state: State) -> None:
    converse([stream], state)


@given(STREAMS, STATES, st.data())
@settings(max_examples=300, deadline=None)
def test_where_packets_are_cut_changes_nothing(
    stream: bytes, state: State, data: st.DataObject
) -> None:
    # There it matters by design: what follows in the same packet is refused.
    assume(b"STARTTLS" not in stream.upper())
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = converse([stream], state)
    assert converse(pieces, state) == whole
    assert converse([bytes([octet]) for octet in stream], state) == whole


LONG = [
    b"x" * 3_000_000,
    b"a FROB {1+}\r\n" + b"y {1+}\r\n" * 300_000,
    b"a SEARCH OR " + b"NOT " * 200_000 + b"\r\n",
    b"a SEARCH " + b"(" * 200_000 + b"\r\n",
    b"a STORE 1 FLAGS (" + b"x " * 300_000 + b"\r\n",
    b"a CREATE" + b" {0+}\r\n" * 120_000 + b"\r\n",
    b"a APPEND" + b" {0+}\r\n" * 120_000 + b"\r\n",
    b"a FETCH " + b"1," * 300_000 + b"1 FLAGS\r\n",
    b'a LIST "" "' + b"*" * 100_000 + b'"\r\n',
    b'a LIST "" "' + b"\\" * 400_000 + b"\r\n",
    b"a CREATE " + b"&" * 400_000 + b"\r\n",
    b"\r\n" * 20,
]


@pytest.mark.parametrize("stream", LONG, ids=lambda stream: repr(stream[:14]))
def test_long_input_costs_no_more_than_its_length(stream: bytes) -> None:
    """Nothing here is timed; what is not linear takes minutes and is noticed."""
    size = 4096
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    converse(pieces, State.SELECTED)
    converse([stream], State.SELECTED)
