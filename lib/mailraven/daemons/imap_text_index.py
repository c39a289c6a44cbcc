"""The full-text index, as SEARCH uses it: where to look, and when to have it brought up to date.

`candidates` is the one way in. Whatever is wrong with the index, the answer is "everywhere".
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from mailraven.config.schema import Config
from mailraven.daemons.helper import start_helper
from mailraven.observe import log
from mailraven.store.mailbox import Mailbox
from mailraven.store.text_index import IndexUnusable, index_path, is_possible
from mailraven.store.text_lookup import Coverage, look_up

INDEXER = "mailraven.daemons.text_indexer"
FEW = 200  # messages that are read as fast as the index is asked; so many may be without it
PAUSE = 60.0  # seconds from one indexing of a mailbox to the next


@dataclass(slots=True)
class TextIndex:
    """What one imapd process knows of the indexes of its mailboxes; has one indexer at a time."""

    covered: "WeakKeyDictionary[Mailbox, Coverage]" = field(default_factory=WeakKeyDictionary)
    indexed: "WeakKeyDictionary[Mailbox, float]" = field(default_factory=WeakKeyDictionary)
    process: asyncio.subprocess.Process | None = None
    waiting: "asyncio.Task[None] | None" = None
    is_possible: bool = field(default_factory=is_possible)

    async def candidates(
        self, config: Config, mailbox: Mailbox, uids: Sequence[int], query: str | None
    ) -> set[int] | None:
        """Those of `uids` that may satisfy `query` (imap.search_grams); None for all of them."""
        limit = config.imap.search_index
        if not limit or query is None or len(uids) <= FEW or not self.is_possible:
            return None
        found, unindexed = None, len(uids)
        if index_path(mailbox.folder).exists():
            covered = self.covered.setdefault(mailbox, Coverage())
            try:
                answer = await asyncio.to_thread(look_up, mailbox, uids, query, covered)
                found, unindexed = answer.uids, answer.unindexed
            except IndexUnusable as error:
                folder = str(mailbox.folder)
                log.event("text-index", level="warn", folder=folder, why=str(error))
        if unindexed > FEW:
            self._index_soon(mailbox, limit, config.log.format)
        return found

    def _index_soon(self, mailbox: Mailbox, limit: int, log_format: str) -> None:
        """Start the indexer, unless one is at work or was here a moment ago."""
        now = time.monotonic()
        if self.waiting is not None or now - self.indexed.get(mailbox, -PAUSE) < PAUSE:
            return
        self.indexed[mailbox] = now
        arguments = [str(mailbox.folder), str(limit), log_format]
        self.waiting = asyncio.create_task(self._index(arguments))

    async def _index(self, arguments: list[str]) -> None:
        try:
            self.process = await start_helper(INDEXER, arguments)
            await self.process.wait()
        except OSError as error:
            log.event("text-index", level="warn", folder=arguments[0], why=str(error))
        finally:
            self.process = self.waiting = None

    def close(self) -> None:
        """imapd stops; the index is whole up to its last commit."""
        if self.process is not None:
            self.process.terminate()
