"""The dialogues that are not ours alone, played against Postfix: are our expectations honest?"""

from dataclasses import replace
from pathlib import Path

import pytest

from peers.postfix import DOMAIN, PORT, USERS, Postfix
from transcripts.runner import SocketLink, Transcript, load, play

FOLDER = Path(__file__).parents[1] / "transcripts" / "smtp"
ALL = [load(path) for path in sorted(FOLDER.glob("*.txt"))]
COMMON = [
    transcript for transcript in ALL if "mailraven" not in transcript.directives.get("only", ())
]


def for_postfix(transcript: Transcript) -> Transcript:
    """The same dialogue about a mailbox that this Postfix has."""
    steps = (
        replace(
            step,
            text=step.text.replace("bob@example.org", f"{USERS[0]}@{DOMAIN}").replace(
                "@example.org", f"@{DOMAIN}"
            ),
        )
        for step in transcript.steps
    )
    return replace(transcript, steps=tuple(steps))


@pytest.mark.parametrize("transcript", COMMON, ids=lambda transcript: transcript.name)
def test_postfix_speaks_as_written(postfix: Postfix, transcript: Transcript) -> None:
    play(for_postfix(transcript), lambda: SocketLink(postfix.address, PORT))
