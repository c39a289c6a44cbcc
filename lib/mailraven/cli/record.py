"""`mailraven record`: transcripts of an account's IMAP sessions, to find a client's problem."""

import argparse

from mailraven.cli.common import load_config, say, table
from mailraven.cli.config import Commands
from mailraven.config import units
from mailraven.config.schema import Config
from mailraven.ops.accounts import find_account
from mailraven.ops.errors import OperationError
from mailraven.ops.recording import Recording, begin_recording, recordings, stop_recording


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command `record`."""
    record = commands.add_parser("record", help="keep transcripts of an account's IMAP sessions")
    record.add_argument("--account", metavar="ADDRESS", help="whose next sessions")
    record.add_argument(
        "--for", dest="duration", default="30m", metavar="TIME", help="30m by default"
    )
    what = record.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="what is being recorded")
    what.add_argument("--stop", action="store_true", help="of --account, or everything")
    record.set_defaults(command=_record)


def _record(options: argparse.Namespace) -> int:
    config = load_config(options)
    if options.list:
        _show(recordings(config))
    elif options.stop:
        _show(stop_recording(config, options.account))
    else:
        _show(_begin(config, options.account, options.duration))
    return 0


def _begin(config: Config, account: str | None, duration: str) -> list[Recording]:
    if account is None:
        raise OperationError("whose sessions? (--account ADDRESS, --list or --stop)")
    try:
        seconds = int(str(units.DURATION.parse(duration)))
    except ValueError as error:
        raise OperationError(f"--for: {units.sentence_of(error)}") from None
    return begin_recording(config, find_account(config, account).address, seconds)


def _show(found: list[Recording]) -> None:
    if not found:
        say("Nothing is being recorded.")
        return
    rows = [[one.account, str(one.seconds), str(one.sessions), str(one.folder)] for one in found]
    say(table(["ACCOUNT", "SECONDS LEFT", "SESSIONS", "FOLDER"], rows))
