"""What the daemons log about mail that really flows (mailraven-log(5))."""

import json
import sys
from datetime import datetime
from pathlib import Path

import pytest

from mailraven.ops.control_client import DAEMONS
from mailraven.ops.status import server_status
from peers.command import run
from peers.house import TOP, Account, House
from peers.messages import compose, parse
from peers.patience import wait_for
from peers.postfix import DOMAIN, Postfix

pytestmark = pytest.mark.xdist_group("postfix")

PAULA = f"paula@{DOMAIN}"
Line = dict[str, object]


def lines(house: House) -> list[Line]:
    """Every whole line of the log; fails on one that is not JSON."""
    whole = house.log.read_text().rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def find(house: House, **facts: object) -> Line:
    """The first line with these facts, once it is written."""

    def look() -> Line | None:
        fitting = (line for line in lines(house) if facts.items() <= line.items())
        return next(fitting, None)

    return wait_for(f"a log line with {facts}", look)


def test_nothing_is_missing_in_the_status_of_a_running_server(mailraven: House) -> None:
    said = server_status(mailraven.root / "run")
    assert {one.daemon: one.problem for one in said} == dict.fromkeys(DAEMONS)


@pytest.mark.req("FR-053", "FR-054", "US7.1")
def test_every_line_is_json_with_time_level_component_and_event(
    mailraven: House, account: Account
) -> None:
    account.submit(compose(account.address, account.address, "logged"), account.address)
    find(mailraven, event="accept", account=account.address)
    for line in lines(mailraven):
        assert list(line)[:4] == ["ts", "level", "component", "event"]
        assert datetime.fromisoformat(str(line["ts"])).utcoffset() is not None
        assert line["level"] in ("debug", "info", "warn", "error")


def test_a_login_is_one_line(mailraven: House, account: Account) -> None:
    account.submit(compose(account.address, account.address, "once"), account.address)
    find(mailraven, event="accept", account=account.address)
    logins = [line for line in lines(mailraven) if line["event"] == "login"]
    told = [line["component"] for line in logins if line["account"] == account.address]
    assert told == ["authd"]


@pytest.mark.req("FR-059")
def test_one_trace_follows_a_message_through_the_daemons_and_into_its_header(
    mailraven: House, postfix: Postfix, account: Account
) -> None:
    account.submit(compose(account.address, PAULA, "traced"), PAULA)
    trace = find(mailraven, event="accept", account=account.address)["trace"]
    sent = find(mailraven, component="queued", trace=trace)
    assert sent["to"] == PAULA
    received = parse(postfix.await_message("paula", "traced")).get_all("Received")
    assert str(trace) in " ".join(received or [])


@pytest.mark.req("FR-058")
def test_a_level_is_changed_while_the_daemon_runs(
    mailraven: House, account: Account, tmp_path: Path
) -> None:
    def set_level(level: str) -> None:
        command = [sys.executable, TOP / "bin/mailraven", "--etc", mailraven.root / "etc"]
        run(*command, "log-level", "smtpd", level, home=tmp_path)

    set_level("debug")
    account.submit(compose(account.address, account.address, "debugged"), account.address)
    find(mailraven, level="debug", component="smtpd", event="connect")
    set_level("info")
