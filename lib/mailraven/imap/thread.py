"""THREAD: which message answers which (RFC 5256 §3, REFERENCES and ORDEREDSUBJECT).

Messages are numbered from 0 in mailbox order; numbers from their count on are dummies. Nothing
recurses, however deep a thread is, and all takes time about linear in the messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

NOBODY = -1
STEPS = 64  # up the tree for each message, at most, that looking for loops may take

_CLOSE = -2


@dataclass(slots=True)
class Forest:
    """Threads: their first messages in order, and who has which children, in order.

    Numbers from `messages` on are dummies; only the first of a thread may be one, and has at least
    two children then.
    """

    messages: int
    roots: list[int]
    children: dict[int, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class _Links:
    """Parents while they are found; `steps` is what may still be spent on finding loops."""

    parents: list[int]
    is_parent: bytearray
    steps: int

    def add_dummy(self) -> int:
        self.parents.append(NOBODY)
        self.is_parent.append(0)
        return len(self.parents) - 1

    def link(self, parent: int, child: int) -> None:
        """Make `child`, which has no parent, a child of `parent`, unless that made a loop."""
        if parent == child or (self.is_parent[child] and self._is_above(child, parent)):
            return
        self.parents[child] = parent
        self.is_parent[parent] = 1

    def _is_above(self, ancestor: int, node: int) -> bool:
        """Whether `ancestor` is above `node`; said of what would take too long to tell, too."""
        while (node := self.parents[node]) >= 0:
            self.steps -= 1
            if node == ancestor or self.steps < 0:
                return True
        return False


def by_references(
    ids: Sequence[Sequence[int]], subjects: Sequence[str], sent: Sequence[int]
) -> Forest:
    """Threads by REFERENCES. `ids` as sort_keys.message_ids gives them, `sent` in Unix seconds.

    The last character of a subject tells replies (sort_keys.REPLY); the rest is the base subject.
    """
    parents = _linked(ids)
    count = len(ids)
    ranked = sorted(range(count), key=sent.__getitem__)
    above = _above_dummies(parents, count)
    roots: dict[int, None] = {}
    children: dict[int, list[int]] = {}
    for message in ranked:  # so all siblings come in order of their dates (steps 4 and 6)
        parent = parents[message]
        if parent >= count:
            parent = above[parent]
        if parent == NOBODY:
            roots[message] = None
            continue
        if parent >= count:
            roots[parent] = None
        children.setdefault(parent, []).append(message)
    rank = [0] * count
    for place, message in enumerate(ranked):
        rank[message] = place
    # Step 3: a dummy with one child gives way to it.
    heads = [
        children.pop(root)[0] if root >= count and len(children[root]) == 1 else root
        for root in roots
    ]
    forest = Forest(count, heads, children)
    _gather(forest, subjects, rank)
    return forest


def _linked(ids: Sequence[Sequence[int]]) -> list[int]:
    """The parent of each message and dummy, NOBODY where it has none (step 1)."""
    nodes: dict[int, int] = {}
    for message, known in enumerate(ids):
        if known and known[0]:
            nodes.setdefault(known[0], message)  # of several with one identifier the first has it
    links = _Links([NOBODY] * len(ids), bytearray(len(ids)), STEPS * len(ids))
    parents = links.parents
    for message, known in enumerate(ids):
        above = NOBODY
        for reference in known[1:]:
            node = nodes.get(reference, NOBODY)
            if node == NOBODY:
                node = nodes[reference] = links.add_dummy()
            if above != NOBODY and parents[node] == NOBODY:
                links.link(above, node)
            above = node
        parents[message] = NOBODY  # step 1 (B): what others say of it was probably cut short
        if above != NOBODY:
            links.link(above, message)
    return parents


def _above_dummies(parents: Sequence[int], count: int) -> dict[int, int]:
    """For each dummy the next message above it, or the topmost dummy (step 3)."""
    above: dict[int, int] = {}
    for dummy in range(count, len(parents)):
        path, node = [], dummy
        while node not in above:
            path.append(node)
            parent = parents[node]
            if parent == NOBODY or parent < count:
                above[node] = node if parent == NOBODY else parent
            else:
                node = parent
        for passed in path:
            above[passed] = above[node]
    return above


def _gather(forest: Forest, subjects: Sequence[str], rank: Sequence[int]) -> None:
    """Merge threads of one base subject, and bring them in order again (steps 5 and 6)."""
    children, count = forest.children, forest.messages
    subject_of = {
        root: subjects[root if root < count else children[root][0]] for root in forest.roots
    }
    table = _subject_table(subject_of, count)
    if len(table) == len(subject_of):
        return
    kept: set[int] = set(forest.roots)
    touched: set[int] = set()
    dummy = max(count, *forest.roots) + 1
    for root, subject in subject_of.items():
        base = subject[:-1]
        first = table.get(base, root)
        if first == root or root not in kept:  # or it went under a new dummy already
            continue
        kept.discard(root)
        if first >= count:
            children[first] += children.pop(root) if root >= count else [root]
        elif _is_reply(subject) and not _is_reply(subject_of[first]):
            children.setdefault(first, []).append(root)
        else:
            kept.discard(first)
            kept.add(dummy)
            children[dummy] = [first, root]
            table[base] = first = dummy
            dummy += 1
        touched.add(first)
    for parent in touched:
        children[parent].sort(key=rank.__getitem__)
    forest.roots = sorted(kept, key=lambda root: rank[root if root < count else children[root][0]])


def _subject_table(subject_of: dict[int, str], count: int) -> dict[str, int]:
    """The root that stands for each base subject (step 5 B)."""
    table: dict[str, int] = {}
    for root, subject in subject_of.items():
        base = subject[:-1]
        if not base:
            continue
        first = table.setdefault(base, root)
        if first < count and (
            root >= count or (_is_reply(subject_of[first]) and not _is_reply(subject))
        ):
            table[base] = root
    return table


def _is_reply(subject: str) -> bool:
    return subject.endswith("\x02")


def by_subject(subjects: Sequence[str], sent: Sequence[int]) -> Forest:
    """Threads by ORDEREDSUBJECT: the first of one base subject, and all others under it."""
    threads: dict[str, list[int]] = {}
    for message in sorted(range(len(subjects)), key=sent.__getitem__):
        threads.setdefault(subjects[message][:-1], []).append(message)
    return Forest(
        len(subjects),
        [thread[0] for thread in threads.values()],
        {thread[0]: thread[1:] for thread in threads.values() if len(thread) > 1},
    )


def thread_line(forest: Forest, numbers: Sequence[int]) -> bytes:
    """THREAD; `numbers` are those of the messages. RFC 5256 §4 (BASE.7.2.THREAD)"""
    out: list[str] = []
    children = forest.children
    for root in forest.roots:
        if root in children:
            _write(forest, root, numbers, out)
        else:
            out.append(f"({numbers[root]})")
    threads = "".join(out)
    return f"* THREAD{' ' if threads else ''}{threads}\r\n".encode("ascii")


def _write(forest: Forest, root: int, numbers: Sequence[int], out: list[str]) -> None:
    children, count = forest.children, forest.messages
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node == _CLOSE:
            out.append(")")
            continue
        out.append("(")
        below = children.get(node, [])
        while len(below) == 1:
            out.append(f"{numbers[node]} ")
            node = below[0]
            below = children.get(node, [])
        if node < count:
            out.append(f"{numbers[node]} " if below else f"{numbers[node]}")
        waiting.append(_CLOSE)
        waiting += reversed(below)
