"""The dialogues of tests/transcripts/imap split at every octet, and against two workers."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailraven.ops.demo import Demo
from transcripts.live import make_house, running
from transcripts.runner import Transcript, play
from transcripts.test_imap_live import TRANSCRIPTS, connect, make_account

CASES = [(one, way) for one in TRANSCRIPTS for way in ("split", "workers") if one.allows(way)]


@contextmanager
def new_house(network: int, workers: int) -> Iterator[Demo]:
    root = Path(tempfile.mkdtemp(prefix="mailraven-imap."))
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    demo = make_house(root / "house", f"127.{network}.{high}.{low}")
    with running(demo, "authd", "imapd", imap_workers=str(workers)):
        yield demo
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def house() -> Iterator[Demo]:
    with new_house(24, 1) as demo:
        yield demo


@pytest.fixture(scope="module")
def crowd() -> Iterator[Demo]:
    """The sessions of a dialogue meet either of two workers."""
    with new_house(14, 2) as demo:
        yield demo


@pytest.mark.req("US5.4", "FR-036", "FR-037", "FR-038", "FR-039", "FR-040", "FR-042", "US5.2")
@pytest.mark.parametrize(("transcript", "way"), CASES, ids=[f"{t.name}-{way}" for t, way in CASES])
def test_imapd_speaks_as_written(
    house: Demo, crowd: Demo, transcript: Transcript, way: str
) -> None:
    account = make_account(crowd if way == "workers" else house)
    chunk = 1 if way == "split" else 0
    play(transcript, lambda: connect(account, transcript, way), chunk, account.direct)
