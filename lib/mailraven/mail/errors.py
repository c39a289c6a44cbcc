"""The four errors of MailRaven; each carries the answer that the peer gets, never more."""


class PeerError(Exception):
    """The peer broke the protocol: `reply` is what it is told, `fatal` whether the connection ends.

    For SMTP `reply` reads "500 5.5.2 ..."; for IMAP it is the text behind BAD.
    """

    def __init__(self, reply: str, *, fatal: bool = False) -> None:
        super().__init__(reply)
        self.reply = reply
        self.fatal = fatal


class TemporaryError(Exception):
    """Try again later: an SMTP 4yz `code` with `text` that starts with its enhanced status code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


class PermanentError(Exception):
    """Never try this again: an SMTP 5yz `code` with `text` that starts with its enhanced status."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


class ConfigError(Exception):
    """One mistake in one text file: `path`, `line` (from 1; 0: the whole file), `what` is wrong."""

    def __init__(self, path: str, line: int, what: str) -> None:
        super().__init__(f"{path}:{line}: {what}")
        self.path = path
        self.line = line
        self.what = what


class ConfigErrors(Exception):
    """Every mistake found in one go, so that an editor session mends them all."""

    def __init__(self, errors: list[ConfigError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors
