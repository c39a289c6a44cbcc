"""The process that brings one mailbox's full-text index up to date, started by imapd.

A process of its own, at the lowest priority: it takes no time from sessions, gives its memory back,
and may be killed at any moment. `python -m mailraven.daemons.text_indexer FOLDER OCTETS FORMAT`:
the mailbox folder, the limit of its index, the format of the log.
"""

import sqlite3
import sys
import time
from pathlib import Path

from mailraven.daemons.helper import become_helper
from mailraven.observe import log
from mailraven.store.text_indexing import update_index


def main(arguments: list[str]) -> int:
    """Index; 0 when all that could be done is done."""
    folder, size_limit, log_format = arguments
    log.setup("imapd", format=log_format)
    become_helper("text-indexer")
    began = time.monotonic()
    try:
        done = update_index(Path(folder), int(size_limit))
    except (OSError, sqlite3.Error) as error:
        log.event("text-index", level="warn", folder=folder, why=str(error))
        return 1
    if done:
        seconds = round(time.monotonic() - began, 1)
        count, full = done.messages, done.is_full or None
        log.event("text-indexed", folder=folder, messages=count, seconds=seconds, full=full)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
