"""Why a message was accepted, quarantined or refused; what other rules would have done."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from mailraven.config.schema import Config
from mailraven.mail.headers import remove_fields, split_message
from mailraven.ops.errors import OperationError
from mailraven.ops.names import directory_of
from mailraven.ops.spam import READ_LIMIT
from mailraven.policy.border import lift_border
from mailraven.policy.score import Knowledge, score
from mailraven.policy.spam_headers import LOOK_ALIKES
from mailraven.policy.verdict import Verdict
from mailraven.policy.why import lines_of
from mailraven.spam.knowledge import read_rules
from mailraven.spam.records import Record, find_records, records
from mailraven.store.names import place_of
from mailraven.store.quarantine import messages_in, quarantine_name

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


@dataclass(frozen=True, slots=True)
class Change:
    """A stored message whose verdict would be another one."""

    path: Path
    before: Verdict
    after: Verdict


def simulate(
    config: Config, knowledge: Knowledge, rules: Path, count: int
) -> Iterator[Change | None]:
    """What `rules`, a folder, would change, were its rules in force instead: for each of the newest
    `count` messages in inbox and quarantine of each account a Change, or None for none.

    Content and path alone count, as in score_file. Raises ConfigErrors, OperationError.
    """
    if not rules.is_dir():
        raise OperationError(f"{rules} is no folder")
    other = replace(knowledge, rules=read_rules(rules))
    for path in _archived(config, count):
        try:
            with path.open("rb") as file:
                data = file.read(READ_LIMIT)
        except FileNotFoundError:
            continue  # moved or deleted meanwhile
        facts, message = lift_border(_unmarked(data))
        before, after = score(message, facts, knowledge), score(message, facts, other)
        yield Change(path, before, after) if before.action != after.action else None


def _unmarked(data: bytes) -> bytes:
    """The message without the fields in which we told what we thought of it."""
    header, _ = split_message(data)
    return remove_fields(header, LOOK_ALIKES) + data[len(header) :]


def _archived(config: Config, count: int) -> Iterator[Path]:
    directory = directory_of(config)
    for domain in directory.domains():
        for local in directory.accounts(domain):
            maildir = config.paths.mail / domain / local / "Maildir"
            if not maildir.is_dir():
                continue
            junk = place_of(maildir, quarantine_name(maildir, config.spam.quarantine))
            for place in (maildir, junk):
                newest = sorted(messages_in(place), key=lambda path: path.name, reverse=True)
                yield from newest[:count]
