"""Whatever octets a client sends, the IMAP engine gives events or answers, in linear time."""

import re
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.dialogues import Steps, cut, dialogues
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

# There it matters how packets are cut: what follows in the same one is refused.
BY_DESIGN = re.compile(rb"STARTTLS|COMPRESS", re.IGNORECASE)
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
NOISE = st.one_of(st.sampled_from(WORDS), st.binary(max_size=6))
STATES = st.sampled_from([State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED])
BEGINNINGS = {"": State.AUTHENTICATED, "greeting": State.NOT_AUTHENTICATED}
LOG_IN = (b"l AUTHENTICATE PLAIN\r\n", b"AGEAYg==\r\n")
KNOWN = dialogues("imap", NOISE)
STREAMS = st.one_of(  # each with the state in which it begins
    st.tuples(STATES, st.lists(NOISE, max_size=60).map(tuple)),
    KNOWN.map(lambda said: (BEGINNINGS[said[0]], said[1])),
    KNOWN.map(lambda said: (State.SELECTED, said[1])),
    KNOWN.map(lambda said: (State.NOT_AUTHENTICATED, LOG_IN + said[1])),
)
Stream = tuple[State, Steps]


def is_unwanted(steps: tuple[commands.Step, ...]) -> bool:
    """Whether the literal that they end with is of a size that is refused here."""
    return isinstance(steps[-1], commands.MessageLiteral) and steps[-1].size % 5 == 1


def answer(engine: Engine, event: Event) -> None:
    """Answer as a willing server would, a fixed way for each event."""
    match event:
        case AppendBegin(_, commands.Append(_, steps)) | AppendNext(steps) if is_unwanted(steps):
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


@given(STREAMS)
@settings(max_examples=400)
def test_any_octets_give_events_or_answers(stream: Stream) -> None:
    state, steps = stream
    converse([b"".join(steps)], state)


def test_the_streams_get_as_far_as_an_engine_goes() -> None:
    reached: set[str] = set()

    @given(STREAMS)
    @settings(max_examples=400)
    def play(stream: Stream) -> None:
        state, steps = stream
        events, _ = converse(list(steps), state)
        reached.update(str(event).partition("(")[0] for event in events[:-1])
        if events[-1]:
            reached.add(AppendPart.__name__)

    play()
    assert reached == {kind.__name__ for kind in get_args(Event)}


@given(STREAMS, st.lists(st.integers(0, 10_000), max_size=8))
@settings(max_examples=300)
def test_where_packets_are_cut_changes_nothing(stream: Stream, cuts: list[int]) -> None:
    state, steps = stream
    steps = tuple(BY_DESIGN.sub(b"NOOP", step) for step in steps)
    octets = b"".join(steps)
    whole = converse([octets], state)
    assert converse(cut(steps, cuts), state) == whole
    assert converse([bytes([octet]) for octet in octets], state) == whole


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
