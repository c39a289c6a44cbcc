"""authd: the only reader of password hashes; judges log-ins on run/authd.sock.

Ops beside those of every daemon: verify, scram-first, scram-final (form: auth/answers.py).
Where accounts logged in before is kept in cache/authd.json; losing it costs only that trust.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from mailraven.auth.answers import (
    Answer,
    Later,
    Refused,
    ScramFinal,
    ScramFirst,
    Verify,
    read_request,
    to_message,
)
from mailraven.auth.gate import Gate
from mailraven.auth.prover import Prover
from mailraven.auth.throttle import Trust
from mailraven.auth.verifier import Verifier
from mailraven.config.directory import Directory
from mailraven.daemons.callers import caller_uids
from mailraven.daemons.control import Handler, Message
from mailraven.daemons.process import map_large_blocks
from mailraven.daemons.service import DaemonSpec, Service
from mailraven.files import write_atomically
from mailraven.mail.errors import TemporaryError
from mailraven.observe.log import event

HASH_BLOCK = 1 << 20  # octets: the 19 MiB of a hash shall go back after it
SAVE_INTERVAL = 300.0  # seconds

Request = TypeVar("Request", Verify, ScramFirst, ScramFinal)


class State(msgspec.Struct, frozen=True):
    """What outlives a restart: the key of made-up salts, and where accounts are at home."""

    fake_key: bytes = b""
    trusted: list[Trust] = msgspec.field(default_factory=list)


async def main(service: Service) -> None:
    """Serve until told to stop, then keep what is known of homes."""
    map_large_blocks(HASH_BLOCK)
    config = service.config
    directory = Directory(config.paths.domains, config.paths.mail)

    def is_enabled(address: str) -> bool:
        account = directory.account(address)
        return account is not None and account.enabled

    gate = Gate(config.paths.domains, is_enabled, lambda: service.config.auth)
    state_file = config.paths.cache / "authd.json"
    state = await asyncio.to_thread(load_state, state_file)
    gate.throttle.restore(state.trusted)
    service.handlers.update(handlers(Verifier(gate), Prover(gate, state.fake_key)))
    await service.ready()
    while not service.stopping.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(service.stopping.wait(), SAVE_INTERVAL)
        state = await _saved(state_file, state, gate)


def handlers(verifier: Verifier, prover: Prover) -> dict[str, Handler]:
    """The ops of authd's own."""

    async def scram_final(request: ScramFinal) -> Answer:
        return prover.final(request)

    return {
        "verify": _handler(Verify, verifier.verify),
        "scram-first": _handler(ScramFirst, prover.first),
        "scram-final": _handler(ScramFinal, scram_final),
    }


def _handler(kind: type[Request], judge: Callable[[Request], Awaitable[Answer]]) -> Handler:
    """`judge` behind the socket: what is no request is no log-in."""

    async def handle(message: Message) -> Message:
        try:
            request = read_request(message, kind)
        except ValueError as error:
            event("request-refused", level="warn", error=str(error))
            return to_message(Refused())
        try:
            return to_message(await judge(request))
        except TemporaryError:
            return to_message(Later())

    return handle


def load_state(path: Path) -> State:
    """What `path` keeps; a new state when it is missing or broken."""
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except (OSError, msgspec.DecodeError):
        state = State()
    return state if state.fake_key else State(os.urandom(32), state.trusted)


async def _saved(path: Path, old: State, gate: Gate) -> State:
    """The state now, written when it is not the `old` one."""
    state = State(old.fake_key, gate.throttle.snapshot(time.time()))
    if state != old or not path.exists():
        await asyncio.to_thread(_save, path, state)
    return state


def _save(path: Path, state: State) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.encode(state), mode=0o600)
    except OSError as error:
        event("state-not-saved", level="warn", error=str(error))


SPEC = DaemonSpec(name="authd", main=main, handlers_uids=caller_uids())
