"""What can go wrong with a mailbox, in words that SMTP (4yz) and IMAP (NO) can pass on."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from mailraven.mail.errors import PermanentError, TemporaryError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# The disk is read-only or ill, or something else lies where a mailbox should be, or the system is
# out of something. What is not here nor above is a bug of ours.
_UNAVAILABLE = {
    errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EEXIST,
    errno.ENOTEMPTY, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOLCK,
}  # fmt: skip


class StoreFull(TemporaryError):
    """The disk, its quota or the size limit of files leaves no room."""

    def __init__(self) -> None:
        super().__init__(452, "4.3.1 no room left in the mail store")


class StoreUnavailable(TemporaryError):
    """The disk refuses: permission, read-only, input/output error; the log knows which."""

    def __init__(self) -> None:
        super().__init__(451, "4.3.0 mailbox is not available now")


class MailboxBusy(TemporaryError):
    """Another process held the lock of the mailbox too long."""

    def __init__(self) -> None:
        super().__init__(451, "4.2.0 mailbox is locked by another process")


class OutOfStep(TemporaryError):
    """More changed than a session can be told in order: it must end and select anew."""

    def __init__(self) -> None:
        super().__init__(451, "4.2.0 too many changes at once, connect again")


class NoSuchMailbox(PermanentError):
    """There is no mailbox of this name, or no more. IMAP: NO [NONEXISTENT]."""

    def __init__(self) -> None:
        super().__init__(550, "5.1.1 no such mailbox")


class MailboxExists(PermanentError):
    """The name is taken. IMAP: NO [ALREADYEXISTS]."""

    def __init__(self) -> None:
        super().__init__(550, "5.2.0 mailbox exists already")


class BadMailboxName(PermanentError):
    """No mailbox can have this name. IMAP: NO [CANNOT]."""

    def __init__(self, why: str) -> None:
        super().__init__(550, f"5.1.3 {why}")


class TooManyKeywords(PermanentError):
    """All 26 letters of the mailbox have a keyword. IMAP: NO [LIMIT]."""

    def __init__(self) -> None:
        super().__init__(552, "5.2.2 a mailbox holds at most 26 keywords")


class TooManyMailboxes(PermanentError):
    """The account has as many mailboxes as it may. IMAP: NO [LIMIT]."""

    def __init__(self) -> None:
        super().__init__(552, "5.2.2 too many mailboxes")


class TooManySubscriptions(PermanentError):
    """The account has subscribed to as many names as it may. IMAP: NO [LIMIT]."""

    def __init__(self) -> None:
        super().__init__(552, "5.2.2 too many subscriptions")


class SpecialUseTaken(PermanentError):
    """Another mailbox has that special use. IMAP: NO [USEATTR]."""

    def __init__(self) -> None:
        super().__init__(550, "5.2.0 another mailbox has that special use")


class MessageGone(PermanentError):
    """The message was expunged meanwhile. IMAP: NO [EXPUNGEISSUED]."""

    def __init__(self) -> None:
        super().__init__(550, "5.2.0 message is gone")


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn what the disk says into the errors above; OSErrors of a bug stay as they are."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFull from error
        if isinstance(error, FileNotFoundError):
            raise NoSuchMailbox from error
        if isinstance(error, PermissionError) or error.errno in _UNAVAILABLE:
            raise StoreUnavailable from error
        raise
