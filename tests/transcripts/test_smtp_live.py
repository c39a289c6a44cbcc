"""Every dialogue of tests/transcripts/smtp against the real smtpd: whole, split, and over TLS."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailraven.ops.demo import Demo
from transcripts.live import AfterStartTls, make_house, running
from transcripts.runner import Link, SocketLink, Transcript, load, play

FOLDER = Path(__file__).parent / "smtp"
TRANSCRIPTS = [load(path) for path in sorted(FOLDER.glob("*.txt"))]


@pytest.fixture(scope="module")
def house() -> Iterator[Demo]:
    root = Path(tempfile.mkdtemp(prefix="mailraven-smtp."))
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    demo = make_house(root / "house", f"127.1.{high}.{low}")
    with running(demo, "authd", "smtpd"):
        yield demo
    shutil.rmtree(root)


def connect(house: Demo, transcript: Transcript, *, tls: bool) -> Link:
    kind = transcript.directives.get("kind", ("smtp",))[0]
    if kind == "lmtp":
        return SocketLink(str(house.root / "run" / "lmtp.sock"), 0)
    link = SocketLink(house.address, house.ports[kind], tls=kind == "submissions")
    return AfterStartTls(link) if tls and kind != "submissions" else link


def _name(transcript: Transcript) -> str:
    return transcript.name


@pytest.mark.parametrize("way", ["whole", "split", "tls"])
@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=_name)
def test_smtpd_speaks_as_written(house: Demo, transcript: Transcript, way: str) -> None:
    own_tls = any(step.how == "starttls" for step in transcript.steps)
    tls = way == "tls" and transcript.allows("tls") and not own_tls
    chunk = 1 if way == "split" and transcript.allows("split") else 0
    play(transcript, lambda: connect(house, transcript, tls=tls), chunk)
