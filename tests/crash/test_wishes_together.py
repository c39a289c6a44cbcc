"""Operators at the same message at the same time: each of them at every step of the other."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.spool import Folder, Spool
from mailraven.queue.wishes import Wish, apply

BOB, CAROL = "bob@example.net", "carol@example.net"
STEPS = ("open", "rename", "stat", "unlink", "utime", "fsync", "writev")
A_MOMENT = 0.02  # seconds that the other one gets; it may have to wait for the first, or not
MOST_STEPS = 60

Work = Callable[[Spool, QueueId], None]


def put(root: Path, folder: Folder) -> tuple[Spool, QueueId]:
    spool = Spool(root)
    spool.prepare()
    people = (Recipient(BOB), Recipient(CAROL))
    envelope = Envelope("alice@example.org", people, TraceId("t1"), received_at=1.7e9)
    id = spool.submit(envelope, [b"Subject: hi\r\n\r\n"])
    entry = spool.claim(id, "incoming")
    assert entry is not None
    spool.defer(entry)
    if folder == "held":
        spool.hold(id, "deferred")
    return spool, id


def wish(spool: Spool, id: QueueId, wanted: Wish) -> None:
    """As `mailraven queue` does: what moved on while it was looked at is looked at again."""
    listed = spool.find(id)
    if listed is None or apply(spool, listed, wanted, is_served=True) != "none":
        return
    again = spool.find(id)
    if again is not None and again.folder != listed.folder:
        apply(spool, again, wanted, is_served=True)


def together(
    spool: Spool, id: QueueId, first: Work, second: Work, step: int, patch: pytest.MonkeyPatch
) -> bool:
    """Do `first`, and `second` at that step of it; False when there was no such step."""
    left, mine = step, threading.get_ident()
    other = threading.Thread(target=second, args=(spool, id))

    def before(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            nonlocal left
            if threading.get_ident() == mine:
                left -= 1
                if left == 0:
                    other.start()
                    other.join(A_MOMENT)
            return function(*arguments, **options)

        return call

    with patch.context() as context:
        for name in STEPS:
            context.setattr(os, name, before(getattr(os, name)))
        first(spool, id)
    if left > 0:
        return False
    other.join()
    return True


def fail_bob(spool: Spool, id: QueueId) -> None:
    wish(spool, id, Wish("fail", (BOB,)))


def fail_carol(spool: Spool, id: QueueId) -> None:
    wish(spool, id, Wish("fail", (CAROL,)))


def let_go_and_deliver(spool: Spool, id: QueueId) -> None:
    """And the queue is quick: the message is gone at once."""
    wish(spool, id, Wish("release"))
    if spool.claim(id, "deferred") is not None:
        spool.remove(id, "active")


def retry(spool: Spool, id: QueueId) -> None:
    wish(spool, id, Wish("retry"))


def hold(spool: Spool, id: QueueId) -> None:
    wish(spool, id, Wish("hold"))


def drop(spool: Spool, id: QueueId) -> None:
    wish(spool, id, Wish("drop"))


def change_nothing(spool: Spool, id: QueueId) -> None:
    wish(spool, id, Wish("fail", ("nobody@example.net",)))


def places(spool: Spool, id: QueueId) -> list[str]:
    return [one.folder for one in spool.entries() if one.id == id]


def statuses(spool: Spool, id: QueueId) -> list[str]:
    return [one.status for one in spool.load(id).recipients]


@pytest.mark.parametrize(
    ("folder", "first", "second", "left", "states"),
    [
        ("held", fail_bob, let_go_and_deliver, [], []),
        ("deferred", fail_bob, let_go_and_deliver, [], []),
        ("deferred", fail_bob, hold, ["held"], ["failed", "pending"]),
        ("held", fail_bob, fail_carol, ["deferred"], ["failed", "failed"]),
        ("deferred", fail_bob, fail_carol, ["deferred"], ["failed", "failed"]),
        ("held", fail_bob, drop, [], []),
        ("deferred", fail_bob, drop, [], []),
        ("deferred", change_nothing, retry, ["deferred"], ["pending", "pending"]),
        ("deferred", change_nothing, hold, ["held"], ["pending", "pending"]),
    ],
)
def test_no_wish_undoes_another(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    folder: Folder,
    first: Work,
    second: Work,
    left: list[str],
    states: list[str],
) -> None:
    for step in range(1, MOST_STEPS):
        spool, id = put(tmp_path / str(step), folder)
        was_together = together(spool, id, first, second, step, monkeypatch)
        if not was_together:
            return
        assert places(spool, id) == left, step
        if left:
            assert statuses(spool, id) == states, step
        if second is retry:
            found = spool.find(id)
            assert found is not None and found.due > 1.75e9, step
    raise AssertionError("too many steps")
