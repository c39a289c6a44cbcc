"""The agenda gives each entry once, in order, at its last known time."""

from hypothesis import given
from hypothesis import strategies as st

from mailraven.mail.types import QueueId
from mailraven.queue.agenda import Agenda
from mailraven.queue.fairness import anyone
from mailraven.queue.spool import Listed


def put(agenda: Agenda, name: str, due: float) -> None:
    agenda.put(Listed(QueueId(name), "deferred", due))


def names(agenda: Agenda, now: float, limit: int = 100) -> list[str]:
    return [listed.id for listed in agenda.pop_due(now, limit)]


def test_longest_overdue_first_and_no_more_than_asked_for() -> None:
    agenda = Agenda()
    for name, due in (("c", 3.0), ("a", 1.0), ("d", 4.0), ("b", 2.0)):
        put(agenda, name, due)
    assert names(agenda, 3.0, 2) == ["a", "b"]
    assert agenda.next_due() == 3.0
    assert names(agenda, 3.0) == ["c"]
    assert "d" in agenda and len(agenda) == 1


def test_entry_that_was_touched_moves() -> None:
    agenda = Agenda()
    put(agenda, "a", 100.0)
    put(agenda, "a", 1.0)
    assert names(agenda, 1.0) == ["a"]
    assert agenda.next_due() is None


def test_dropped_entry_never_comes() -> None:
    agenda = Agenda()
    put(agenda, "a", 1.0)
    agenda.drop(QueueId("a"))
    agenda.drop(QueueId("never there"))
    assert names(agenda, 9.0) == [] and agenda.next_due() is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("pd"), st.integers(0, 9))))
def test_it_behaves_like_a_dictionary_of_due_times(steps: list[tuple[str, str, int]]) -> None:
    agenda, known = Agenda(), dict[str, float]()
    for name, step, due in steps:
        if step == "p":
            put(agenda, name, float(due))
            known[name] = float(due)
        else:
            agenda.drop(QueueId(name))
            known.pop(name, None)
    assert agenda.next_due() == min(known.values(), default=None)
    assert sorted(names(agenda, 9.0)) == sorted(known)


def line_names(agenda: Agenda, destination: str, limit: int = 9) -> list[str]:
    popped = (agenda.pop_line(destination, anyone) for _ in range(limit))
    return [listed.id for listed in popped if listed is not None]


def test_entries_in_line_come_in_order_unless_they_were_touched_or_dropped() -> None:
    agenda = Agenda()
    for name in "abcde":
        agenda.put_in_line(Listed(QueueId(name), "deferred", 1.0), "mx", "alice")
    put(agenda, "a", 1.0)  # seen again by a scan
    put(agenda, "b", 2.0)
    agenda.drop(QueueId("d"))
    assert len(agenda) == 4
    assert names(agenda, 9.0) == ["b"]
    assert line_names(agenda, "mx", 2) == ["a", "c"]
    assert agenda.next_lines(9) == ["mx"]
    assert line_names(agenda, "mx") == ["e"]
    assert agenda.next_lines(9) == [] and len(agenda) == 0


def test_a_line_serves_accounts_in_turn_and_only_those_that_may() -> None:
    agenda = Agenda()
    for name, lane in (("n1", "news"), ("n2", "news"), ("n3", "news"), ("l1", "alice")):
        agenda.put_in_line(Listed(QueueId(name), "incoming", 1.0), "mx", lane)
    first = agenda.pop_line("mx", lambda lane: lane == "alice")
    assert first is not None and first.id == "l1"
    assert agenda.pop_line("mx", lambda lane: lane == "alice") is None
    assert line_names(agenda, "mx") == ["n1", "n2", "n3"]


def test_all_lines_get_their_look_in_turn() -> None:
    agenda = Agenda()
    for name in "abc":
        agenda.put_in_line(Listed(QueueId(name), "deferred", 1.0), f"mx-{name}", "alice")
    assert agenda.next_lines(2) == ["mx-a", "mx-b"]
    assert agenda.next_lines(2) == ["mx-c", "mx-a"]
    assert line_names(agenda, "mx-b") == ["b"]
    assert agenda.next_lines(9) == ["mx-c", "mx-a"]


def test_what_came_just_now_is_looked_at_before_a_backlog() -> None:
    agenda = Agenda()
    put(agenda, "old", 1.0)
    agenda.put_fresh(Listed(QueueId("new"), "incoming", 5.0))
    assert names(agenda, 5.0) == ["new", "old"]
    assert agenda.next_due() is None
