"""How many connections each worker of a daemon has, so that none takes what another should.

Workers share their listening sockets, and whoever wakes first accepts: of ten connections at once
all may go to one, while the other sleeps. The numbers lie in memory that all workers share; each
writes its own, four octets at once, and a number that is a moment old does no harm.
"""

import mmap

SLACK = 8  # an eighth more than the others is no reason to wait for them


class Crowd:
    """The workers of this daemon; before `share` it is a single one."""

    def __init__(self) -> None:
        self.share(1)
        self.sit(0)

    def share(self, workers: int) -> None:
        """Have so many seats. To be called before workers are forked."""
        self._counts = memoryview(mmap.mmap(-1, 4 * max(workers, 1))).cast("i")

    def sit(self, seat: int) -> None:
        """This process is the worker of that seat, the first being 0, and has no connections."""
        self._seat = seat
        self._counts[seat] = 0

    def came(self) -> None:
        """A connection came."""
        self._counts[self._seat] += 1

    def went(self) -> None:
        """One has ended."""
        self._counts[self._seat] -= 1

    def is_ahead(self) -> bool:
        """Whether another worker has so much less to do that the next connection is for it."""
        own = self._counts[self._seat]
        return own > min(self._counts) + own // SLACK


crowd = Crowd()
