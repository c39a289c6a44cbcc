"""The header fields that tell a reader what the server thought of a message (FR-019)."""

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
    }
)
REASON_LIMIT = 40  # reasons in one field; the rest are in the record of the message
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
