"""SCRAM exchanges under way: challenge first, proof second, with keys from the passwords file.

An account that does not exist gets a challenge too, with a salt that stays the same for its name.
"""

import asyncio
import hmac
import os
import time
from base64 import b64encode
from collections import OrderedDict
from dataclasses import dataclass

from mailraven.auth import scram
from mailraven.auth.answers import (
    Challenge,
    Granted,
    Refused,
    ScramDone,
    ScramFinal,
    ScramFirst,
    Throttled,
)
from mailraven.auth.gate import Attempt, Gate
from mailraven.auth.names import account_name
from mailraven.auth.passwords import COST, SALT_SIZE, ScramKeys

EXCHANGE_LIMIT = 10_000  # exchanges between challenge and proof; the oldest ends first
EXCHANGE_TIME = 60.0  # seconds a client may take to prove
NONCE_SIZE = 18  # octets


@dataclass(frozen=True, slots=True)
class _Proving:
    """An exchange that waits for the client's proof."""

    attempt: Attempt
    exchange: scram.Exchange
    until: float


class Prover:
    """The judge of SCRAM proofs of one authd; belongs to its event loop."""

    def __init__(self, gate: Gate, fake_key: bytes) -> None:
        """From `fake_key` come the salts of accounts that do not exist."""
        self._gate = gate
        self._fake_key = fake_key
        self._proving: OrderedDict[str, _Proving] = OrderedDict()

    async def first(self, request: ScramFirst) -> Challenge | Refused | Throttled:
        """The challenge to the client's first message; raises TemporaryError as Gate.entry does."""
        gate = self._gate
        attempt = gate.attempt("", request.peer, request.via)
        try:
            first = scram.parse_client_first(request.message)
            attempt = gate.attempt(first.user, request.peer, request.via)
            wait = gate.wait(attempt)
            if wait:
                return gate.throttled(attempt, wait)
            keys = await asyncio.to_thread(self._keys, attempt)  # a large file takes a while
            nonce = b64encode(os.urandom(NONCE_SIZE))
            exchange = scram.start(first, keys, nonce, request.binding, request.plus_offered)
        except scram.ScramError as error:
            return gate.refused(attempt, error.value)
        if first.authorization and account_name(first.authorization) != attempt.name:
            return gate.refused(attempt, "authorization")  # nobody acts as somebody else here
        self._remember(request.session, _Proving(attempt, exchange, time.time() + EXCHANGE_TIME))
        return Challenge(exchange.server_first)

    def final(self, request: ScramFinal) -> ScramDone | Refused:
        """Judge the client's proof; an exchange is good for one."""
        proving = self._proving.pop(request.session, None)
        if proving is None:
            return Refused()
        attempt = proving.attempt
        if time.time() > proving.until:
            return self._gate.refused(attempt, "slow")
        if self._gate.wait(attempt):  # many exchanges may have begun before the first one failed
            return self._gate.refused(attempt, "throttled")
        try:
            server_final = scram.finish(proving.exchange, request.message)
        except scram.ScramError as error:
            self._gate.wrong(attempt)
            return self._gate.refused(attempt, error.value)
        match self._gate.welcome(attempt):
            case Granted(account):
                return ScramDone(account, server_final)
            case refused:
                return refused

    def _remember(self, session: str, proving: _Proving) -> None:
        self._proving[session] = proving
        self._proving.move_to_end(session)
        if len(self._proving) > EXCHANGE_LIMIT:
            self._proving.popitem(last=False)

    def _keys(self, attempt: Attempt) -> ScramKeys:
        """The account's keys, or some that no proof fits. In a thread."""
        entry = self._gate.entry(attempt)
        if entry is not None and entry.scram is not None:
            return entry.scram
        other = self._gate.stand_in(attempt)
        iterations = other.scram.iterations if other and other.scram else COST.iterations
        salt = hmac.digest(self._fake_key, attempt.key.encode(), "sha256")[:SALT_SIZE]
        return ScramKeys(iterations, salt, os.urandom(32), os.urandom(32))
