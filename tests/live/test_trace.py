"""`mailraven trace`: the story of mail that really flows, told by daemons that really run."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailraven.ops.demo import Demo
from peers.patience import wait_for
from servers.aside import aside
from servers.smtp_server import SmtpServer
from transcripts.live import DOMAIN, TOP, running
from unit.daemons.smtp_house import alice, answer_to, new_house

ALICE = f"alice@{DOMAIN}"
BOB = f"bob@{DOMAIN}"
REFUSAL = b"550 5.1.1 carol is \x9b unknown\r\n"


def judge(line: bytes) -> bytes:
    """The other server knows no carol, lets dave and dan wait, and takes the rest."""
    if b"<carol@" in line:
        return REFUSAL
    return b"450 4.2.1 come again\r\n" if b"<da" in line else b""


@pytest.fixture(scope="module")
def house() -> Iterator[Demo]:
    """A server whose mail to others meets what `judge` says."""
    with new_house(21) as demo, aside(SmtpServer(judge=judge)) as server:
        routes = f"*=127.0.0.1:{server.port}"
        with running(demo, "authd", "smtpd", "queued", queue_routes=routes):
            yield demo


def trace(house: Demo, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, run as an operator does."""
    return subprocess.run(
        [sys.executable, TOP / "bin" / "mailraven", "--etc", house.etc, "trace", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


def told(house: Demo, wanted: str, word: str) -> str:
    """The story, once that word is in it."""

    def look() -> str | None:
        text = trace(house, wanted).stdout
        return text if word in text else None

    return wait_for(f"{word!r} in the story of {wanted}", look)


def submit(house: Demo, to: list[str], message_id: str) -> str:
    """Send as alice; the trace of the message."""
    message = (
        f"From: <{ALICE}>\r\nMessage-ID: {message_id}\r\nSubject: nobody's business\r\n\r\nbody"
    )
    with alice(house) as smtp:
        answer = answer_to(smtp, ALICE, to, message.encode())
    assert answer.startswith("250 2.0.0 ok "), answer
    return answer.split()[3]


@pytest.fixture(scope="module")
def bounced(house: Demo) -> str:
    """The trace of a message that carol's server refuses, and a filed copy of which bob has."""
    id = submit(house, ["carol@elsewhere.example", BOB], "<one@alice.example>")
    told(house, id, "was sent a report")
    return id


@pytest.mark.req("FR-059")
def test_the_story_names_every_step(house: Demo, bounced: str) -> None:
    story = told(house, bounced, "It is in the mailbox of").split("\n\n")[0].splitlines()
    print("\n".join(story))
    assert story[0] == f"Message {bounced}, Message-ID <one@alice.example>"
    assert f"{ALICE}, logged in from 127.0.0.1," in story[1]
    assert f"to carol@elsewhere.example, {BOB} by submissions (ESMTPSA) over TLSv1.3" in story[1]
    rest = "\n".join(story[2:])
    assert f"brought it to this machine's mailboxes: {BOB} in INBOX." in rest
    assert 'did not take it for carol@elsewhere.example at RCPT TO (no TLS): "550 5.1.1' in rest
    assert "carol@elsewhere.example is given up." in rest
    assert f"{ALICE} was sent a report (failed): message " in rest


def test_the_report_about_a_message_follows_it_with_a_story_of_its_own(
    house: Demo, bounced: str
) -> None:
    told(house, bounced, f"{ALICE} in INBOX")
    first, report = json.loads(trace(house, bounced, "--json").stdout)
    assert first["trace"] == bounced
    assert f"the report (failed) to {ALICE} about message {bounced}" in report["story"][0]
    assert any(f"{ALICE} in INBOX" in one for one in report["story"])
    assert report["trace"] in [line.get("report_trace") for line in first["events"]]


@pytest.mark.parametrize(
    "wanted", ["<one@alice.example>", "one@alice.example", "carol@elsewhere.example"]
)
def test_a_message_is_found_by_its_id_and_by_who_gets_it(
    house: Demo, bounced: str, wanted: str
) -> None:
    stories = json.loads(trace(house, wanted, "--json").stdout)
    assert stories[0]["trace"] == bounced


def test_a_message_is_found_by_its_name_in_the_queue(house: Demo, bounced: str) -> None:
    (first, *_) = json.loads(trace(house, bounced, "--json").stdout)
    ids = {line["queue_id"] for line in first["events"] if "queue_id" in line}
    for id in ids:
        assert json.loads(trace(house, id, "--json").stdout)[0]["trace"] == bounced


def test_nothing_that_the_message_says_is_kept(house: Demo, bounced: str) -> None:
    kept = b"".join(path.read_bytes() for path in (house.root / "traces").iterdir())
    assert bounced.encode() in kept
    assert b"business" not in kept


def test_what_waits_is_told_with_its_next_try(house: Demo, bounced: str) -> None:
    id = submit(house, ["dave@later.example"], "<two@alice.example>")
    story = told(house, id, "It waits in the queue as ")
    assert '"450 4.2.1 come again". It is tried again.' in story
    assert "for dave@later.example; the next try is 20" in story
    (one,) = json.loads(trace(house, "dave@later.example", "--json").stdout)
    assert one["waiting"][0]["pending"] == ["dave@later.example"]


def test_what_an_operator_does_is_in_the_story(house: Demo, bounced: str) -> None:
    id = submit(house, ["dan@held.example"], "<three@alice.example>")
    told(house, id, "It waits in the queue as ")
    (story,) = json.loads(trace(house, id, "--json").stdout)
    command = [sys.executable, TOP / "bin" / "mailraven", "--etc", house.etc, "queue", "hold"]
    subprocess.run([*command, story["waiting"][0]["queue_id"]], check=True, stdout=subprocess.PIPE)
    text = trace(house, id).stdout
    assert ", an operator, had it held in the queue." in text
    assert "for dan@held.example; it is held." in text


def test_a_refusal_of_a_user_is_in_the_story(house: Demo) -> None:
    with alice(house) as smtp:
        assert answer_to(smtp, "boss@example.net", [BOB], b"").startswith("553 ")
    text = told(house, "boss@example.net", "refused at mail")
    assert "553 5.7.1" in text


def test_an_unknown_id_is_an_error(house: Demo) -> None:
    done = trace(house, "0123456789ab")
    assert done.returncode == 1
    assert "nothing is known of 0123456789ab" in done.stderr


def test_what_comes_is_followed(house: Demo, tmp_path: Path) -> None:
    wanted = "erin@followed.example"
    command = [sys.executable, TOP / "bin" / "mailraven", "--etc", house.etc, "trace", wanted]
    with (tmp_path / "out").open("wb") as out:
        child = subprocess.Popen([*command, "--follow"], stdout=out, env={**os.environ})
    try:

        def says(word: str) -> bool:
            return word in (tmp_path / "out").read_text()

        number = 0
        while not says(wanted) and number < 200:  # the first ones may come before it looks
            number += 1
            id = submit(house, [wanted], f"<f{number}@alice.example>")
            told(house, id, "took it for")
        wait_for("the delivery", lambda: says(f"took it for {wanted}"))
        assert child.poll() is None
    finally:
        child.terminate()
        child.wait()
