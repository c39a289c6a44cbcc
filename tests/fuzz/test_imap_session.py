"""Whatever a client asks of the live imapd, in whatever order, nothing of it is a bug of ours."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailraven.ops.demo import Demo
from transcripts.live import make_house, running

SETS = ["1", "*", "1:*", "2,1", "3:1", "9", "4294967295", "1:4294967295"]
ITEMS = [
    "ALL", "FULL", "FAST", "FLAGS", "(UID FLAGS)", "BODY", "BODYSTRUCTURE", "ENVELOPE", "BODY[]",
    "BODY.PEEK[]<0.5>", "BODY.PEEK[]<99999.5>", "BODY[1]", "BODY[1.1.MIME]", "BODY[2.HEADER]",
    "BODY.PEEK[HEADER.FIELDS (From X)]", "BODY[HEADER.FIELDS.NOT (\"To%\")]<1.2>", "RFC822",
    "(BODY[TEXT] RFC822.SIZE INTERNALDATE)", "RFC822.TEXT", "BODY.PEEK[TEXT]<3.9999999999>",
]  # fmt: skip
NAMES = [
    "INBOX",
    "Sent",
    "new",
    "a/b",
    '""',
    '"&-"',
    "&AOk-",
    '"x%y"',
    "a//b",
    "..",
    "new/",
    "x" * 300,
]
KEYS = [
    "ALL", "SEEN", "NOT FLAGGED", "OR RECENT TEXT hello", 'SUBJECT ""', "1:* UID 2",
    "BODY {3+}\r\nabc", "SENTSINCE 1-Feb-1994", 'HEADER X-None ""', "KEYWORD $x",
    "LARGER 10 SMALLER 99", "(ON 2-Jan-2026)",
]  # fmt: skip
FLAGS = ["\\Seen", "(\\Deleted)", "($x $y)", "()", "\\Recent", "(\\Seen \\Flagged $z)"]
HEADER = "From: a@b\r\nSubject: hello\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
MESSAGE = HEADER + "--x\r\n\r\nhi\r\n"
LITERAL = f"{{{len(MESSAGE)}+}}\r\n{MESSAGE}"


def each(template: str, *choices: list[str]) -> st.SearchStrategy[str]:
    picks = [st.sampled_from(choice) for choice in choices]
    return st.tuples(*picks).map(lambda picked: template.format(*picked))


UID = ["", "UID "]
COMMANDS = st.one_of(
    each("{}FETCH {} {}", UID, SETS, ITEMS),
    each("{}STORE {} {}FLAGS{} {}", UID, SETS, ["", "+", "-"], ["", ".SILENT"], FLAGS),
    each("{}{} {} {}", UID, ["COPY", "MOVE"], SETS, NAMES),
    each("{}SEARCH {} {}", UID, KEYS, KEYS),
    each("UID EXPUNGE {}", SETS),
    each("{} {}", ["SELECT", "EXAMINE", "CREATE", "DELETE", "SUBSCRIBE", "UNSUBSCRIBE"], NAMES),
    each("RENAME {} {}", NAMES, NAMES),
    each('{} "" {}', ["LIST", "LSUB"], ["*", "%", "a/%", '"*%*"', "(INBOX %) RETURN (CHILDREN)"]),
    each("STATUS {} (MESSAGES UNSEEN RECENT UIDNEXT UIDVALIDITY)", NAMES),
    each("APPEND {} {} {}", NAMES, FLAGS, [LITERAL]),
    each("{}", ["NOOP", "CHECK", "EXPUNGE", "CLOSE", "UNSELECT", "IDLE\r\nDONE", "NAMESPACE"]),
    each(
        "{}",
        ["ID NIL", "ENABLE UTF8=ACCEPT", "LOGIN a b", "STARTTLS", "FROB {3+}\r\nabc"],
    ),
)


@pytest.fixture(scope="module")
def house() -> Iterator[Demo]:
    root = Path(tempfile.mkdtemp(prefix="mailraven-fuzz."))
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    demo = make_house(root / "house", f"127.5.{high}.{low}")
    with running(demo, "authd", "imapd"):
        yield demo
    assert '"event":"bug"' not in (demo.root / "log").read_text()
    shutil.rmtree(root)


def talk(house: Demo, commands: list[str]) -> bytes:
    """All that the server says to these commands, sent at once."""
    some = [f"APPEND INBOX {LITERAL}"] * 3
    lines = ["LOGIN alice@example.org secret", *some, "SELECT INBOX", *commands, "LOGOUT"]
    script = "".join(f"t{number} {line}\r\n" for number, line in enumerate(lines))
    said = b""
    with socket.create_connection((house.address, house.ports["imap"]), 20) as link:
        link.sendall(script.encode())
        while data := link.recv(65536):
            said += data
    return said


@given(st.lists(COMMANDS, min_size=1, max_size=12))
@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_command_is_answered_and_none_is_a_bug(house: Demo, commands: list[str]) -> None:
    said = talk(house, commands)
    assert b"SERVERBUG" not in said, commands
    assert b"* BYE " in said, said
    if b"* BYE logging out" in said:  # else the open mailbox was deleted under the session
        for number in range(len(commands) + 6):
            assert f"t{number} ".encode() in said, (number, commands)
