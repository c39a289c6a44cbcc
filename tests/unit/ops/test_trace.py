"""Stories are found in what is kept, and told in sentences."""

from collections.abc import Collection
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.config.schema import Config, Paths
from mailraven.observe.kept_scan import matching
from mailraven.ops import trace
from mailraven.ops.errors import OperationError
from mailraven.ops.story import sentence
from mailraven.ops.trace import Follower, Search, Story, needles_of, since_of, tell

NOW = 1795341600.0  # 2026-11-22T10:00:00Z
ONE, TWO = "a" * 12, "b" * 12
Line = dict[str, object]


def accept(trace: str, time: str, **facts: object) -> Line:
    line = {"from": "x@example.net", "to": ["bob@example.org"], "via": "smtp", "size": 10}
    return {"ts": time, "component": "smtpd", "event": "accept", "trace": trace, **line, **facts}


def attempt(trace: str, time: str, event: str, **facts: object) -> Line:
    line = {"to": "far@example.com", "remote": "mx[192.0.2.1]:25", "stage": "RCPT TO"}
    return {"ts": time, "component": "queued", "event": event, "trace": trace, **line, **facts}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "traces").mkdir()
    (tmp_path / "verdicts").mkdir()
    return Config(paths=Paths(data=tmp_path))


def write(config: Config, name: str, *lines: Line) -> Path:
    path = config.paths.data / name
    with path.open("ab") as file:
        file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return path


def test_lines_are_found_whole_in_order_and_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one two\nthree\ntwo one one\none without end")
    assert matching(path, [b"one", b"two"]) == [b"one two", b"two one one"]
    assert matching(path, [b"two"], start=8) == [b"two one one"]
    assert matching(path, [b"one"], end=8) == [b"one two"]
    assert matching(tmp_path / "gone", [b"one"]) == []


def test_a_story_spans_files_and_daemons_and_begins_with_who_handed_it_in(config: Config) -> None:
    later = attempt(ONE, "2026-11-23T09:00:00.000Z", "relayed", answer="250 ok")
    first = accept(ONE, "2026-11-22T09:00:00.002Z")
    queued = {"ts": "2026-11-22T09:00:00.001Z", "event": "queued", "trace": ONE, "queue_id": "q1"}
    write(config, "traces/2026-11-22.000.jsonl", queued, first)
    write(config, "traces/2026-11-23.000.jsonl", later)
    (story,) = tell(config, Search(ONE))
    assert story.events == [first, queued, later]
    assert story.queue_ids == ["q1"]


def test_of_an_id_the_log_is_read_once(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    days = [f"2026-11-{day}" for day in range(10, 15)]
    for day in days:
        line = attempt(ONE, f"{day}T09:00:00.000Z", "deferred", answer="451 later")
        write(config, f"traces/{day}.000.jsonl", line)
        write(config, f"verdicts/{day}.jsonl", {"time": f"{day}T08:00:00", "trace": TWO})
    write(config, "traces/2026-11-10.000.jsonl", accept(ONE, "2026-11-10T08:00:00.000Z"))
    read: list[str] = []

    def noted(path: Path, needles: Collection[bytes]) -> list[bytes]:
        read.append(f"{path.parent.name}/{path.name}")
        return matching(path, needles)

    monkeypatch.setattr(trace, "matching", noted)
    (story,) = tell(config, Search(ONE))
    assert len(story.lines) == 6
    assert story.has_beginning
    logs = [name for name in read if name.startswith("traces/")]
    assert sorted(logs) == sorted(set(logs))


def test_ids_and_addresses_are_whole_words(config: Config) -> None:
    write(
        config,
        "traces/2026-11-22.000.jsonl",
        accept(ONE, "1", to=["bigbob@example.org"], message_id="<1@example.net>"),
        accept(TWO, "2", message_id="<11@example.net>"),
    )
    assert [one.trace for one in tell(config, Search("Bob@EXAMPLE.org"))] == [TWO]
    assert [one.trace for one in tell(config, Search("<1@example.net>"))] == [ONE]
    with pytest.raises(OperationError, match=r"nothing is known of ob@example\.org"):
        tell(config, Search("ob@example.org"))


def test_of_an_address_the_newest_are_told_the_oldest_of_them_first(config: Config) -> None:
    for day in range(10, 20):
        line = accept(f"{day}" * 6, f"2026-11-{day}T00:00:00.000Z")
        write(config, f"traces/2026-11-{day}.000.jsonl", line)
    stories = tell(config, Search("bob@example.org", limit=3))
    assert [story.trace[:2] for story in stories] == ["17", "18", "19"]
    recent = tell(config, Search("bob@example.org", since="2026-11-19T00:00:00"))
    assert [story.trace[:2] for story in recent] == ["19"]


def test_a_refused_stranger_is_a_story_though_the_log_has_nothing(config: Config) -> None:
    record = {"time": "2026-11-22T09:00:00.000Z", "at": "mail", "from": "x@example.net"}
    refusal = {**record, "action": "refuse", "peer": "192.0.2.9", "reply": "550 5.7.1 no"}
    write(config, "verdicts/2026-11-22.jsonl", refusal, {**refusal, "trace": ONE, "at": "rcpt"})
    traced, loose = tell(config, Search("x@example.net"))
    assert (loose.trace, traced.trace) == ("", ONE)
    assert "refused at mail" in sentence(loose.events[0])
    assert "192.0.2.9 heard: 550 5.7.1 no" in sentence(traced.events[0])


def test_a_verdict_stands_in_its_story(config: Config) -> None:
    write(config, "traces/2026-11-22.000.jsonl", accept(ONE, "2026-11-22T09:00:00.000Z"))
    record = {"time": "2026-11-22T09:00:00.001Z", "trace": ONE, "action": "quarantine"}
    people = [{"to": "bob@example.org", "action": "quarantine", "reasons": [{"rule": "odd"}]}]
    auth = {"spf": "fail", "dkim": ["none"]}
    facts = {"at": "message", "score": 6.1, "people": people, "auth": auth}
    write(config, "verdicts/2026-11-22.jsonl", {**record, **facts})
    (story,) = tell(config, Search(ONE))
    text = sentence(story.events[1], ONE)
    assert "put into quarantine at message, score 6.1." in text
    assert "spf fail, dkim none." in text
    assert "For bob@example.org: put into quarantine (odd)." in text


def test_a_report_is_told_with_its_message_and_each_finds_the_other(config: Config) -> None:
    report = {
        **{"ts": "2026-11-22T09:00:02.000Z", "component": "queued", "event": "report"},
        **{"trace": ONE, "kind": "failed", "to": "x@example.net"},
        **{"report_trace": TWO, "report_queue_id": "q2"},
    }
    sent = attempt(TWO, "2026-11-22T09:00:03.000Z", "relayed", answer="250 thanks")
    first = accept(ONE, "2026-11-22T09:00:00.000Z")
    write(config, "traces/2026-11-22.000.jsonl", first, report, sent)
    assert [one.trace for one in tell(config, Search(ONE))] == [ONE, TWO]
    for wanted in (TWO, "q2"):
        (story,) = tell(config, Search(wanted))
        assert sentence(story.events[0], TWO).startswith("We made it, as the report (failed) to")
        assert f"about message {ONE}" in sentence(story.events[0], TWO)


def test_what_our_lmtp_gave_another_trace_is_one_story(config: Config) -> None:
    report = {"event": "report", "trace": ONE, "report_trace": TWO, "report_queue_id": "q2"}
    filed = accept("c" * 12, "3", via="lmtp", filed={"bob@example.org": "INBOX"})
    done = attempt(
        TWO, "4", "delivered", remote="local[/lmtp]:0", answer="250 2.0.0 ok " + "c" * 12
    ) | {"to": "bob@example.org"}
    write(config, "traces/2026-11-22.000.jsonl", {"ts": "2", **report}, filed, done)
    (story,) = tell(config, Search(TWO))
    assert [line["ts"] for line in story.events] == ["2", "3", "4"]
    assert "bob@example.org in INBOX" in sentence(filed)
    (again,) = tell(config, Search("bob@example.org"))  # whom both lines name
    assert [line["ts"] for line in again.events] == ["2", "3", "4"]


def test_broken_lines_are_left_out(config: Config) -> None:
    path = write(config, "traces/2026-11-22.000.jsonl", accept(ONE, "1"))
    with path.open("ab") as file:
        file.write(b'{"trace":"%s",\n["%s"]\n' % (ONE.encode(), ONE.encode()))
    (story,) = tell(config, Search(ONE))
    assert len(story.events) == 1


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", "2026-11-22T08:00:00"),
        ("1d12h", "2026-11-20T22:00:00"),
        ("2026-11-20", "2026-11-20T00:00:00"),
        ("2026-11-20T09:30", "2026-11-20T09:30:00"),
        ("2026-11-20T09:30+02:00", "2026-11-20T07:30:00"),
    ],
)
def test_since_when(text: str, moment: str) -> None:
    assert since_of(text, NOW) == moment


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "", "99999999w"])
def test_what_is_no_time_is_said_to_be_none(text: str) -> None:
    with pytest.raises(OperationError, match="is no time"):
        since_of(text, NOW)


def test_nothing_is_no_question() -> None:
    with pytest.raises(OperationError, match="needed"):
        needles_of(" <> ")


def test_news_are_told_once_and_those_of_a_new_message_from_its_beginning(config: Config) -> None:
    name = "traces/2026-11-22.000.jsonl"
    write(config, name, accept(ONE, "1"))
    follower = Follower(config, "far@example.com")
    assert follower.news() == []
    before = {"ts": "2", "event": "queued", "trace": TWO, "queue_id": "q2"}
    found = attempt(TWO, "3", "relayed", answer="250 ok")
    write(config, name, before, accept("c" * 12, "2"), found)
    assert follower.news() == [before, found]
    assert follower.news() == []
    after = attempt(TWO, "4", "report", to="x@example.net")
    write(config, "traces/2026-11-23.000.jsonl", after)
    assert follower.news() == [after]


def test_an_answer_is_told_word_by_word_and_plays_with_no_terminal() -> None:
    answer = "550-5.1.1 no / 550 5.1.1 \x1b[2J"
    text = sentence(attempt(ONE, "1", "bounced", answer=answer, tls="TLSv1.3"))
    assert text == (
        "mx[192.0.2.1]:25 did not take it for far@example.com at RCPT TO (TLSv1.3):"
        ' "550-5.1.1 no / 550 5.1.1 ?[2J". That is final: far@example.com is given up.'
    )


def test_an_event_without_a_sentence_is_told_with_its_facts() -> None:
    line = {"ts": "1", "component": "queued", "event": "new-thing", "trace": ONE, "why": "so"}
    assert sentence(line) == "queued says new-thing: why so."


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
KEYS = ("to", "filed", "auth", "people", "score", "reply", "recipients", "tls", "via", "time")


@given(
    st.sampled_from(["accept", "bounced", "report", "queued", "reject", "x", ""]),
    st.dictionaries(st.sampled_from(KEYS), JSON),
)
def test_no_line_breaks_the_teller(event: str, facts: Line) -> None:
    for line in ({"event": event, **facts}, facts):
        assert sentence(line, ONE).isprintable()
        assert Story(ONE, [line]).events == [line]
