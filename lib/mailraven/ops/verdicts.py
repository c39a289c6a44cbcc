"""Why a message was accepted, quarantined or refused."""

from itertools import islice

from mailraven.config.schema import Config
from mailraven.ops.errors import OperationError
from mailraven.policy.why import lines_of
from mailraven.spam.records import Record, find_records, records

FOUND_LIMIT = 20  # records told of one message


def why(config: Config, wanted: str) -> list[Record]:
    """The records of a trace id or Message-ID, the newest first. Raises OperationError."""
    found = list(islice(find_records(config.paths.verdicts, wanted), FOUND_LIMIT))
    if not found:
        raise OperationError(
            f"no record of {wanted} (they are kept for spam.record_time; it is the id behind"
            ' "250 2.0.0 ok", in Received and in the log, or a Message-ID)'
        )
    return found


def last_records(config: Config, count: int) -> list[Record]:
    """The newest records, the last one first."""
    return list(islice(records(config.paths.verdicts), count))


def in_words(found: list[Record]) -> str:
    """Records for a person."""
    return "\n\n".join("\n".join(lines_of(record)) for record in found)
