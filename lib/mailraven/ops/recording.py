"""Asking imapd to keep transcripts of an account's next sessions."""

from dataclasses import dataclass
from pathlib import Path

from mailraven.config.schema import Config
from mailraven.ops import audit
from mailraven.ops.control_client import Message, ask
from mailraven.ops.errors import OperationError


@dataclass(frozen=True, slots=True)
class Recording:
    """What imapd records: for so many `seconds` more; `sessions` so far, files in `folder`."""

    account: str
    seconds: int
    sessions: int
    folder: Path


def begin_recording(config: Config, account: str, seconds: int) -> list[Recording]:
    """Record the sessions of `account` that log in from now on. Raises OperationError."""
    found = _ask(config, {"account": account, "seconds": seconds})
    audit.record(config, "record-begin", account=account, seconds=seconds)
    return found


def stop_recording(config: Config, account: str | None) -> list[Recording]:
    """Record no more of `account`, None: of anybody. Raises OperationError."""
    found = _ask(config, {"stop": True} | ({"account": account} if account else {}))
    audit.record(config, "record-stop", account=account)
    return found


def recordings(config: Config) -> list[Recording]:
    """What is being recorded. Raises OperationError."""
    return _ask(config, {})


def _ask(config: Config, request: Message) -> list[Recording]:
    answer = ask(config.paths.run, "imapd", {"op": "record", **request})
    if "error" in answer:
        raise OperationError(f"imapd: {answer['error']}")
    workers = answer.get("workers")  # all tell the same: they read the same files
    first = workers[0] if isinstance(workers, list) and workers else answer
    listed = first.get("recordings") if isinstance(first, dict) else None
    if not isinstance(listed, list):
        raise OperationError("imapd does not answer as it should")
    return [_recording(one, str(first["folder"])) for one in listed]


def _recording(one: Message, folder: str) -> Recording:
    account = str(one["account"])
    numbers = (int(str(one["seconds"])), int(str(one["sessions"])))
    return Recording(account, *numbers, Path(folder) / account)
