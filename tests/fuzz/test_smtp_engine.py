"""Any octets, split anywhere, give events or replies; never another exception, never a hang."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.dialogues import Steps, cut, dialogues
from mailraven.mail.errors import PeerError
from mailraven.smtp import body, grammar, proxy_protocol
from mailraven.smtp.events import (
    Abandoned,
    Auth,
    AuthResponse,
    BodyPart,
    Event,
    Mail,
    Port,
    Rcpt,
    StartTls,
)
from mailraven.smtp.lines import LineBuffer
from mailraven.smtp.parameters import mail_parameters, rcpt_parameters
from mailraven.smtp.server import ServerEngine
from transcripts.smtp_engine import KINDS

MECHANISMS = ("SCRAM-SHA-256", "PLAIN", "LOGIN")
STARTTLS = re.compile(rb"STARTTLS", re.IGNORECASE)
FAULTS = re.compile(rb"(550 5\.5\.2|550 5\.6\.0|552 5\.3\.4) [^\r]*")
EVENT_LIMIT = 10  # events that one octet may cause at most

WORDS = st.sampled_from(
    [
        b"EHLO a.example\r\n",
        b"HELO a\r\n",
        b"LHLO a\r\n",
        b"MAIL FROM:<a@b.example>\r\n",
        b"MAIL FROM:<> SIZE=10 BODY=8BITMIME SMTPUTF8\r\n",
        b"MAIL FROM:<a@b> RET=FULL ENVID=x+2By REQUIRETLS\r\n",
        b"RCPT TO:<a@b.example>\r\n",
        b'RCPT TO:<"a \\" b"@[127.0.0.1]> NOTIFY=SUCCESS ORCPT=rfc822;a+40b\r\n',
        b"DATA\r\n",
        b"Subject: x\r\n\r\nhello\r\n",
        b".\r\n",
        b"..\r\n",
        b"\r\n.\r\n",
        b"\n.\n",
        b"\r.\r",
        b"BDAT 5\r\nabcd\r",
        b"BDAT 3 LAST\r\n\na\n",
        b"BDAT 0 LAST\r\n",
        b"BDAT 99999999\r\n",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"VRFY a\r\n",
        b"STARTTLS\r\n",
        b"AUTH PLAIN\r\n",
        b"AUTH LOGIN dGVzdA==\r\n",
        b"dGVzdA==\r\n",
        b"*\r\n",
        b"QUIT\r\n",
        b"GET / HTTP/1.1\r\n",
        b"\xff\xfe\x00\r\n",
        b"a" * 5000,
    ]
)
NOISE = st.one_of(WORDS, st.binary(max_size=30))
WILD = st.tuples(
    st.sampled_from(["smtp", "submission", "submissions", "lmtp"]),
    st.lists(NOISE, max_size=25).map(tuple),
)
Said = tuple[str, Steps]
CUTS = st.lists(st.integers(0, 10_000))


def as_lmtp(said: Said) -> Said:
    """The same in LMTP."""
    return "lmtp", tuple(step.replace(b"EHLO", b"LHLO") for step in said[1])


LOG_INS = st.sampled_from(
    [
        (b"AUTH PLAIN AGEAYg==\r\n",),
        (b"AUTH LOGIN\r\n", b"dGVzdA==\r\n"),
        (b"AUTH PLAIN\r\n", b"*\r\n"),
        (b"AUTH PLAIN\r\n", b"no base64\r\n", b"AUTH PLAIN\r\n"),
    ]
)
SMTP = dialogues("smtp", NOISE)
# The same of people who log in.
SUBMISSION = st.tuples(SMTP, LOG_INS).map(
    lambda drawn: ("submission", (b"EHLO a.example\r\n", *drawn[1], *drawn[0][1]))
)
# What comes to a port, with the port's kind.
STREAMS = st.one_of(WILD, SMTP, SMTP.map(as_lmtp), SUBMISSION)
CODES = st.lists(st.sampled_from([250, 334, 421, 451, 550]))


@dataclass(slots=True)
class Driver:
    """Answers each event by the next of `codes` and writes down all that happens."""

    engine: ServerEngine
    codes: list[int]
    said: bytes = b""
    parts: bytes = b""  # of a message whose end has not come yet
    messages: list[bytes] = field(default_factory=list)
    events: int = 0
    kinds: set[type] = field(default_factory=set)

    def feed(self, data: bytes) -> None:
        self.engine.receive(data)
        while (event := self.engine.next_event()) is not None:
            self.events += 1
            self.kinds.add(type(event))
            self.decide(event)
        self.said += self.engine.data_to_send()

    def code(self, good: int) -> int:
        """Of the reply to the event; 334 is one to AUTH alone."""
        code = self.codes[self.events % len(self.codes)] if self.codes else good
        return good if code == 334 and good != 235 else code

    def decide(self, event: object) -> None:
        match event:
            case Mail() | Rcpt():
                self.engine.reply(self.code(250), "2.0.0 ok")
            case BodyPart(data, last):
                self.parts += data
                if last:
                    self.messages.append(self.parts)
                    self.parts = b""
                while last and self.owes():
                    self.engine.reply(self.code(250), "2.0.0 ok")
            case Abandoned():
                self.parts = b""
            case Auth() | AuthResponse():
                if self.code(235) == 334 or (isinstance(event, Auth) and event.initial is None):
                    self.engine.challenge(b"more")
                else:
                    self.engine.reply(self.code(235), "2.7.0 ok")
            case StartTls():
                self.engine.tls_started()

    def owes(self) -> bool:
        return bool(self.engine._awaited)


def drive(kind: str, pieces: Iterable[bytes], codes: list[int]) -> Driver:
    port = Port(KINDS[kind or "smtp"], "mx.example", 1000, 5, True, MECHANISMS, plaintext_auth=True)
    driver = Driver(ServerEngine(port), codes)
    driver.engine.greet()
    for piece in pieces:
        driver.feed(piece)
    driver.feed(b"")
    return driver


@given(STREAMS, CUTS, CODES)
def test_any_octets_give_events_or_replies(said: Said, cuts: list[int], codes: list[int]) -> None:
    kind, steps = said
    driver = drive(kind, cut(steps, cuts), codes)
    assert driver.events <= sum(map(len, steps)) + EVENT_LIMIT
    for line in driver.said.split(b"\r\n")[:-1]:
        assert line[:3].isdigit() and line[3:4] in (b" ", b"-"), line


def test_the_streams_get_as_far_as_an_engine_goes() -> None:
    reached: set[type] = set()

    @given(STREAMS, CUTS, CODES)
    def play(said: Said, cuts: list[int], codes: list[int]) -> None:
        kind, steps = said
        reached.update(drive(kind, cut(steps, cuts), codes).kinds)

    play()
    assert reached == set(get_args(Event))


@given(STREAMS, CUTS)
def test_where_the_octets_are_split_changes_nothing(said: Said, cuts: list[int]) -> None:
    kind, steps = said
    steps = tuple(STARTTLS.sub(b"NOOP", step) for step in steps)  # there it matters by design
    octets = b"".join(steps)
    whole = drive(kind, [octets], [])
    parts = drive(kind, cut(steps, cuts), [])
    each = drive(kind, (octets[at : at + 1] for at in range(len(octets))), [])
    # Of several things that are wrong with a message, the first that is seen is told.
    parts.said, whole.said, each.said = (
        FAULTS.sub(b"refused", one.said) for one in (parts, whole, each)
    )
    assert parts.said == whole.said == each.said
    assert parts.messages == whole.messages == each.messages


@given(st.binary(max_size=200).map(lambda b: b.replace(b"a", b"\r\n").replace(b"b", b".")))
def test_data_is_what_was_sent_with_dots_added_and_removed(content: bytes) -> None:
    content = content.replace(b"\r\n", b"\0").replace(b"\r", b"").replace(b"\n", b"")
    content = content.replace(b"\0", b"\r\n") + b"\r\n"
    stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"
    for size in (1, 3, len(stuffed)):
        reader, left, got = body.DataReader(), b"", b""
        for at in range(0, len(stuffed), size):
            left += stuffed[at : at + size]
            part, used = reader.take(left)
            got, left = got + part, left[used:]
        assert (got, reader.done, reader.bare, left) == (content, True, False, b"")


@given(st.binary(max_size=300))
def test_every_grammar_raises_peer_error_only(text: bytes) -> None:
    for parse in (
        grammar.command,
        grammar.helo_name,
        grammar.mail_argument,
        grammar.rcpt_argument,
        grammar.bdat_argument,
        grammar.auth_argument,
        grammar.auth_response,
        rcpt_parameters,
        proxy_protocol.parse,
        lambda octets: mail_parameters(octets, tls=True),
        lambda octets: proxy_protocol.parse(proxy_protocol.V2_SIGNATURE + octets),
        lambda octets: proxy_protocol.parse(b"PROXY " + octets),
    ):
        try:
            parse(text)
        except PeerError as error:
            assert error.reply[:1] in "45"


@pytest.mark.parametrize(
    "octet", [b"a", b"<", b'"', b"\\", b" ", b"@", b".", b"\n", b"\r\n", b"\r\n.", b"=", b"+"]
)
def test_long_runs_of_one_octet_end(octet: bytes) -> None:
    stream = b"EHLO a\r\nMAIL FROM:<" + octet * (200_000 // len(octet)) + b"\r\n"
    driver = drive("smtp", (stream[at : at + 4096] for at in range(0, len(stream), 4096)), [])
    assert driver.events <= 2


@given(st.binary(max_size=100), st.integers(1, 20))
def test_a_line_is_whole_too_long_or_wanting(data: bytes, limit: int) -> None:
    lines, got = LineBuffer(), 0
    lines.feed(data)
    for _ in range(len(data) + 1):
        try:
            line = lines.line(limit)
        except PeerError:
            continue
        if line is None:
            break
        got += len(line) + 2
        assert len(line) + 2 <= limit
    assert got <= len(data)
