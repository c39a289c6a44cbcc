"""The brake on accounts: whose is on, and what becomes of the mail that it keeps."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mailraven.config.schema import Config
from mailraven.limits.brake import BRAKE, HELD, history_of, put_on, take_off, why_on
from mailraven.mail.errors import TemporaryError
from mailraven.ops.audit import record
from mailraven.ops.errors import OperationError
from mailraven.ops.names import checked_account, directory_of
from mailraven.ops.ownership import as_owner_of
from mailraven.ops.queue import Found, Tally, carry_out, search, spool_of
from mailraven.policy.brake import Sum
from mailraven.queue.selection import Selection
from mailraven.queue.spool import Spool
from mailraven.queue.wishes import Wish
from mailraven.spam.known import KnownSenders

BATCH = 500  # messages in memory
ON_ITS_WAY = 1.0  # seconds within which a message that smtpd is writing this moment is in the queue


@dataclass(frozen=True, slots=True)
class Braked:
    """An account whose brake is on: since when and why, what it sent lately, and what is held."""

    account: str
    since: str
    why: str
    today: Sum
    held: int
    recipients: int


def braked(config: Config, account: str = "") -> Iterator[Braked]:
    """All of them, or that one if its brake is on. Raises OperationError."""
    folders = [_folder(config, account)] if account else sorted(_folders(config))
    spool = spool_of(config)
    for folder in folders:
        if text := why_on(folder):
            address = f"{folder.name}@{folder.parent.name}"
            since, _, why = text.partition(" ")
            tally = Tally()
            for one in _held(spool, address):
                tally.count(one)
            today = history_of(folder).last_day(int(time.time()))
            yield Braked(address, since, why, today, tally.messages, tally.recipients)


def brake(config: Config, account: str, why: str) -> None:
    """Put the brake on by hand. Raises OperationError."""
    folder = _folder(config, account)
    with as_owner_of(folder):
        is_new = put_on(folder, why)
    if not is_new:
        raise OperationError(f"the brake of {account} is on already")
    record(config, "brake-on", address=account, why=why)


def release(config: Config, account: str) -> Tally:
    """Take the brake off and let what is held go. Raises OperationError."""
    folder = _off(config, account, purged=False)
    return _clear(config, account, Wish("release"), folder)


def purge(config: Config, account: str) -> Tally:
    """Take the brake off and delete what is held; nobody is told. Raises OperationError."""
    _off(config, account, purged=True)
    return _clear(config, account, Wish("drop"), None)


def _off(config: Config, account: str, *, purged: bool) -> Path:
    folder = _folder(config, account)
    with as_owner_of(folder):
        was_on = take_off(folder, purged=purged)
    if not was_on and next(_held(Spool(config.paths.spool), account), None) is None:
        raise OperationError(f"the brake of {account} is not on")
    record(config, "brake-purge" if purged else "brake-release", address=account)
    return folder


def _clear(config: Config, account: str, wish: Wish, folder: Path | None) -> Tally:
    """Do it to all that is held; whom released mail goes to is known to the account then."""
    spool = Spool(config.paths.spool)
    total = Tally()
    for pause in (0.0, ON_ITS_WAY):
        time.sleep(pause)
        meant = _held(spool, account)
        known = meant if folder is None else _learning(folder, meant)
        tally = carry_out(config, spool, known, wish, each=False)
        total.done += tally.done
        total.missed += tally.missed
    return total


def _learning(folder: Path, meant: Iterator[Found]) -> Iterator[Found]:
    """The same messages, a batch at a time; who gets them is noted before they go."""
    while batch := list(islice(meant, BATCH)):
        _know(folder, [one.address for found in batch for one in found.entry.recipients])
        yield from batch


def _know(folder: Path, addresses: list[str]) -> None:
    try:
        with as_owner_of(folder):
            KnownSenders().add(folder, addresses, time.time())
    except (OSError, TemporaryError) as error:
        raise OperationError(f"{folder}: {error}") from None


def _held(spool: Spool, account: str) -> Iterator[Found]:
    chosen = Selection(folders=("held",), account=account, hold=HELD)
    return (one for one in search(spool, chosen, time.time()) if isinstance(one, Found))


def _folder(config: Config, address: str) -> Path:
    local, domain = checked_account(address)
    account = directory_of(config).account(f"{local}@{domain}")
    if account is None:
        raise OperationError(f"{address} is not an account")
    return account.maildir.parent


def _folders(config: Config) -> Iterator[Path]:
    """Those with a brake file; one `stat` for each account."""
    for domain in _subfolders(config.paths.mail):
        for account in _subfolders(domain):
            if (account / BRAKE).exists():
                yield account


def _subfolders(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as listing:
        yield from [Path(item.path) for item in listing if item.is_dir()]
