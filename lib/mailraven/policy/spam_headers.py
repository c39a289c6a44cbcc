"""The header fields that tell a reader what the server thought of a message (FR-019)."""

from mailraven.mail.headers import fields
from mailraven.policy.verdict import Reason, Thresholds, Verdict

# A sender must not be able to write our verdict, nor one that filters of clients believe in.
LOOK_ALIKES = frozenset(
    {
        b"x-spam-score",
        b"x-spam-status",
        b"x-spam-flag",
        b"x-spam-level",
        b"x-spam-report",
        b"x-spam-checker-version",
        b"x-spamd-result",
        b"x-rspamd-score",
        b"x-rspamd-action",
        b"x-spam",
        b"x-spam-action",
        b"x-spam-bar",
        b"x-spam-details",
        b"x-spam-result",
        b"x-rspamd-bar",
    }
)
REASON_LIMIT = 40  # reasons in one field; the rest are in the record of the message
_OURS = 5  # Received, and what stands before the sender's own fields
_HEAD_LIMIT = 16 << 10  # octets; our fields come first
_WORDS = {"accept": "No", "quarantine": "Yes", "reject": "Yes"}


def spam_fields(verdict: Verdict, thresholds: Thresholds) -> bytes:
    """X-Spam-Score and X-Spam-Status with their line ends; every reason on a line of its own."""
    head = (
        f"X-Spam-Score: {verdict.score:.1f}\r\n"
        f"X-Spam-Status: {_WORDS[verdict.action]}, score={verdict.score:.1f}"
        f" required={thresholds.quarantine:.1f} action={verdict.action}"
    )
    return (head + "".join(map(_line, verdict.reasons[:REASON_LIMIT])) + "\r\n").encode()


def _line(reason: Reason) -> str:
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in reason.rule)
    return f"\r\n\t{name.encode('ascii', 'replace').decode()[:60]}={reason.points:.2f}"


def is_marked(message: bytes) -> bool:
    """Whether a message that begins with our own trace field has our mark of spam next to it."""
    ours = fields(message[:_HEAD_LIMIT])[1:_OURS]
    return any(name == b"x-spam-status" and value.startswith(b"Yes,") for name, value in ours)
