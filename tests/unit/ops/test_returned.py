"""What a report is worth: it counts only for what we did send, and for what it proves."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mailraven.config.load import load
from mailraven.config.schema import Config
from mailraven.limits.brake import history_of
from mailraven.mail.returned import Fate, Returned
from mailraven.ops.returned import find_sent, read_reports
from mailraven.queue.suppression import SuppressionList
from mailraven.reports import returned as reports
from mailraven.reports.returned import JOBS_LIMIT, Job, Record, add_job, prune, records

ALICE = "alice@example.org"
TRACE = "0123456789ab"
NOW = 1_795_406_400.0  # 2026-11-23
DAY = 86400


@dataclass
class House:
    """A kept log with one message of alice to bob and carol, and a folder for reports."""

    config: Config
    lines: list[dict[str, object]] = field(default_factory=list)

    def log(self, name: str, **facts: object) -> None:
        folder = self.config.paths.traces
        folder.mkdir(parents=True, exist_ok=True)
        line = {"ts": "x", "event": name, **facts}
        with (folder / "2026-11-22.000.jsonl").open("a") as file:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def came(self, report: Returned, **changes: object) -> list[Record]:
        """Read a report as smtpd left it; all records, the oldest first."""
        facts: dict[str, object] = {
            "at": NOW,
            "to": [ALICE],
            "peer": "203.0.113.9",
            "proved": [],
            "is_trusted": False,
            "is_from_nobody": True,
            "trace": "aaaaaaaaaaaa",
            **changes,
        }
        assert add_job(self.config.paths.returned, Job(report=report, **facts))  # type: ignore[arg-type]
        assert read_reports(self.config) == 1
        return list(records(self.config.paths.returned))[::-1]


@pytest.fixture
def house(tmp_path: Path) -> House:
    (tmp_path / "mailraven.toml").write_text(f'[paths]\ndata = "{tmp_path}"\n')
    house = House(load(tmp_path, {}))
    house.config.paths.spool.mkdir()
    (tmp_path / "mail/example.org/alice").mkdir(parents=True)
    facts = {"account": ALICE, "from": ALICE, "message_id": "<one@phone>", "envid": "QQ1"}
    house.log("accept", trace=TRACE, **facts)
    for name, host in (
        ("bob@example.net", "mx1.mail.example"),
        ("carol@other.example", "mx.o.example"),
    ):
        house.log("relayed", trace=TRACE, to=name, remote=f"{host}[192.0.2.1]:25")
    house.log("accept", trace="bbbbbbbbbbbb", account="mallory@example.org", message_id="<two@x>")
    return house


def bounce(
    recipient: str = "bob@example.net",
    status: str = "5.1.1",
    action: str = "failed",
    traces: tuple[str, ...] = (TRACE,),
) -> Returned:
    return Returned("bounce", (Fate(recipient, "", action, status, "550 no"),), traces)


FROM_THERE: dict[str, object] = {"peer": "192.0.2.1"}


@pytest.mark.parametrize(
    "proof",
    [
        FROM_THERE,
        {"proved": ["bounces.mail.example"]},
        {"proved": ["example.net"]},
        {"is_trusted": True},
    ],
    ids=["the host itself", "its domain", "the recipient's domain", "a host of ours"],
)
def test_a_bounce_from_where_the_mail_went_is_hard(house: House, proof: dict[str, object]) -> None:
    (record,) = house.came(bounce(), **proof)
    assert (record.is_matched, record.is_proved, record.is_hard) == (True, True, True)
    assert (record.account, record.trace, record.message_id) == (ALICE, TRACE, "<one@phone>")
    days = history_of(house.config.paths.mail / "example.org/alice").days.values()
    assert sum(one.bounced for one in days) == 1
    known = SuppressionList(house.config.paths.spool)
    assert known.find("bob@example.net", ALICE, time.time()) is not None
    assert known.find("bob@example.net", "mallory@example.org", time.time()) is None


@pytest.mark.parametrize(
    "how",
    [
        lambda: (bounce(), {}),  # carol's friend knows the ids of the message, too
        lambda: (bounce(), {"proved": ["evil.example", "other.example"]}),
        lambda: (bounce(), {"proved": ["example.net"], "is_from_nobody": False}),
        lambda: (bounce(), {"is_trusted": True, "is_from_nobody": False}),
        lambda: (bounce("victim@example.net"), FROM_THERE),
        lambda: (bounce(), {**FROM_THERE, "to": ["mallory@example.org"]}),
        lambda: (bounce(traces=("cccccccccccc",)), FROM_THERE),
        lambda: (bounce(traces=("bbbbbbbbbbbb",)), FROM_THERE),
        lambda: (bounce(traces=()), FROM_THERE),
    ],
    ids=[
        "unproved",
        "another's proof",
        "a neighbour of the recipient",
        "a neighbour at a host of ours",
        "never sent to",
        "not its sender",
        "no message",
        "another's message",
        "no id",
    ],
)
def test_a_forged_bounce_counts_for_nothing(
    house: House, how: Callable[[], tuple[Returned, dict[str, object]]]
) -> None:
    report, changes = how()
    (record,) = house.came(report, **changes)
    assert not record.is_proved and not record.is_hard
    assert not (house.config.paths.mail / "example.org/alice/sending").exists()
    assert not (house.config.paths.spool / "suppressed").exists()


@pytest.mark.parametrize(
    ("status", "action"),
    [("5.7.1", "failed"), ("5.2.2", "failed"), ("4.4.1", "delayed"), ("", "failed")],
)
def test_only_who_does_not_exist_is_hard(house: House, status: str, action: str) -> None:
    (record,) = house.came(bounce(status=status, action=action), **FROM_THERE)
    assert record.is_proved and not record.is_hard


def test_the_recipient_is_the_one_that_we_sent_to(house: House) -> None:
    fate = Fate("robert@inner.example", "bob@example.net", "failed", "5.1.1")
    (record,) = house.came(Returned("bounce", (fate,), (TRACE,)), **FROM_THERE)
    assert (record.recipient, record.is_hard) == ("bob@example.net", True)


@pytest.mark.parametrize(
    "report",
    [
        Returned("bounce", (), (), ("<one@phone>",)),
        Returned("bounce", (), (), (), "QQ1"),
        Returned("bounce", (), ("cccccccccccc", TRACE), ()),
    ],
    ids=["Message-ID", "ENVID", "one of several"],
)
def test_a_message_is_found_by_any_of_its_ids(house: House, report: Returned) -> None:
    sent = find_sent(house.config, report)
    assert sent is not None
    assert sent.remotes["bob@example.net"] == "mx1.mail.example[192.0.2.1]:25"


@pytest.mark.parametrize("traces", [(), ("cccccccccccc",)], ids=["no trace", "an unknown one"])
def test_an_id_that_many_messages_share_means_the_one_that_came_back(
    house: House, traces: tuple[str, ...]
) -> None:
    copies = [("dddddddddddd", "dan@example.net"), ("eeeeeeeeeeee", "eve@example.net")]
    for account, (first, second) in ((ALICE, copies), ("erin@example.org", copies[::-1])):
        for trace, to in (first, second):
            facts = {"account": account, "from": account, "to": [to], "message_id": "<all@x>"}
            house.log("accept", trace=f"{trace[:-1]}{account[0]}", **facts)
            host = "mx1.mail.example[192.0.2.1]:25"
            house.log("relayed", trace=f"{trace[:-1]}{account[0]}", to=to, remote=host)
    fate = Fate("eve@example.net", "", "failed", "5.1.1")
    (record,) = house.came(Returned("bounce", (fate,), traces, ("<all@x>",)), **FROM_THERE)
    assert (record.account, record.trace) == (ALICE, "eeeeeeeeeeea")
    assert record.is_hard


def test_a_trace_means_its_own_message_whoever_has_the_same_id(house: House) -> None:
    for account, trace in (("erin@example.org", "eeeeeeeeeeee"), (ALICE, "dddddddddddd")):
        house.log(
            "accept", trace=trace, account=account, message_id="<one@phone>", **{"from": ALICE}
        )
    found = find_sent(house.config, Returned("bounce", (), (TRACE,), ("<one@phone>",)), [ALICE])
    assert found is not None and found.trace == TRACE


@pytest.mark.parametrize("id", ["accept", "x", '","event":"accept', "relayed"])
def test_an_id_is_no_word_of_the_log(house: House, id: str) -> None:
    assert find_sent(house.config, Returned("bounce", (), (id,), (id,), id)) is None


def test_the_same_bounce_counts_once(house: House) -> None:
    for _ in range(3):
        found = house.came(bounce(), **FROM_THERE)
    assert len(found) == 1
    days = history_of(house.config.paths.mail / "example.org/alice").days.values()
    assert sum(one.bounced for one in days) == 1


def test_no_flood_of_reports_lets_a_bounce_count_again_or_keeps_it_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "DAY_LIMIT", 4000)
    for number in range(20):
        found = house.came(bounce(f"{number}@far.example"))
    assert len(found) < 20
    for _ in range(3):
        found = house.came(bounce(), **FROM_THERE)
    assert [one.recipient for one in found if one.is_proved] == ["bob@example.net"]
    (house.config.paths.returned / "2026-11-23.jsonl").write_text("\n" * 4000)
    house.came(bounce("carol@other.example"), is_trusted=True)
    days = history_of(house.config.paths.mail / "example.org/alice").days.values()
    assert sum(one.bounced for one in days) == 1


def test_an_unproved_report_does_not_keep_the_proved_one_out(house: House) -> None:
    house.came(bounce())
    assert [one.is_hard for one in house.came(bounce(), **FROM_THERE)] == [False, True]


def test_a_complaint_is_recorded_for_the_account_that_sent_the_message(house: House) -> None:
    report = Returned("complaint", (Fate("bob@example.net"),), (TRACE,), feedback="abuse")
    (record,) = house.came(report, to=["abuse@example.org"])
    assert (record.kind, record.account, record.feedback) == ("complaint", ALICE, "abuse")
    assert not record.is_hard


def test_mail_in_no_known_form_names_only_whom_we_sent_to(house: House) -> None:
    fates = (Fate("bob@example.net", status="5.1.1"), Fate("postmaster@example.net"))
    (record,) = house.came(Returned("unclear", fates, (TRACE,)), **FROM_THERE)
    assert (record.kind, record.recipient, record.is_hard) == ("unclear", "bob@example.net", False)


def test_reports_that_would_pile_up_are_not_taken(house: House) -> None:
    folder = house.config.paths.returned
    (folder / "jobs").mkdir(parents=True)
    for number in range(JOBS_LIMIT):
        (folder / "jobs" / f"{number}.job").write_text("{")
    job = Job(
        at=0,
        to=[],
        peer="",
        proved=[],
        is_trusted=False,
        is_from_nobody=True,
        trace="",
        report=bounce(),
    )
    assert not add_job(folder, job)
    assert read_reports(house.config) == 0
    assert add_job(folder, job)


def test_records_are_kept_for_thirty_days(house: House) -> None:
    house.came(bounce())
    prune(house.config.paths.returned, NOW + 30 * DAY)
    assert list(records(house.config.paths.returned))
    prune(house.config.paths.returned, NOW + 31 * DAY)
    assert not list(records(house.config.paths.returned))
