"""The process that reads reports that came back, started by smtpd.

A process of its own, at the lowest priority: looking through the kept log takes long, and no
session shall wait for it. It may be killed at any moment. It is begun as `python -m
mailraven.daemons.returned_reader ETC`: the folder of mailraven.toml.
"""

import os
import sys
from pathlib import Path

from mailraven.config.load import load
from mailraven.daemons.helper import become_helper
from mailraven.files.lock import lock_file
from mailraven.observe import log
from mailraven.ops.returned import read_reports
from mailraven.reports.returned import waiting_jobs


def main(arguments: list[str]) -> int:
    """Read until no report waits; 1 when something is wrong."""
    config = load(Path(arguments[0]), os.environ)
    log.setup("smtpd", config.log.level, config.log.format)
    log.keep(config.paths.traces, config.log.keep, config.log.keep_size)
    become_helper("returned-reader")
    try:
        with lock_file(config.paths.returned / "jobs" / ".lock"):
            read_reports(config)
        return 0
    except OSError as error:
        log.event("returned-failed", level="warn", error=str(error))
    except Exception:
        log.exception("bug", where="returned-reader")
        for path in waiting_jobs(config.paths.returned)[:1]:
            path.unlink(missing_ok=True)  # the rest must not wait for it for ever
    finally:
        log.flush()
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
