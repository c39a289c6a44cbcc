"""Any octets from a server give events, whatever the cuts; nothing is raised, nothing hangs."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import TraceId
from mailraven.smtp.client import ClientEngine
from mailraven.smtp.client_events import Event, Finished, Ready, SendBody, StartHandshake

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
octets = st.lists(st.one_of(st.sampled_from(REPLIES), st.binary(max_size=40)), max_size=20)
cuts = st.lists(st.integers(1, 30), max_size=40)


def play(data: bytes, cut_sizes: list[int], tls: bool) -> tuple[list[Event], bytes]:
    """All events and octets of one session that sends one message."""
    engine, events, sent, at, started = ClientEngine("me"), [], b"", 0, False
    sizes = iter(cut_sizes)
    while at < len(data):
        size = next(sizes, len(data))
        engine.receive(data[at : at + size])
        at += size
        while (event := engine.next_event()) is not None:
            events.append(event)
            match event:
                case Ready() if tls and not started:
                    started = True
                    engine.start_tls()
                case Ready() if not any(isinstance(e, Finished | SendBody) for e in events):
                    engine.send(ENVELOPE, 3)
                case StartHandshake():
                    engine.tls_started()
                case SendBody():
                    sent += engine.data_to_send() + engine.body(b"hi\r\n") + engine.end_body()
        sent += engine.data_to_send()
    engine.lost("end")
    while (event := engine.next_event()) is not None:
        events.append(event)
    return events, sent


@settings(max_examples=400, deadline=None)
@given(octets, cuts, st.booleans())
def test_any_server_gives_events_and_at_most_one_end_per_transaction(
    pieces: list[bytes], cut_sizes: list[int], tls: bool
) -> None:
    events, sent = play(b"".join(pieces), cut_sizes, tls)
    finished = [event for event in events if isinstance(event, Finished)]
    assert len(finished) == sent.count(b"MAIL FROM:")
    assert all(len(event.outcomes) == 2 for event in finished)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(REPLIES), max_size=12), cuts)
def test_cuts_between_octets_do_not_change_a_lockstep_dialogue(
    replies: list[bytes], cut_sizes: list[int]
) -> None:
    """A server that waits for us: each reply arrives alone, whole or in pieces."""

    def run(pieces_of: list[int]) -> list[Event]:
        engine, events = ClientEngine("me"), []
        for reply in replies:
            at, sizes = 0, iter(pieces_of)
            while at < len(reply):
                size = next(sizes, len(reply))
                engine.receive(reply[at : at + size])
                at += size
            while (event := engine.next_event()) is not None:
                events.append(event)
                if isinstance(event, Ready):
                    engine.send(ENVELOPE, 3)
                elif isinstance(event, SendBody):
                    engine.end_body()
        return events

    assert run([]) == run(cut_sizes)
