"""THREAD against RFC 5256 §3, also played step by step with real nodes."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from mailraven.imap.sort_keys import message_ids, subject_key
from mailraven.imap.summary import encode_summary, summarize
from mailraven.imap.thread import by_references, by_subject, thread_line

ORIGINAL, REPLY = "\x01", "\x02"


def line(ids: list[list[int]], subjects: list[str], sent: list[int] | None = None) -> str:
    """What REFERENCES answers for messages 1, 2 ..., without "* THREAD"."""
    count = len(ids)
    forest = by_references(ids, subjects, sent or list(range(count)))
    return thread_line(forest, range(1, count + 1)).decode()[len("* THREAD") :].strip()


def alone(count: int) -> list[str]:
    """Subjects that have nothing to do with each other."""
    return [f"{n}{ORIGINAL}" for n in range(count)]


def test_replies_stand_under_what_they_answer() -> None:
    assert line([[1], [2, 1], [3, 1, 2], [4, 1]], alone(4)) == "(1 (2 3)(4))"


def test_siblings_of_a_missing_message_are_one_thread() -> None:
    """RFC 5256 §4: ((3)(5)) has a parent that is not there."""
    assert line([[1, 9], [2, 9]], alone(2)) == "((1)(2))"
    assert line([[1, 9]], alone(1)) == "(1)"


def test_missing_messages_within_a_thread_leave_no_gap() -> None:
    assert line([[1], [2, 1, 8, 9]], alone(2)) == "(1 2)"
    assert line([[1, 7, 8], [2, 7, 9]], alone(2)) == "((1)(2))"


def test_a_loop_is_not_closed() -> None:
    assert line([[1, 2], [2, 1]], alone(2)) == "(2 1)"
    assert line([[1, 1]], alone(1)) == "(1)"
    assert line([[1, 3], [2, 1], [3, 2]], alone(3)) == "(3 1 2)"


def test_of_one_identifier_given_twice_the_first_counts() -> None:
    assert line([[1], [1], [2, 1]], alone(3)) == "(1 3)(2)"


def test_a_message_without_references_is_cut_from_what_others_say_of_it() -> None:
    """Step 1 (B)"""
    assert line([[1], [3, 1, 2], [2]], alone(3)) == "(1)(3 2)"


def test_threads_of_one_subject_are_merged() -> None:
    """Step 5 (C)"""
    same, reply = "s" + ORIGINAL, "s" + REPLY
    assert line([[1], [2]], [same, reply]) == "(1 2)"
    assert line([[1], [2]], [reply, same]) == "(2 1)"
    assert line([[1], [2]], [same, same]) == "((1)(2))"
    assert line([[1], [2], [3]], [reply, reply, reply]) == "((1)(2)(3))"
    assert line([[1, 8], [2, 8], [3]], [same, same, same]) == "((1)(2)(3))"
    assert line([[1], [2]], [ORIGINAL, ORIGINAL]) == "(1)(2)"  # an empty subject joins nothing


def test_siblings_and_threads_stand_in_order_of_their_dates() -> None:
    assert line([[1], [2, 1], [3, 1], [4]], alone(4), [5, 9, 7, 1]) == "(4)(1 (3)(2))"
    assert line([[1], [2]], alone(2), [5, 5]) == "(1)(2)"


def test_ordered_subject_has_no_grandchildren() -> None:
    subjects = ["a\x01", "b\x01", "a\x02", "a\x01", "b\x02"]
    forest = by_subject(subjects, [5, 2, 6, 7, 3])
    assert thread_line(forest, range(1, 6)) == b"* THREAD (2 5)(1 (3)(4))\r\n"


def test_no_message_no_thread() -> None:
    assert thread_line(by_references([], [], []), []) == b"* THREAD\r\n"


def test_a_long_chain_in_any_order_is_one_thread() -> None:
    count = 20_000
    for step in (1, -1):
        ids = [[n, n - 1] if n > 1 else [n] for n in range(1, count + 1)][::step]
        subjects = alone(count)
        answer = line(ids, subjects)
        numbers = range(1, count + 1)[::step]
        assert answer == f"({' '.join(map(str, numbers))})"


def test_chains_hung_under_a_chain_do_not_take_for_ever() -> None:
    """Each of these links asks whether its parent, deep down, is below its child."""
    half = 5_000
    chain = [[n, n - 1] for n in range(1, half)]
    pairs = [[2 * half + n, half + n] for n in range(half)]
    roots = [[half + n, half - 1] for n in range(half)]
    answer = line(chain + pairs + roots, alone(3 * half - 1))
    assert sorted(map(int, answer.replace("(", " ").replace(")", " ").split())) == list(
        range(1, 3 * half)
    )


def record(header: bytes) -> bytes:
    return encode_summary(summarize(header + b"\r\n\r\nbody"))


def test_one_identifier_is_the_same_however_it_is_quoted() -> None:
    plain = message_ids(record(b"Message-ID: <01KF8JCEOCBS0045PS@xxx.yyy.com>"), b"key")
    quoted = message_ids(record(b'Message-ID: <"01KF8JCEOCBS0045PS"@xxx.yyy.com>'), b"key")
    other = message_ids(record(b"Message-ID: <01kf8jceocbs0045ps@xxx.yyy.com>"), b"key")
    assert plain == quoted != other  # comparisons are case-sensitive


def test_in_reply_to_counts_only_without_references() -> None:
    both = message_ids(record(b"In-Reply-To: <c@x>\r\nReferences: <a@x>\r\n <b@x>"), b"key")
    reply = message_ids(record(b"In-Reply-To: yours of <c@x> <d@x>\r\nReferences: none"), b"key")
    (one, two), only = both[1:], reply[1:]
    assert both[0] == 0
    assert len({one, two, *only}) == 3


def test_the_subject_key_tells_replies() -> None:
    assert subject_key(record(b"Subject: Re: [x] Hi")) == b"HI\x02"
    assert subject_key(record(b"Subject: hI")) == b"HI\x01"
    assert subject_key(record(b"X: y")) == b"\x01"


# ---- the same algorithm as the RFC tells it, with a node for each message -----------------------


@dataclass(eq=False)
class Node:
    number: int | None
    subject: str = ""
    date: tuple[int, int] = (0, 0)
    parent: "Node | None" = None
    children: "list[Node]" = field(default_factory=list)

    def set_parent(self, parent: "Node | None") -> None:
        if self.parent:
            self.parent.children.remove(self)
        self.parent = parent
        if parent:
            parent.children.append(self)

    def has_below(self, other: "Node") -> bool:
        return self is other or any(child.has_below(other) for child in self.children)

    def order(self) -> tuple[int, int]:
        return self.date if self.number else min(child.order() for child in self.children)

    def thread_subject(self) -> str:
        return self.subject if self.number else min(self.children, key=Node.order).subject


def linked(ids: list[list[int]], subjects: list[str], sent: list[int]) -> list[Node]:
    nodes = [Node(n + 1, subjects[n], (sent[n], n)) for n in range(len(ids))]
    by_id: dict[int, Node] = {}
    for node, known in zip(nodes, ids, strict=True):
        by_id.setdefault(known[0], node)
    everything = list(nodes)
    for node, known in zip(nodes, ids, strict=True):
        last: Node | None = None
        for reference in known[1:]:
            if reference not in by_id:
                by_id[reference] = Node(None)
                everything.append(by_id[reference])
            at = by_id[reference]
            if last and not at.parent and not at.has_below(last):
                at.set_parent(last)
            last = at
        node.set_parent(None)
        if last and not node.has_below(last):
            node.set_parent(last)
    return everything


def pruned(siblings: list[Node], *, top: bool) -> list[Node]:
    kept = []
    for node in siblings:
        node.children = pruned(node.children, top=False)
        if node.number or (top and len(node.children) > 1):
            kept.append(node)
        else:
            kept += node.children
    return kept


def gathered(roots: list[Node]) -> list[Node]:
    table: dict[str, Node] = {}
    for node in roots:
        base = node.thread_subject()[:-1]
        old = table.setdefault(base, node)
        replied = old.subject.endswith(REPLY) and not node.subject.endswith(REPLY)
        if old.number and (not node.number or replied):
            table[base] = node
    for node in list(roots):
        base = node.thread_subject()[:-1]
        old = table[base]
        if not base or old is node or node not in roots:
            continue
        roots.remove(node)
        if not old.number:
            old.children += [node] if node.number else node.children
        elif node.subject.endswith(REPLY) and not old.subject.endswith(REPLY):
            old.children.append(node)
        else:
            roots.remove(old)
            table[base] = Node(None, children=[old, node])
            roots.append(table[base])
    return roots


def written(siblings: list[Node]) -> str:
    return "".join(f"({inside(node)})" for node in sorted(siblings, key=Node.order))


def inside(node: Node) -> str:
    own = str(node.number or "")
    if len(node.children) == 1:
        return f"{own} {inside(node.children[0])}"
    return f"{own} {written(node.children)}".strip()


def model(ids: list[list[int]], subjects: list[str], sent: list[int]) -> str:
    nodes = linked(ids, subjects, sent)
    roots = pruned([node for node in nodes if not node.parent], top=True)
    return written(gathered(sorted(roots, key=Node.order)))


MESSAGE = st.tuples(
    st.integers(1, 9),
    st.lists(st.integers(1, 12), max_size=4),
    st.sampled_from(["", "a", "b", "c", "d"]),
    st.sampled_from([ORIGINAL, REPLY]),
    st.integers(0, 5),
)


@settings(max_examples=150)
@given(st.lists(MESSAGE, max_size=12))
def test_references_is_the_algorithm_of_the_rfc(
    messages: list[tuple[int, list[int], str, str, int]],
) -> None:
    ids = [[own, *references] for own, references, _, _, _ in messages]
    subjects = [subject + mark for _, _, subject, mark, _ in messages]
    sent = [when for *_, when in messages]
    assert line(ids, subjects, sent) == model(ids, subjects, sent)
