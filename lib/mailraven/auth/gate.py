"""Who may try, what is counted and logged: the part of a log-in that every mechanism shares.

Whatever is wrong (name, password, account gone or disabled), the peer gets the same answer. An
attempt that must wait is not looked at, right or wrong, and does not count.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mailraven.auth.answers import Granted, Refused, Throttled
from mailraven.auth.names import AccountName, account_name
from mailraven.auth.passwords import Entry, find_entry, sample_entry
from mailraven.auth.throttle import Limits, Throttle
from mailraven.config.schema import Auth
from mailraven.mail.errors import ConfigError, TemporaryError
from mailraven.observe import metrics
from mailraven.observe.log import event

IMPOSSIBLE = "?"  # one key for all names that no account can have, so that they share counters
USER_SHOWN = 100  # characters of an impossible name in the log

logins = metrics.counter("mailraven_auth_logins_total", "Log-ins by how they ended", ("result",))


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who tries from where; `via` names the service that was asked."""

    user: str
    peer: str
    via: str
    name: AccountName | None  # None when no account can have that name

    @property
    def key(self) -> str:
        """What throttling counts: the account's address."""
        return str(self.name) if self.name else IMPOSSIBLE


class Gate:
    """The throttle, the accounts and the log around all attempts of one authd."""

    def __init__(
        self, domains: Path, is_enabled: Callable[[str], bool], policy: Callable[[], Auth]
    ) -> None:
        """`is_enabled` tells whether an account exists and may log in; `policy` gives the
        configuration in force."""
        self.domains = domains
        self.policy = policy
        self.throttle = Throttle(_limits(policy()))
        self._is_enabled = is_enabled

    def attempt(self, user: str, peer: str, via: str) -> Attempt:
        """What is known of an attempt before anything is looked up."""
        return Attempt(user, peer, via, account_name(user))

    def wait(self, attempt: Attempt) -> float:
        """Seconds that the peer has to wait; 0: go on."""
        self.throttle.limits = _limits(self.policy())
        return self.throttle.delay(attempt.key, attempt.peer, time.time())

    def throttled(self, attempt: Attempt, wait: float) -> Throttled:
        """Send the peer away for a while."""
        logins.labels("throttled").inc()
        _log_failure(attempt, "throttled", round(wait, 1))
        return Throttled(wait)

    def wrong(self, attempt: Attempt) -> None:
        """Count a wrong password."""
        self.throttle.failed(attempt.key, attempt.peer, time.time())

    def refused(self, attempt: Attempt, why: str) -> Refused:
        """Refuse the peer; only the log learns why."""
        logins.labels("refused").inc()
        _log_failure(attempt, why, None)
        return Refused()

    def welcome(self, attempt: Attempt) -> Granted | Refused:
        """The credentials are right: let the account in, unless it is disabled or gone."""
        if not self._is_enabled(attempt.key):
            return self.refused(attempt, "disabled")
        self.throttle.succeeded(attempt.key, attempt.peer, time.time())
        logins.labels("granted").inc()
        event("login", account=attempt.key, peer=attempt.peer, via=attempt.via)
        return Granted(attempt.key)

    def passwords_file(self, name: AccountName) -> Path:
        """Where the password of `name` would be."""
        return self.domains / name.domain / "passwords"

    def entry(self, attempt: Attempt) -> Entry | None:
        """The account's line, None when there is none. Reads the file: call it in a thread.

        Raises TemporaryError when the file cannot be read, and says so in the log.
        """
        if attempt.name is None:
            return None
        try:
            return find_entry(self.passwords_file(attempt.name), attempt.name.local_part)
        except (ConfigError, OSError) as error:
            event("passwords-broken", level="error", error=str(error))
            raise TemporaryError(454, "4.7.0 temporary authentication failure") from None

    def stand_in(self, attempt: Attempt) -> Entry | None:
        """The line of another account: a name that does not exist must cost what others of its
        domain do. None where the domain has no passwords. Call it in a thread.
        """
        return sample_entry(self.passwords_file(attempt.name)) if attempt.name else None


def _limits(policy: Auth) -> Limits:
    return Limits(policy.address_failures, policy.account_failures, policy.window)


def _log_failure(attempt: Attempt, why: str, retry_after: float | None) -> None:
    event(
        "login-failed",
        account=attempt.key if attempt.name else attempt.user[:USER_SHOWN],
        peer=attempt.peer,
        via=attempt.via,
        why=why,
        retry_after=retry_after,
    )
