"""The client engine against scripted servers; every dialogue whole and octet by octet."""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import TraceId
from mailraven.smtp.client import ClientEngine
from mailraven.smtp.client_auth import KeyWanted
from mailraven.smtp.client_commands import UnsafePath, xtext
from mailraven.smtp.client_events import (
    Authenticated,
    AuthRefused,
    Event,
    Finished,
    Ready,
    Refused,
    SendBody,
    Stage,
    StartHandshake,
    TlsRefused,
)
from mailraven.smtp.client_replies import Reply, parse_extensions

FULL = b"250-mx\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8\r\n"
PLAIN = b"250-mx\r\n250 HELP\r\n"


def envelope(*addresses: str, sender: str = "alice@example.net") -> Envelope:
    recipients = tuple(Recipient(address) for address in addresses or ("bob@example.org",))
    return Envelope(sender, recipients, TraceId("t"))


@dataclass
class Dialogue:
    """Plays server octets into an engine, whole or one by one, and keeps what comes out."""

    engine: ClientEngine
    cut: Callable[[bytes], list[bytes]]
    events: list[Event] = field(default_factory=list)
    sent: bytes = b""

    def server(self, octets: bytes) -> None:
        for piece in self.cut(octets):
            self.engine.receive(piece)
            self.look()

    def look(self) -> None:
        while (event := self.engine.next_event()) is not None:
            self.events.append(event)
        self.sent += self.engine.data_to_send()

    def start(self, envelope: Envelope, hello: bytes = FULL) -> None:
        self.server(b"220 mx ESMTP\r\n")
        self.server(hello)
        self.sent = b""
        self.events.clear()
        self.engine.send(envelope, 500)
        self.look()

    def body(self, content: bytes) -> None:
        self.sent += self.engine.body(content) + self.engine.end_body()

    def outcomes(self) -> list[str]:
        finished = self.events[-1]
        assert isinstance(finished, Finished)
        return [f"{one.command}: {one.reply}" for one in finished.outcomes]


@pytest.fixture(params=["whole", "octets"])
def talk(request: pytest.FixtureRequest) -> Dialogue:
    def octets(data: bytes) -> list[bytes]:
        return [data[n : n + 1] for n in range(len(data))]

    cut = octets if request.param == "octets" else lambda data: [data]
    return Dialogue(ClientEngine("client.example"), cut)


def test_pipelined_envelope_goes_out_at_once(talk: Dialogue) -> None:
    talk.start(envelope("b@x.org", "c@x.org"))
    assert talk.sent == (
        b"MAIL FROM:<alice@example.net> SIZE=500\r\n"
        b"RCPT TO:<b@x.org>\r\nRCPT TO:<c@x.org>\r\nDATA\r\n"
    )
    talk.server(b"250 ok\r\n250 ok\r\n550 5.1.1 no c\r\n354 go\r\n")
    assert talk.events == [SendBody()]
    talk.body(b"hi\r\n")
    talk.server(b"250 2.0.0 queued\r\n")
    assert talk.outcomes() == ["end of DATA: 250 2.0.0 queued", "RCPT TO: 550 5.1.1 no c"]
    assert talk.engine.is_usable


def test_without_pipelining_one_command_waits_for_the_other(talk: Dialogue) -> None:
    talk.start(envelope("b@x.org", "c@x.org"), PLAIN)
    assert talk.sent == b"MAIL FROM:<alice@example.net>\r\n"
    talk.server(b"250 ok\r\n")
    talk.server(b"451 4.2.0 later\r\n")
    talk.server(b"250 ok\r\n")
    assert talk.sent.endswith(b"RCPT TO:<b@x.org>\r\nRCPT TO:<c@x.org>\r\nDATA\r\n")
    talk.server(b"354 go\r\n")
    talk.body(b"hi\r\n")
    talk.server(b"250 ok\r\n")
    assert talk.outcomes() == ["RCPT TO: 451 4.2.0 later", "end of DATA: 250 ok"]


def test_refused_sender_is_the_answer_for_every_recipient(talk: Dialogue) -> None:
    for hello in (PLAIN, FULL):
        dialogue = Dialogue(ClientEngine("client.example"), talk.cut)
        dialogue.start(envelope("b@x.org", "c@x.org"), hello)
        dialogue.server(b"550 5.7.1 not you\r\n")
        if hello is FULL:
            dialogue.server(b"503 no\r\n503 no\r\n503 no\r\n")
        assert dialogue.outcomes() == ["MAIL FROM: 550 5.7.1 not you"] * 2
        assert dialogue.engine.is_usable


def test_next_transaction_after_a_refused_one_starts_with_rset(talk: Dialogue) -> None:
    talk.start(envelope(), PLAIN)
    talk.server(b"550 no\r\n")
    talk.sent = b""
    talk.engine.send(envelope(), 5)
    talk.look()
    assert talk.sent == b"RSET\r\n"
    talk.server(b"250 ok\r\n")
    assert b"MAIL FROM" in talk.sent


def test_data_granted_without_any_recipient_gets_an_empty_message(talk: Dialogue) -> None:
    # RFC 2920 §3.1
    talk.start(envelope())
    talk.server(b"250 ok\r\n550 no\r\n354 go\r\n")
    assert talk.sent.endswith(b"\r\n.\r\n")
    talk.server(b"554 no valid recipients\r\n")
    assert talk.outcomes() == ["RCPT TO: 550 no"]


def test_helo_when_ehlo_is_not_known(talk: Dialogue) -> None:
    talk.server(b"220 old\r\n500 what?\r\n")
    assert talk.sent == b"EHLO client.example\r\nHELO client.example\r\n"
    talk.server(b"250 hello\r\n")
    assert talk.engine.is_usable and talk.engine.extensions.offered == {}


def test_greeting_that_is_not_220_ends_the_session(talk: Dialogue) -> None:
    talk.server(b"554 go away\r\n")
    (event,) = talk.events
    assert isinstance(event, Refused) and event.outcome.reply.code == 554
    assert not talk.engine.is_usable


@pytest.mark.parametrize("heard", [b"", b"250 ok\r\n", b"250 ok\r\n250 ok\r\n"])
def test_421_decides_all_that_is_open(talk: Dialogue, heard: bytes) -> None:
    talk.start(envelope("b@x.org", "c@x.org"))
    talk.server(heard + b"421 4.3.2 closing\r\n")
    assert [text.partition(": ")[2] for text in talk.outcomes()] == ["421 4.3.2 closing"] * 2
    assert not talk.engine.is_usable


def test_lost_connection_keeps_the_words_that_were_heard(talk: Dialogue) -> None:
    talk.start(envelope("b@x.org", "c@x.org"))
    talk.server(b"250 ok\r\n550 no b\r\n")
    talk.engine.lost("connection lost")
    talk.look()
    first, second = talk.outcomes()
    assert first == "RCPT TO: 550 no b"
    assert "451 4.4.2 connection lost" in second


def test_answer_in_the_middle_of_the_message_is_the_last_word(talk: Dialogue) -> None:
    talk.start(envelope())
    talk.server(b"250 ok\r\n250 ok\r\n354 go\r\n552 5.3.4 too big\r\n")
    assert talk.outcomes() == ["sending the message: 552 5.3.4 too big"]
    assert not talk.engine.is_usable


def test_two_pipelined_answers_do_not_end_a_message_early(talk: Dialogue) -> None:
    talk.start(envelope())
    talk.server(b"250 ok\r\n250 ok\r\n354 go\r\n250 queued already\r\n")
    finished = talk.events[-1]
    assert isinstance(finished, Finished) and not finished.outcomes[0].heard


def test_lmtp_answers_once_per_accepted_recipient(talk: Dialogue) -> None:
    # RFC 2033 §4.2
    talk.engine = ClientEngine("client.example", lmtp=True)
    talk.start(envelope("a@x.org", "b@x.org", "c@x.org"))
    talk.server(b"250 ok\r\n250 ok\r\n550 no b\r\n250 ok\r\n354 go\r\n")
    talk.body(b"hi\r\n")
    talk.server(b"250 a done\r\n452 4.2.2 c is full\r\n")
    assert talk.outcomes() == [
        "end of DATA: 250 a done",
        "RCPT TO: 550 no b",
        "end of DATA: 452 4.2.2 c is full",
    ]


def test_starttls_forgets_what_was_offered_before(talk: Dialogue) -> None:
    talk.server(b"220 mx\r\n250-mx\r\n250-STARTTLS\r\n250 DSN\r\n")
    talk.engine.start_tls()
    talk.server(b"220 go\r\n")
    assert talk.events[-1] == StartHandshake()
    talk.engine.tls_started()
    talk.server(b"250 mx\r\n")
    ready = talk.events[-1]
    assert isinstance(ready, Ready) and ready.extensions.offered == {}


def test_text_after_the_starttls_answer_ends_the_session() -> None:
    engine = ClientEngine("client.example")
    engine.receive(b"220 mx\r\n250-mx\r\n250 STARTTLS\r\n")
    engine.start_tls()
    engine.receive(b"220 go\r\n250-AUTH PLAIN\r\n")
    events = []
    while (event := engine.next_event()) is not None:
        events.append(event)
    assert StartHandshake() not in events
    assert engine.stage is Stage.CLOSED


def test_refused_starttls_leaves_a_session(talk: Dialogue) -> None:
    talk.server(b"220 mx\r\n250-mx\r\n250 STARTTLS\r\n")
    talk.engine.start_tls()
    talk.server(b"454 4.7.0 not now\r\n")
    assert talk.events[-1] == TlsRefused(Reply(454, ("4.7.0 not now",)))
    assert talk.engine.is_usable


# RFC 7677 §3
NONCE, USER = "rOprNGfwEbeRWgbNEkqO", "user"
SERVER_FIRST = (
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
)
CLIENT_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def challenge(text: bytes) -> bytes:
    return b"334 " + b64encode(text) + b"\r\n"


def scram(talk: Dialogue, first: bytes = SERVER_FIRST) -> None:
    """Until the server has said its first word."""
    talk.server(b"220 mx\r\n250-mx\r\n250 AUTH PLAIN SCRAM-SHA-256\r\n")
    talk.engine.authenticate(USER, "pencil", NONCE)
    talk.look()
    said = b64encode(b"n,,n=user,r=" + NONCE.encode())
    assert talk.sent.endswith(b"AUTH SCRAM-SHA-256 " + said + b"\r\n")
    talk.server(challenge(first))


def prove(talk: Dialogue, password: bytes = b"pencil") -> None:
    """Until the client has proved what it knows."""
    wanted = talk.events[-1]
    assert wanted == KeyWanted(b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
    talk.engine.give_key(hashlib.pbkdf2_hmac("sha256", password, wanted.salt, wanted.iterations))
    talk.look()


def test_scram_goes_before_plain_and_both_sides_prove_what_they_know(talk: Dialogue) -> None:
    scram(talk)
    prove(talk)
    assert talk.sent.endswith(b"\r\n" + b64encode(CLIENT_FINAL) + b"\r\n")
    talk.server(challenge(SERVER_FINAL))
    assert talk.sent.endswith(b64encode(CLIENT_FINAL) + b"\r\n\r\n")
    talk.server(b"235 2.7.0 ok\r\n")
    assert talk.events[-1] == Authenticated()
    assert b"pencil" not in talk.sent


@pytest.mark.parametrize(
    "said",
    [
        b"235 2.7.0 ok\r\n",
        challenge(SERVER_FINAL.replace(b"6rri", b"7rri")),
        challenge(b"e=other-error"),
        challenge(b""),
        b"334 nonsense!\r\n",
    ],
)
def test_server_that_does_not_know_the_password_is_left(talk: Dialogue, said: bytes) -> None:
    scram(talk)
    prove(talk)
    talk.server(said)
    assert isinstance(talk.events[-1], Refused)
    assert talk.engine.is_closed


@pytest.mark.parametrize(
    "said",
    [
        SERVER_FIRST.replace(b"rOpr", b"xxxx"),
        b"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",  # nothing of its own
        SERVER_FIRST.replace(b"4096", b"99999999"),
        SERVER_FIRST.replace(b"4096", b"0"),
        SERVER_FIRST.replace(b"W22", b"=22"),
        b"m=x," + SERVER_FIRST,
        b"\xff",
    ],
)
def test_first_word_of_the_server_that_is_none_ends_the_session(
    talk: Dialogue, said: bytes
) -> None:
    scram(talk, said)
    assert isinstance(talk.events[-1], Refused)


def test_refused_proof_is_the_word_of_the_server(talk: Dialogue) -> None:
    scram(talk)
    prove(talk, b"crayon")
    talk.server(b"535 5.7.8 no\r\n")
    assert talk.events[-1] == AuthRefused(Reply(535, ("5.7.8 no",)))
    assert talk.engine.is_usable


def test_auth_plain_sends_its_response_at_once(talk: Dialogue) -> None:
    talk.server(b"220 mx\r\n250-mx\r\n250 AUTH LOGIN PLAIN\r\n")
    talk.engine.authenticate("me", "secret")
    talk.look()
    assert talk.sent.endswith(b"AUTH PLAIN AG1lAHNlY3JldA==\r\n")
    talk.server(b"235 welcome\r\n")
    assert talk.events[-1] == Authenticated()


def test_auth_login_answers_two_questions(talk: Dialogue) -> None:
    talk.server(b"220 mx\r\n250-mx\r\n250 AUTH=LOGIN\r\n")
    talk.engine.authenticate("me", "secret")
    talk.look()
    talk.server(b"334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n535 5.7.8 no\r\n")
    assert talk.sent.endswith(b"AUTH LOGIN\r\nbWU=\r\nc2VjcmV0\r\n")
    assert talk.events[-1] == AuthRefused(Reply(535, ("5.7.8 no",)))


def test_unknown_mechanisms_only_is_a_refusal(talk: Dialogue) -> None:
    talk.server(b"220 mx\r\n250-mx\r\n250 AUTH CRAM-MD5\r\n")
    talk.engine.authenticate("me", "secret")
    talk.look()
    assert talk.events[-1] == AuthRefused(None)


def test_parameters_are_sent_only_where_offered(talk: Dialogue) -> None:
    recipient = Recipient("b@x.org", frozenset({"SUCCESS", "DELAY"}), "rfc822;b+b@x.org")
    wanted = Envelope(
        "jörg@x.org", (recipient,), TraceId("t"), "8BITMIME", True, ret="HDRS", envid="a b=c"
    )
    talk.start(wanted)
    assert talk.sent.startswith(
        "MAIL FROM:<jörg@x.org> SIZE=500 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+20b+3Dc\r\n"
        "RCPT TO:<b@x.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bb@x.org\r\n".encode()
    )
    plain = Dialogue(ClientEngine("client.example"), talk.cut)
    plain.start(wanted, PLAIN)
    assert plain.sent == "MAIL FROM:<jörg@x.org>\r\n".encode()


@pytest.mark.parametrize(
    "content",
    [b"", b".\r\n", b"a\r\n.\r\n..b\r\n", b"no line end", b".", b"\r\n.\r\n.\r\n", b"a.b\r\n.c"],
)
def test_no_line_of_a_message_ends_it_and_cuts_do_not_matter(content: bytes) -> None:
    engine = ClientEngine("client.example")
    whole = engine.body(content) + engine.end_body()
    engine = ClientEngine("client.example")
    pieces = b"".join(engine.body(content[n : n + 1]) for n in range(len(content)))
    assert pieces + engine.end_body() == whole
    assert ("\r\n" + whole.decode()).index("\r\n.\r\n") == len(whole) - 3
    unstuffed = [line.removeprefix(b".") for line in whole[:-3].split(b"\r\n")]
    assert b"\r\n".join(unstuffed).rstrip(b"\r\n") == content.rstrip(b"\r\n")


def test_address_with_control_characters_is_never_sent(talk: Dialogue) -> None:
    talk.server(b"220 mx\r\n" + FULL)
    talk.sent = b""
    with pytest.raises(UnsafePath):
        talk.engine.send(envelope("b@x.org>\r\nRCPT TO:<evil@x.org"), 1)
    talk.look()
    assert talk.sent == b"" and talk.engine.is_usable


@pytest.mark.parametrize(
    "noise",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"\x16\x03\x01\x02\x00\r\n",
        b"999 no\r\n",
        b"220-" + b"x" * 70_000,
        b"220-a\r\n" * 600,
        b"y" * 1_000_000,
    ],
    ids=["ssh", "tls", "999", "long line", "many lines", "megabyte"],
)
def test_nonsense_ends_the_session_in_bounded_memory(noise: bytes) -> None:
    engine = ClientEngine("client.example")
    for at in range(0, len(noise), 1000):
        engine.receive(noise[at : at + 1000])
    event = engine.next_event()
    assert isinstance(event, Refused) and not event.outcome.heard
    assert engine.next_event() is None


def test_odd_replies_that_servers_really_send_are_understood() -> None:
    engine = ClientEngine("client.example")
    engine.receive(b"220\n250-mx\n250-size  20\n250-AUTH=PLAIN\n250\n")
    ready = engine.next_event()
    assert isinstance(ready, Ready)
    assert ready.extensions.size_limit == 20
    assert ready.extensions.mechanisms == {"PLAIN"}


def test_enhanced_status_counts_only_when_it_fits_the_code() -> None:
    assert Reply(550, ("5.1.1 no",)).enhanced_status == "5.1.1"
    assert Reply(550, ("2.1.1 no",)).enhanced_status == ""
    assert Reply(550, ("5.1.1",)).enhanced_status == "5.1.1"


def test_size_zero_is_no_limit() -> None:
    assert parse_extensions(Reply(250, ("mx", "SIZE 0"))).size_limit is None


def test_control_characters_of_a_peer_never_reach_a_log() -> None:
    engine = ClientEngine("client.example")
    engine.receive(b"554 \x1b[31mred\x00 \xff\r\n")
    event = engine.next_event()
    assert isinstance(event, Refused)
    assert str(event.outcome.reply) == "554 [31mred  \\xff"


def test_words_of_a_peer_do_not_seem_others_on_a_screen() -> None:
    # U+202E turns the direction of what follows, U+2028 ends a line for many programs.
    engine = ClientEngine("client.example")
    engine.receive("554 5.7.1 \u202ekO 052\u2028250 ok\r\n".encode())
    event = engine.next_event()
    assert isinstance(event, Refused)
    assert str(event.outcome.reply) == "554 5.7.1  kO 052 250 ok"


def test_xtext_is_reversible_ascii() -> None:
    assert xtext("a+b=c d\u00fc") == "a+2Bb+3Dc+20d+C3+BC"


@pytest.mark.parametrize("lmtp", [False, True])
def test_who_answers_before_the_message_gets_no_end_of_it_and_is_heard_no_more(lmtp: bool) -> None:
    engine = ClientEngine("client.example", lmtp=lmtp)
    engine.receive(b"220 mx\r\n")
    engine.receive(b"250 mx\r\n")
    engine.send(envelope(), 3)
    for reply in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n250 I have it\r\n"):
        engine.receive(reply)
    events = []
    while (event := engine.next_event()) is not None:
        events.append(event)
        if isinstance(event, SendBody):
            assert engine.end_body() == b""
    engine.receive(b"250 ok\r\n")
    assert engine.is_closed
    assert engine.next_event() is None
    [ready, body, finished] = events
    assert isinstance(ready, Ready) and isinstance(body, SendBody)
    assert isinstance(finished, Finished)
    assert [outcome.reply.code for outcome in finished.outcomes] == [451]
