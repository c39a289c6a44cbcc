"""How far a long command has come (RFC 9585)."""

from dataclasses import dataclass

INTERVAL = 10.0  # seconds between two reports, and to the first. RFC 9585 §4


@dataclass(slots=True)
class Progress:
    """What a client has been told of the command `tag`; times in seconds of any clock."""

    tag: bytes
    told: float  # when; at first when the command began
    part: float = 0.0  # of the whole, as last told

    def line(self, now: float, done: int, goal: int) -> bytes:
        """The report that `done` of `goal` messages are done, b"" if none is due.

        A client is never told less than before, and never that all is done: the tagged answer
        says that.
        """
        if now - self.told < INTERVAL or done >= goal or done / goal < self.part:
            return b""
        self.told, self.part = now, done / goal
        text = b'* OK [INPROGRESS ("%b" %d %d)] %d of %d messages\r\n'
        return text % (self.tag, done, goal, done, goal)
