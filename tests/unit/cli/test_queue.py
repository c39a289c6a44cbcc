"""`mailraven queue` on a spool that no daemon works on."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mailraven.cli.main import main
from mailraven.cli.queue import PAGE, duration
from mailraven.files.lock import try_lock_file
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.entry import Answer, instant
from mailraven.queue.spool import Spool
from mailraven.queue.wishes import Wish, fulfil_noted

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
    entry = entry.with_recipients({0: tried})
    spool.defer(replace(entry, attempts=1, next_try=instant(4e9)))


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
    _, out, _ = command("list", "--json", "--domain", "EXAMPLE.NET", "--status", "incoming")
    (only,) = json.loads(out)
    assert (only["id"], only["recipients"][0]["status"]) == (id, "pending")
    assert json.loads(command("list", "--json", "--from", "nobody@example.org")[1]) == []


def test_list_goes_on_behind_an_id_in_the_order_of_arrival(spool: Spool, command: Command) -> None:
    ids = [put(spool) for _ in range(5)]
    ids.sort()
    defer(spool, ids[1])
    first = json.loads(command("list", "--json", "--limit", "2")[1])
    assert [one["id"] for one in first] == ids[:2]
    rest = json.loads(command("list", "--json", "--after", ids[1])[1])
    assert [one["id"] for one in rest] == ids[2:]


def test_a_long_list_is_one_table(spool: Spool, command: Command) -> None:
    ids = [put(spool) for _ in range(PAGE + 3)]
    lines = command("list")[1].splitlines()
    assert [line.split()[0] for line in lines] == ["ID", *sorted(ids), f"{PAGE + 3}"]


def test_empty_queue_says_so(spool: Spool, command: Command) -> None:
    assert command("list")[1].startswith("0 messages")


def test_show_brings_the_header_but_no_body(spool: Spool, command: Command) -> None:
    id = put(spool)
    _, out, _ = command("show", id)
    assert "secret plan" in out and "bob@example.net" in out and str(spool.root) in out
    assert "body text" not in out
    assert "No queued runs" in out


def test_show_has_the_last_answer_word_for_word_the_next_try_and_why(
    spool: Spool, command: Command
) -> None:
    id = put(spool)
    defer(spool, id)
    _, out, _ = command("show", id)
    assert "mx.example.net[192.0.2.1]:25 (no TLS) answered to RCPT TO" in out
    assert "\n  450 4.2.0 come back later\n" in out
    assert "2096-10-02 07:06:40 UTC" in out
    assert "Tried once without success; the waits grow from 1m to 4h." in out
    told = json.loads(command("show", id, "--json")[1])
    assert told["recipients"][0]["answer"] == "450 4.2.0 come back later"
    assert "given up" in told["why"]


def test_hold_release_retry_drop(spool: Spool, command: Command) -> None:
    id = put(spool)
    assert command("hold", id)[0] == 0 and state(spool, id) == "held"
    assert command("release", id)[0] == 0 and state(spool, id) == "deferred"
    assert command("retry", id)[0] == 0
    assert command("drop", id)[0] == 0 and state(spool, id) is None


def test_what_matches_is_counted_before_anything_is_done(spool: Spool, command: Command) -> None:
    for _ in range(3):
        defer(spool, put(spool))
    code, out, err = command("hold", "--all")
    assert (code, out) == (1, "3 messages (3 deferred), 3 recipients match; nothing was changed.\n")
    assert "--yes" in err
    assert command("hold", "--all", "--yes")[:2] == (0, "hold: 3 messages\n")
    assert command("release", "--all", "--yes")[1] == "release: 3 messages\n"
    assert command("retry", "--all", "--yes")[1] == "retry: 3 messages\n"
    assert command("drop", "--all", "--yes")[1] == "drop: 3 messages\n"


def test_dry_run_shows_and_changes_nothing(spool: Spool, command: Command) -> None:
    id = put(spool, "bob@example.net")
    put(spool, "carol@example.com")
    code, out, _ = command("drop", "--to", "*@example.net", "--dry-run")
    assert code == 0 and id in out and "example.com" not in out
    assert out.endswith("1 messages (1 incoming), 1 recipients match; nothing was changed.\n")
    assert state(spool, id) == "incoming"


def test_counts_are_json_for_programs(spool: Spool, command: Command) -> None:
    put(spool, "bob@example.net", "carol@example.com")
    told = json.loads(command("fail", "--domain", "example.com", "--dry-run", "--json")[1])
    assert (told["messages"], told["recipients"], told["done"]) == (1, 1, 0)
    told = json.loads(command("fail", "--domain", "example.com", "--yes", "--json")[1])
    assert (told["messages"], told["done"], told["dry_run"]) == (1, 1, False)


def test_nothing_said_is_nobody_meant(spool: Spool, command: Command) -> None:
    put(spool)
    code, _, err = command("drop", "--yes")
    assert code == 1 and "say which" in err


def test_fail_and_route_mean_only_the_recipients_that_match(spool: Spool, command: Command) -> None:
    id = put(spool, "bob@dead.example", "carol@example.com")
    assert command("route", "relay.example.org:2525", id, "--domain", "example.com")[0] == 0
    assert command("fail", "--domain", "dead.example", "--yes")[0] == 0
    bob, carol = spool.load(id).recipients
    assert (bob.status, bob.reported, bob.route) == ("failed", False, "")
    assert (carol.status, carol.route) == ("pending", "relay.example.org:2525")
    assert command("route", "usual", id)[0] == 0
    assert spool.load(id).recipients[1].route == ""


def test_a_route_must_be_a_host_with_a_port(spool: Spool, command: Command) -> None:
    code, _, err = command("route", "relay.example.org", put(spool))
    assert code == 1 and "host:port" in err


def test_changes_are_in_the_audit_record(spool: Spool, command: Command) -> None:
    command("hold", put(spool), put(spool))
    (path,) = (spool.root.parent / "audit").iterdir()
    line = json.loads(path.read_text())
    assert (line["operation"], line["messages"]) == ("queue-hold", 2)


@pytest.mark.parametrize("verb", ["show", "retry", "hold", "release", "fail", "drop"])
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


def test_a_message_under_way_is_changed_when_the_attempt_has_ended(
    spool: Spool, command: Command
) -> None:
    id = put(spool)
    spool.claim(id, "incoming")
    lock = os.open(spool.root / "queued.lock", os.O_RDWR | os.O_CREAT)
    assert try_lock_file(lock)
    code, out, _ = command("drop", id)
    assert code == 0 and "being delivered right now" in out
    assert state(spool, id) == "active"
    assert fulfil_noted(spool, id) == Wish("drop")
    assert state(spool, id) is None
    os.close(lock)


def test_what_a_dead_queued_left_is_changed_at_once(spool: Spool, command: Command) -> None:
    id = put(spool)
    spool.claim(id, "incoming")
    assert command("drop", id)[0] == 0 and state(spool, id) is None


def test_a_damaged_message_is_said_to_be_damaged(spool: Spool, command: Command) -> None:
    id = put(spool)
    path = spool.folder("incoming") / id
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    code, _, err = command("show", id)
    assert code == 1 and f"incoming/{id} cannot be read: the message is damaged" in err


def test_what_is_still_being_written_is_not_listed(spool: Spool, command: Command) -> None:
    (spool.folder("incoming") / put(spool)).open("r+b").truncate(100)
    whole = put(spool)
    code, out, _ = command("list", "--json")
    assert code == 0 and [one["id"] for one in json.loads(out)] == [whole]


def test_broken_entry_is_named_not_fatal(spool: Spool, command: Command) -> None:
    id = put(spool)
    (spool.folder("incoming") / id).write_text("{\n}\n")
    code, out, _ = command("list")
    assert code == 0 and id in out and "cannot be read" in out


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0s"), (59, "59s"), (150, "2m"), (11100, "3h05m"), (200000, "2d7h")]
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_no_address_turns_what_stands_beside_it(spool: Spool, command: Command) -> None:
    id = put(spool, "\u202ebob@example.net")
    for words in (("list",), ("show", id)):
        assert "\u202e" not in command(*words)[1]
