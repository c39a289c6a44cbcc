"""The player of transcripts, shown on a server that is a list of answers."""

import pytest

from transcripts.runner import Link, Mismatch, Silence, parse, play


class Parrot:
    """Says `answers` one after the other, one for each thing sent; then closes."""

    def __init__(self, answers: list[bytes]) -> None:
        self.answers = answers
        self.heard = b""

    def send(self, data: bytes) -> None:
        self.heard += data

    def receive(self) -> bytes:
        if not self.answers:
            raise Silence
        return self.answers.pop(0)

    def start_tls(self) -> None:
        self.heard += b"<TLS>"

    def close(self) -> None:
        self.heard += b"<END>"


def run(text: str, *answers: bytes) -> tuple[bytes, dict[str, str]]:
    parrot = Parrot(list(answers))

    def connect() -> Link:
        return parrot

    bound = play(parse(text), connect, chunk=1)
    return parrot.heard, bound


def test_client_lines_end_with_crlf_and_octets_go_as_they_are() -> None:
    assert run('C: one\nC! b"two\\n"\nC:')[0] == b"one\r\ntwo\n\r\n<END>"


def test_server_lines_are_exact_a_regex_or_skipped() -> None:
    run(
        "S: 220 a.b\nS~ 250-.*\nS* 250 .*\n-- closed",
        b"220 a.b\r\n250-x\r\n250-y\r\n250 z\r\n",
        b"",
    )
    with pytest.raises(Mismatch, match="transcript:1"):
        run("S: 220 a.b", b"220 acb\r\n")


def test_a_run_of_untagged_lines_comes_in_any_order() -> None:
    run("S: * 1\nS: * 2\nS: a OK", b"* 2\r\n* 1\r\na OK\r\n")
    with pytest.raises(Mismatch):
        run("S: * 1\nS: * 2\nS: a OK", b"* 2\r\n* 2\r\na OK\r\n")


def test_the_lines_of_a_literal_belong_to_its_response() -> None:
    text = "S: * 1 X {5}\nS: ab\nS: c)\nS: * 2\nS: a OK"
    run(text, b"* 2\r\n* 1 X {5}\r\nab\r\nc)\r\na OK\r\n")
    run("S: * 1 X {4}\nS: abcd)\nS: * 2\nS: a OK", b"* 2\r\n* 1 X {4}\r\nabcd)\r\na OK\r\n")


def test_a_variable_is_bound_at_first_sight_and_sent_back() -> None:
    heard, bound = run("S: v [$uid]\nC: get $uid\nS~ $uid .*", b"v [77]\r\n77 x\r\n")
    assert bound == {"uid": "77"}
    assert heard.startswith(b"get 77\r\n")


def test_an_open_connection_is_not_closed() -> None:
    with pytest.raises(Mismatch, match="still open"):
        run("-- closed")
