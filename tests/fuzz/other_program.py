"""What a program that knows Maildir, or another worker that tidies up, does to a mailbox folder."""

from collections.abc import Collection
from pathlib import Path

from mailraven.store.journal_file import JournalFile, lock_mailbox

LETTERS = {"\\Draft": "D", "\\Flagged": "F", "\\Answered": "R", "\\Seen": "S", "\\Deleted": "T"}


def deliver(folder: Path, subject: int, text: bytes, *, sized: bool) -> None:
    """Put a message into new/, its size in the name or not."""
    name = f"{1_700_000_000 + subject}.M1P1.test"
    if sized:
        name += f",S={len(text)},W={len(text)}"
    (folder / "tmp" / name).write_bytes(text)
    (folder / "tmp" / name).rename(folder / "new" / name)


def find(folder: Path, subject: int) -> Path | None:
    """The file of the message with this subject; None if there are copies of it."""
    wanted = b"Subject: %d\r\n" % subject
    found = [path for path in (folder / "cur").iterdir() if wanted in path.read_bytes()]
    return found[0] if len(found) == 1 else None


def set_flags(path: Path, flags: Collection[str]) -> None:
    """Rename a message so that its name tells these flags, all among LETTERS."""
    letters = "".join(sorted(LETTERS[flag] for flag in flags))
    path.rename(f"{str(path).partition(':2,')[0]}:2,{letters}")


def compact(folder: Path) -> None:
    """Write the journal anew, as a worker does now and then."""
    with lock_mailbox(str(folder)):
        journal = JournalFile.read(str(folder))
        assert journal
        journal.replace()
        journal.close()
