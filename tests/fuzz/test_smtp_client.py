"""Any octets from a server give events, whatever the cuts; nothing is raised, nothing hangs."""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.dialogues import cut
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import TraceId
from mailraven.smtp.client import ClientEngine
from mailraven.smtp.client_auth import KeyWanted
from mailraven.smtp.client_events import (
    Event,
    Finished,
    Ready,
    SendBody,
    StartHandshake,
    TlsRefused,
)

ENVELOPE = Envelope("a@x.org", (Recipient("b@x.org"), Recipient("c@x.org")), TraceId("t"))
REPLIES = [
    b"220 mx\r\n",
    b"250-mx\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n",
    b"250 ok\r\n",
    b"354 go\r\n",
    b"334 \r\n",
    b"235 ok\r\n",
    b"421 4.3.2 bye\r\n",
    b"451 4.7.1 later\r\n",
    b"550 5.1.1 no\r\n",
    b"500 what\n",
    b"250-never ends\r\n",
]
NOISE = st.one_of(st.sampled_from(REPLIES), st.binary(max_size=40))
GREETING = st.sampled_from([b"220 mx\r\n"] * 12 + [b"421 later\r\n", b"554-go\r\n554 away\r\n"])
HELLO = st.sampled_from(
    [b"250-mx\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n"] * 6
    + [b"250 mx\r\n"] * 4
    + [b"502 5.5.1 no\r\n"]
)
GO_ON = st.sampled_from([b"220 go on\r\n"] * 8 + [b"454 4.7.0 no\r\n"])
SCRAM = b"334 " + b64encode(b"r=nonceits,s=c2FsdA==,i=4096") + b"\r\n"
LOG_IN = st.sampled_from(  # with the answer to EHLO before it
    [
        (b"250-mx\r\n250 AUTH SCRAM-SHA-256\r\n", SCRAM, b"535 5.7.8 no\r\n"),
        (b"250-mx\r\n250 AUTH SCRAM-SHA-256\r\n", SCRAM, b"235 without a proof\r\n"),
        (b"250-mx\r\n250 AUTH PLAIN LOGIN\r\n", b"235 ok\r\n"),
        (b"250-mx\r\n250 AUTH LOGIN\r\n", b"334 VXNlcm5hbWU6\r\n", b"334 \r\n", b"235 ok\r\n"),
        (b"250-mx\r\n250 AUTH PLAIN LOGIN\r\n", b"535 5.7.8 no\r\n"),
    ]
)
OK = st.sampled_from([b"250 ok\r\n", b"250-2.1.0 a\r\n250 2.1.0 b\r\n"] * 12 + REPLIES)
GO = st.sampled_from([b"354 go\r\n"] * 8 + [b"451 4.3.0 no\r\n", b"503 5.5.1 no\r\n"])
TRANSACTION = st.tuples(OK, OK, OK, GO, OK, OK)  # the last word but one, or two in LMTP
EDITS = st.lists(st.tuples(st.integers(0, 30), NOISE), max_size=1)
CUTS = st.one_of(st.just([]), st.lists(st.integers(0, 1000), max_size=40))
cuts = st.lists(st.integers(1, 30), max_size=40)
Pieces = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """What the client wants of the server."""

    lmtp: bool
    tls: bool
    log_in: bool


@st.composite
def servers(draw: st.DrawFn) -> tuple[Way, Pieces]:
    """What a client wants, and a server that mostly says what one says then."""
    way = Way(draw(st.booleans()), draw(st.booleans()), draw(st.booleans()))
    said = [draw(GREETING), draw(HELLO)]
    said += [draw(GO_ON), draw(HELLO)] if way.tls else []
    said[-1:] = draw(LOG_IN) if way.log_in else said[-1:]
    said += [*draw(TRANSACTION), *draw(TRANSACTION)]
    for at, noise in draw(EDITS):
        place = at % (len(said) + 1)
        said[place : place + at % 2] = [noise]
    return way, tuple(said)


ANYBODY = st.tuples(
    st.builds(Way, st.booleans(), st.booleans(), st.booleans()),
    st.lists(NOISE, max_size=20).map(tuple),
)
SERVERS = st.one_of(ANYBODY, servers(), servers(), servers())


@dataclass(slots=True)
class Session:
    """A client that sends up to two messages, and all that happened."""

    way: Way
    engine: ClientEngine = field(init=False)
    events: list[Event] = field(default_factory=list)
    sent: bytes = b""
    has_tls: bool = False
    has_logged_in: bool = False
    begun: int = 0

    def __post_init__(self) -> None:
        self.engine = ClientEngine("me", lmtp=self.way.lmtp)

    def hears(self, data: bytes) -> None:
        self.engine.receive(data)
        self.go_on()

    def go_on(self) -> None:
        while (event := self.engine.next_event()) is not None:
            self.events.append(event)
            self.act(event)
        self.sent += self.engine.data_to_send()

    def act(self, event: Event) -> None:
        engine = self.engine
        match event:
            case Ready() if self.way.tls and not self.has_tls:
                self.has_tls = True
                engine.start_tls()
            case Ready() | TlsRefused() if self.way.log_in and not self.has_logged_in:
                self.has_logged_in = True
                engine.authenticate("user", "password", "nonce")
            case StartHandshake():
                engine.tls_started()
            case KeyWanted():
                engine.give_key(b"k" * 32)
            case SendBody():
                self.sent += engine.data_to_send() + engine.body(b"hi\r\n") + engine.end_body()
            case _ if engine.is_usable and self.begun < 2:
                self.begun += 1
                engine.send(ENVELOPE, 3)


def play(way: Way, pieces: Iterable[bytes]) -> Session:
    """The session with a server that says these pieces, each arriving alone, and goes away."""
    session = Session(way)
    for piece in pieces:
        session.hears(piece)
    session.engine.lost("end")
    session.go_on()
    return session


@settings(max_examples=400)
@given(SERVERS, CUTS)
def test_any_server_gives_events_and_at_most_one_end_per_transaction(
    server: tuple[Way, Pieces], places: list[int]
) -> None:
    way, pieces = server
    session = play(way, cut(pieces, places))
    ends = [event for event in session.events if isinstance(event, Finished)]
    assert len(ends) == session.begun >= session.sent.count(b"MAIL FROM:")
    assert all(len(event.outcomes) == 2 for event in ends)


def test_the_servers_see_all_that_a_client_does() -> None:
    reached: set[type] = set()

    @settings(max_examples=400)
    @given(SERVERS)
    def collect(server: tuple[Way, Pieces]) -> None:
        reached.update(map(type, play(*server).events))

    collect()
    assert reached == set(get_args(Event))


@given(servers(), cuts)
def test_cuts_between_octets_do_not_change_a_lockstep_dialogue(
    server: tuple[Way, Pieces], cut_sizes: list[int]
) -> None:
    """A server that waits for us: each reply arrives alone, whole or in pieces."""
    way, replies = server
    whole, parts = Session(way), Session(way)
    for reply in replies:
        whole.hears(reply)
        at, sizes = 0, iter(cut_sizes)
        while at < len(reply):
            size = next(sizes, len(reply))
            parts.hears(reply[at : at + size])
            at += size
    assert (parts.events, parts.sent) == (whole.events, whole.sent)


def lockstep(lmtp: bool, transactions: Iterable[Pieces]) -> list[Event] | None:
    """The events of the last transaction of a session, in which each reply is waited for; None when
    the session did not get there."""
    engine, events = ClientEngine("me", lmtp=lmtp), []
    engine.receive(b"220 mx\r\n")
    engine.receive(b"250 mx\r\n")
    assert isinstance(engine.next_event(), Ready)
    for replies in transactions:
        if not engine.is_usable:
            return None
        engine.send(ENVELOPE, 3)
        if engine.data_to_send().endswith(b"RSET\r\n"):
            engine.receive(b"250 ok\r\n")
        events, left = [], iter(replies)
        while not any(isinstance(event, Finished) for event in events):
            if (event := engine.next_event()) is None:
                if engine.is_closed:
                    break
                reply = next(left, None)
                engine.receive(reply) if reply else engine.lost("end")
                continue
            events.append(event)
            if isinstance(event, SendBody):
                engine.end_body()
    return events


@settings(max_examples=400)
@given(st.booleans(), TRANSACTION, TRANSACTION)
def test_a_transaction_is_as_it_would_be_without_the_one_before_it(
    lmtp: bool, before: Pieces, replies: Pieces
) -> None:
    assert lockstep(lmtp, [before, replies]) in (None, lockstep(lmtp, [replies]))
