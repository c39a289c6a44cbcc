"""What one connection may cost us without bringing any mail. RFC 5321 §4.5.3.2, §7.9"""

from mailraven.mail.errors import PeerError

GUESS_LIMIT = 20  # refused recipients in a row: somebody tries which addresses there are
IDLE_COMMANDS = frozenset({b"NOOP", b"RSET", b"VRFY", b"HELP", b"EHLO", b"HELO", b"LHLO"})


class Patience:
    """Counts of one connection. The methods say why it must end now, or "".

    `error_limit` are protocol errors, `idle_limit` commands of IDLE_COMMANDS between two messages.
    """

    __slots__ = ("_error_limit", "_guesses", "_idle_commands", "_idle_limit", "errors")

    def __init__(self, error_limit: int, idle_limit: int) -> None:
        self._error_limit, self._idle_limit = error_limit, idle_limit
        self.errors = 0
        self._idle_commands = 0
        self._guesses = 0

    def heard_message(self) -> None:
        """A message came: the peer is no idler."""
        self._idle_commands = 0

    def heard_idle_command(self) -> None:
        """One of IDLE_COMMANDS came; raises a fatal PeerError after too many."""
        self._idle_commands += 1
        if self._idle_commands > self._idle_limit:
            raise PeerError("421 4.7.0 too many commands without a message", fatal=True)

    def heard_error(self) -> str:
        """A command was wrong."""
        self.errors += 1
        return "4.7.0 too many errors" if self.errors >= self._error_limit else ""

    def answered_rcpt(self, code: int) -> str:
        """A recipient was accepted or refused; a good one excuses the bad ones before it."""
        self._guesses = self._guesses + 1 if code >= 500 else 0
        return "4.7.0 too many unknown recipients" if self._guesses >= GUESS_LIMIT else ""
