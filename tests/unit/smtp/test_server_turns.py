"""What one large read may cost: pauses for others, and no copies of what is not used yet."""

from mailraven.smtp.events import BodyPart, Mail, Pause, Port, Rcpt
from mailraven.smtp.lines import LineBuffer
from mailraven.smtp.server import STEPS_AT_ONCE, ServerEngine

ENVELOPE = b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\n"


def played(flood: bytes) -> tuple[ServerEngine, int]:
    """The engine after a flood, and how often it let others have a turn."""
    engine, pauses = ServerEngine(Port("smtp", "mx", recipients=1)), 0
    engine.receive(ENVELOPE + flood)
    while (event := engine.next_event()) is not None:
        if isinstance(event, Mail | Rcpt):
            engine.reply(250, "2.0.0 ok")
        pauses += isinstance(event, Pause)
    return engine, pauses


def test_recipients_beyond_the_limit_are_answered_in_turns() -> None:
    engine, pauses = played(b"RCPT TO:<bob@example.org>\r\n" * 10 * STEPS_AT_ONCE)
    assert engine.data_to_send().count(b"452 4.5.3 ") == 10 * STEPS_AT_ONCE
    assert pauses >= 9


def test_chunks_of_a_refused_message_are_answered_in_turns() -> None:
    engine = ServerEngine(Port("smtp", "mx"))
    engine.receive(b"EHLO a\r\n" + b"BDAT 1\r\nx" * 5000)
    pauses = 0
    while (event := engine.next_event()) is not None:
        pauses += isinstance(event, Pause)
    assert pauses >= 5000 // STEPS_AT_ONCE
    assert engine.data_to_send().count(b"503 5.5.1 ") == 5000


def test_a_usual_message_needs_no_pause() -> None:
    engine = ServerEngine(Port("smtp", "mx"))
    engine.receive(ENVELOPE + b"DATA\r\n" + b"x" * 4096 + b"\r\n.\r\nQUIT\r\n")
    seen: list[type] = []
    while (event := engine.next_event()) is not None:
        seen.append(type(event))
        if isinstance(event, Mail | Rcpt | BodyPart):
            engine.reply(250, "2.0.0 ok")
    assert seen == [Mail, Rcpt, BodyPart]


def test_a_buffer_gives_no_more_than_is_asked_for() -> None:
    lines = LineBuffer()
    lines.feed(b"BDAT 3\r\nabcdef")
    assert lines.line(100) == b"BDAT 3"
    assert lines.rest(3) == b"abc"
    lines.advance(3)
    assert lines.rest(2) == b"de"
    assert lines.rest() == b"def"
