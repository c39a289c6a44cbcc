"""`mailraven`, the operator's command: mailraven(8).

Exit code 0: done; 1: it could not be done, one line on stderr says why; 2: wrong usage;
78 (EX_CONFIG): the configuration is wrong, every mistake is listed.
"""

import argparse
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from mailraven import __version__
from mailraven.cli import (
    account,
    alias,
    brake,
    certificate,
    config,
    dkim,
    dnscheck,
    domain,
    limit,
    quarantine,
    queue,
    quickstart,
    record,
    report,
    rules,
    run,
    selftest,
    sender_lists,
    server,
    spam,
    suppression,
    trace,
    verdicts,
)
from mailraven.mail.errors import ConfigErrors
from mailraven.ops.errors import OperationError

EX_CONFIG = 78  # sysexits(3)
INTERRUPTED = 130  # 128 + SIGINT, as shells have it

GROUPS = (
    quickstart,
    domain,
    dnscheck,
    selftest,
    dkim,
    account,
    alias,
    queue,
    brake,
    suppression,
    trace,
    verdicts,
    quarantine,
    sender_lists,
    limit,
    spam,
    rules,
    report,
    certificate,
    config,
    server,
    record,
    run,
)


def main(arguments: list[str] | None = None, start: run.Start | None = None) -> int:
    """Run one command; `start` starts the daemons (they are above this room). The exit code."""
    options = parser(start).parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except OperationError as error:
        return _fail(str(error))
    except ConfigErrors as errors:
        return _fail(str(errors), EX_CONFIG)
    except BrokenPipeError:  # `mailraven ... | head`: nobody listens any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _fail(f"{error.filename or 'mailraven'}: {error.strerror or error}")
    except KeyboardInterrupt:
        return INTERRUPTED


@cache
def parser(start: run.Start | None = None) -> argparse.ArgumentParser:
    """All commands with their options."""
    top = argparse.ArgumentParser(prog="mailraven", description="Manage a MailRaven mail server.")
    top.add_argument("--version", action="version", version=f"mailraven {__version__}")
    top.add_argument("--etc", type=Path, metavar="DIR", help="folder of mailraven.toml")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for group in GROUPS:
        group.add_parser(commands)
    top.set_defaults(start=start)
    return top


def _fail(text: str, code: int = 1) -> int:
    for line in text.splitlines():
        sys.stderr.write(f"mailraven: {line}\n")
    return code
