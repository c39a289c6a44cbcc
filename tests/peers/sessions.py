"""What a second session does to a message, so that a client has something to find out."""

from pathlib import Path

from peers.house import Account, answer


def change(account: Account, subject: str, *flags: str, mailbox: str = "INBOX") -> None:
    """Set these flags on the one message with the words `subject`."""
    with account.imap() as session:
        answer(session.select(mailbox))
        [number] = answer(session.search(None, "SUBJECT", f'"{subject}"'))[0].split()
        answer(session.store(number, "+FLAGS", f"({' '.join(flags)})"))


def expunge(account: Account, subject: str, mailbox: str = "INBOX") -> None:
    """Delete the one message with the words `subject`."""
    change(account, subject, "\\Deleted", mailbox=mailbox)
    with account.imap() as session:
        answer(session.select(mailbox))
        answer(session.expunge())


def maildir_of(account: Account) -> Path:
    """The folder that the server keeps the account's mail in."""
    [maildir] = account.house.root.rglob(f"{account.address.partition('@')[0]}/Maildir")
    return maildir


def files_of(account: Account, mailbox: str = "INBOX") -> dict[str, str]:
    """Subject to Maildir flag letters, as another program finds them on the server's disk."""
    folder = maildir_of(account) / ("." if mailbox == "INBOX" else f".{mailbox}")
    found = {}
    for path in [*(folder / "cur").iterdir(), *(folder / "new").iterdir()]:
        head = path.read_text(errors="replace").split("\nSubject: ", 1)[1]
        found[head.partition("\n")[0].strip()] = path.name.partition(":2,")[2]
    return found
