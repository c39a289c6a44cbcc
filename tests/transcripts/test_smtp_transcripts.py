"""Every dialogue of tests/transcripts/smtp against the engine: whole and split at every octet."""

from pathlib import Path

import pytest

from transcripts.runner import Transcript, load, play
from transcripts.smtp_engine import House

FOLDER = Path(__file__).parent / "smtp"
TRANSCRIPTS = [load(path) for path in sorted(FOLDER.glob("*.txt"))]
SPLITS = (0, 1, 2, 3, 7)  # octets at once; 0 is whole


def _name(transcript: Transcript) -> str:
    return transcript.name


@pytest.mark.parametrize("chunk", SPLITS)
@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=_name)
def test_the_engine_speaks_as_written(transcript: Transcript, chunk: int) -> None:
    if chunk and not transcript.allows("split"):
        chunk = 0
    play(transcript, lambda: House(transcript).link(), chunk)


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=_name)
def test_the_engine_speaks_so_over_tls_too(transcript: Transcript) -> None:
    way = "tls" if transcript.allows("tls") and _stays(transcript) else "plain"
    play(transcript, lambda: House(transcript, tls=way == "tls").link())


def _stays(transcript: Transcript) -> bool:
    """Whether the dialogue does no STARTTLS of its own."""
    return all(step.how != "starttls" for step in transcript.steps)
