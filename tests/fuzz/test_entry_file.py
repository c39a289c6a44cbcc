"""Files of the queue: what was submitted is read again, and what is damaged is never sent."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.draft import Draft
from mailraven.queue.entry import TOGETHER_LIMIT, BrokenEntry
from mailraven.queue.spool import Spool

octets = st.lists(
    st.sampled_from([b"\n}\n", b"}\n", b"\n", b"{", b"\r\n\r\n", b"\0" * 5000, b"Subject: x\r\n"])
    | st.binary(max_size=20),
    max_size=12,
)
sizes = st.sampled_from([0, 4000, TOGETHER_LIMIT - 1, TOGETHER_LIMIT, TOGETHER_LIMIT + 1])


@pytest.fixture(scope="module")
def spool() -> Iterator[Spool]:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder))
        spool.prepare()
        yield spool


def submitted(spool: Spool, content: list[bytes], *addresses: str) -> QueueId:
    """A message in incoming/, without waiting for the disk."""
    envelope = Envelope("a@example.net", tuple(map(Recipient, addresses)), TraceId("t"))
    draft = Draft(str(spool.root), envelope, content)
    draft.write()
    if draft.is_apart:
        draft.add_entry()
    draft.close()
    return draft.id


@given(octets, sizes, st.lists(st.text(st.characters(codec="utf-8"), max_size=30), min_size=1))
def test_what_was_submitted_is_read_again(
    spool: Spool, pieces: list[bytes], more: int, addresses: list[str]
) -> None:
    content = [*pieces, b"x" * more]
    id = submitted(spool, content, *addresses)
    entry = spool.claim(id, "incoming")
    assert entry is not None
    assert [one.address for one in entry.recipients] == addresses
    assert spool.read_message(spool.load(id)) == b"".join(content)
    assert spool.remove(id, "active")


@given(octets, st.integers(0, 12_000), octets)
def test_what_is_damaged_is_never_sent(
    spool: Spool, pieces: list[bytes], at: int, damage: list[bytes]
) -> None:
    message = b"".join(pieces)
    path = spool.folder("incoming") / submitted(spool, pieces, "bob@example.org")
    whole, patch = path.read_bytes(), b"".join(damage)
    path.write_bytes(whole[:at] + patch + (whole[at + len(patch) :] if len(patch) % 2 else b""))
    (listed,) = spool.entries()
    try:
        entry = spool.look(listed.id, "incoming")
    except BrokenEntry:
        (listed,) = spool.entries("held")
    else:
        assert entry is None or spool.read_message(entry) == message or entry.crc32 is None
    spool.remove(listed.id, listed.folder)
