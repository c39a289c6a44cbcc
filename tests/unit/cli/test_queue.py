"""`mailraven queue` on a spool that no daemon works on."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mailraven.cli.main import main
from mailraven.cli.queue import duration
from mailraven.files.lock import try_lock_file
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.entry import Answer, instant
from mailraven.queue.spool import Spool

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "mailraven.toml").write_text(f'[paths]\ndata = "{tmp_path}/data"\n')
    spool = Spool(tmp_path / "data" / "spool")
    spool.prepare()
    return spool


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str) -> tuple[int, str, str]:
        code = main(["--etc", str(tmp_path / "etc"), "queue", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def put(spool: Spool, *addresses: str) -> QueueId:
    recipients = tuple(Recipient(address) for address in addresses or ("bob@example.net",))
    envelope = Envelope("alice@example.org", recipients, TraceId("t1"), received_at=1.7e9)
    return spool.submit(envelope, [b"Subject: secret plan\r\n\r\nbody text\r\n"])


def defer(spool: Spool, id: QueueId) -> None:
    entry = spool.claim(id, "incoming")
    assert entry is not None
    answer = Answer("450 4.2.0 come back later", "4.2.0", "mx.example.net[192.0.2.1]:25", "RCPT TO")
    tried = replace(entry.recipients[0], answer=answer, attempts=1)
    spool.defer(replace(entry.with_recipients({0: tried}), next_try=instant(4e9)))


def state(spool: Spool, id: QueueId) -> str | None:
    listed = spool.find(id)
    return listed.folder if listed else None


def test_list_shows_who_waits_and_the_last_answer(spool: Spool, command: Command) -> None:
    defer(spool, put(spool, "bob@example.net", "carol@example.net"))
    code, out, _ = command("list")
    assert code == 0
    assert "bob@example.net and 1 more" in out
    assert "450 4.2.0 come back later" in out
    assert "1 messages: 0 incoming, 0 active, 1 deferred, 0 held" in out


def test_list_is_json_for_programs_and_filters(spool: Spool, command: Command) -> None:
    id = put(spool, "bob@example.net")
    put(spool, "carol@example.com")
    _, out, _ = command("list", "--json", "--address", "EXAMPLE.NET", "--state", "incoming")
    (only,) = json.loads(out)
    assert (only["id"], only["recipients"][0]["status"]) == (id, "pending")


def test_empty_queue_says_so(spool: Spool, command: Command) -> None:
    assert command("list")[1].startswith("0 messages")


def test_show_brings_entry_and_header_but_no_body(spool: Spool, command: Command) -> None:
    id = put(spool)
    _, out, _ = command("show", id)
    assert "secret plan" in out and "bob@example.net" in out and str(spool.root) in out
    assert "body text" not in out


def test_hold_release_retry_remove(spool: Spool, command: Command) -> None:
    id = put(spool)
    assert command("hold", id)[0] == 0 and state(spool, id) == "held"
    assert command("release", id)[0] == 0 and state(spool, id) == "deferred"
    assert command("retry", id)[0] == 0
    assert command("remove", id)[0] == 0 and state(spool, id) is None


def test_all_says_how_many(spool: Spool, command: Command) -> None:
    for _ in range(3):
        defer(spool, put(spool))
    assert command("retry", "--all")[1] == "retry: 3 messages\n"
    assert command("hold", "--all")[1] == "hold: 3 messages\n"
    assert command("release", "--all")[1] == "release: 3 messages\n"
    assert command("remove", "--all")[1] == "remove: 3 messages\n"


@pytest.mark.parametrize("verb", ["show", "retry", "hold", "release", "remove"])
def test_unknown_ids_and_path_tricks_are_one_line(
    spool: Spool, command: Command, verb: str
) -> None:
    for id in ("1m82nfmwap2ty", "../../etc/passwd"):
        code, _, err = command(verb, id)
        assert code == 1 and "no message" in err and err.count("\n") == 1


def test_what_does_not_apply_is_refused(spool: Spool, command: Command) -> None:
    id = put(spool)
    code, _, err = command("release", id)
    assert code == 1 and "incoming" in err


def test_entry_under_delivery_is_left_alone(spool: Spool, command: Command) -> None:
    id = put(spool)
    spool.claim(id, "incoming")
    lock = os.open(spool.root / "queued.lock", os.O_RDWR | os.O_CREAT)
    assert try_lock_file(lock)
    code, _, err = command("remove", id)
    assert code == 1 and "right now" in err
    os.close(lock)
    assert command("remove", id)[0] == 0


def test_broken_entry_is_named_not_fatal(spool: Spool, command: Command) -> None:
    id = put(spool)
    (spool.folder("incoming") / id).write_text("{")
    code, out, _ = command("list")
    assert code == 0 and id in out and "cannot be read" in out


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0s"), (59, "59s"), (150, "2m"), (11100, "3h05m"), (200000, "2d7h")]
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text
