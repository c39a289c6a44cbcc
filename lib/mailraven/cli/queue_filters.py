"""The options that say which messages of the queue are meant."""

import argparse

from mailraven.config.units import DURATION
from mailraven.mail.types import QueueId
from mailraven.ops.errors import OperationError
from mailraven.queue.names import is_queue_id
from mailraven.queue.selection import Selection
from mailraven.queue.spool import FOLDERS


def add_filters(command: argparse.ArgumentParser) -> None:
    """All must hold at once; addresses may have the wildcards of a shell."""
    group = command.add_argument_group("which messages")
    group.add_argument("--from", dest="sender", default="", metavar="ADDRESS", help='"<>": reports')
    group.add_argument("--to", default="", metavar="ADDRESS", help="who still waits for it")
    group.add_argument("--domain", default="", help="of a recipient that still waits")
    group.add_argument("--account", default="", help="who handed it in")
    group.add_argument("--older", default="", metavar="AGE", help="like 30m, 4h, 2d")
    group.add_argument("--queue-id", action="append", default=[], metavar="ID")
    group.add_argument("--status", action="append", default=[], choices=FOLDERS)
    group.add_argument("--text", default="", help="a part of the last answer")


def selection_of(options: argparse.Namespace) -> Selection:
    """What the options say. Raises OperationError."""
    ids = [*options.queue_id, *getattr(options, "ids", [])]
    wrong = [id for id in ids if not is_queue_id(id)]
    if wrong:
        raise OperationError(f"there is no message {wrong[0]} in the queue: that is no queue id")
    try:
        older = DURATION.parse(options.older) if options.older else 0
    except ValueError as error:
        raise OperationError(f"--older: {error}") from None
    return Selection(
        ids=frozenset(QueueId(id) for id in ids),
        folders=tuple(options.status),
        sender=options.sender,
        recipient=options.to,
        domain=options.domain,
        account=options.account,
        older=float(str(older)),
        text=options.text,
    )
