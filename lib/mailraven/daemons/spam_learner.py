"""The process that learns from what people did with their mail, started by imapd.

A process of its own, at the lowest priority: taking a message apart takes milliseconds, which no
session shall wait for, and it may be killed at any moment. It is begun as `python -m
mailraven.daemons.spam_learner DATA FORMAT`: the folder of all data, the format of the log.
"""

import sys
import time
from pathlib import Path

from mailraven.daemons.helper import become_helper
from mailraven.observe import log
from mailraven.spam.jobs import remove_jobs, waiting_jobs
from mailraven.spam.learner import Applied, account_of, apply_jobs


def main(arguments: list[str]) -> int:
    """Learn until no job waits; 1 if some have to."""
    data, log_format = Path(arguments[0]), arguments[1]
    log.setup("imapd", format=log_format)
    become_helper("spam-learner")
    try:
        return _learn_all(data)
    except OSError as error:
        log.event("spam-learned", level="warn", why=str(error))
    except Exception:
        log.exception("bug", where="spam-learner")
        remove_jobs(waiting_jobs(data)[:1])  # the rest must not wait for it for ever
    return 1


def _learn_all(data: Path) -> int:
    while applied := apply_jobs(data, int(time.time())):
        for one in applied:
            _tell(one)
        if any(one.failed for one in applied):
            return 1
    return 0


def _tell(one: Applied) -> None:
    account = account_of(one.folder)
    if one.failed:
        log.event("spam-learned", level="warn", account=account, why=one.failed)
    else:
        missed = one.missed or None
        log.event("spam-learned", account=account, messages=one.learned, missed=missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
