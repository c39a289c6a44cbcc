"""What a daemon asks about limits, by what happens: a connection, a message, a recipient, ...

Counts what the configuration and data/limits/allow.toml say about whoever does it, and answers with
a sentence for the peer. A refusal is logged with the client: the first at once, a flood of them as
one line a minute with their number.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from ipaddress import ip_address
from pathlib import Path

from msgspec import structs

from mailraven.config.rates import WINDOWS, Rate
from mailraven.config.schema import Config, Limits
from mailraven.limits.allow import AllowList, list_of, read_entries
from mailraven.limits.asks import Group, Item
from mailraven.limits.client import Denied, LimitClient
from mailraven.mail.errors import ConfigErrors
from mailraven.mail.networks import network_of
from mailraven.observe.log import event

LOOK_SECONDS = 1.0  # between two looks at the allow list
LOG_SECONDS = 60.0  # between two lines about one key
LOG_KEYS = 10_000
GROUPS_KEPT = 20_000  # answers of "what is counted for this address"

Names = tuple[str, ...]

NAMES = frozenset(
    name for name, value in structs.asdict(Limits()).items() if isinstance(value, tuple)
)
LIMIT_NAMES = NAMES - {"exempt"}

# What counts under which limits, for an address or an account.
CONNECTION: Names = ("connections", "network_connections")
MESSAGE: Names = ("account_messages", "domain_messages")
MESSAGE_OF_ADDRESS: Names = ("messages", "network_messages")
RECIPIENT: Names = ("account_recipients", "domain_recipients")
NEW_RECIPIENT: Names = ("account_new_recipients",)
RECIPIENT_OF_ADDRESS: Names = ("recipients",)
LOG_IN: Names = ("logins",)
IMAP_CONNECTION: Names = ("imap_connections",)

# The sentence: "192.0.2.1 opened 120 connections within a minute, the most allowed here".
WORDS = {
    "connections": "connections from {}",
    "network_connections": "connections from the network {}",
    "messages": "messages from {}",
    "network_messages": "messages from the network {}",
    "recipients": "recipients of mail from {}",
    "account_messages": "messages from {}",
    "account_recipients": "recipients of mail from {}",
    "account_new_recipients": "new recipients of mail from {}",
    "domain_messages": "messages from all of {}",
    "domain_recipients": "recipients of mail from all of {}",
    "logins": "log-ins from {}",
    "imap_connections": "connections from {}",
    "api_requests": "requests with this token",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """`sentence` is for the peer; the same may be tried again after `retry_after` seconds.
    `is_logged` for the one of a flood that has a line in the log."""

    sentence: str
    retry_after: int
    is_logged: bool = False


@dataclass(frozen=True, slots=True)
class Client:
    """Who is limited, for the log."""

    peer: str = ""
    account: str | None = None
    session: str | None = None
    via: str | None = None


@dataclass(slots=True)
class _Flood:
    """Refusals of one key since they were last logged."""

    since: float
    count: int = 0


@dataclass(slots=True)
class LimitDesk:
    """The limits of one daemon; `config` gives the configuration in force."""

    config: Callable[[], Config]
    client: LimitClient
    clock: Callable[[], float] = time.time
    _allowed: AllowList = field(default_factory=AllowList)
    _stamp: tuple[int, int, str] | None = None
    _looked: float = 0.0
    _of: Config | None = None
    _defaults: dict[str, tuple[Rate, ...]] = field(default_factory=dict)
    _known: dict[tuple[Names, str], Group] = field(default_factory=dict)
    _floods: dict[str, _Flood] = field(default_factory=dict)

    # What happens --------------------------------------------------------------------------------

    async def connection(self, client: Client) -> Refusal | None:
        """SMTP from an address."""
        return await self._decide(self._of_address(CONNECTION, client), client)

    async def message(self, client: Client) -> Refusal | None:
        """One more message from an account or, when nobody is logged in, from an address."""
        if client.account:
            return await self._decide(self._of_account(MESSAGE, client), client)
        return await self._decide(self._of_address(MESSAGE_OF_ADDRESS, client), client)

    async def recipient(self, client: Client, path: str) -> Refusal | None:
        """One more recipient of it."""
        if not client.account:
            return await self._decide(self._of_address(RECIPIENT_OF_ADDRESS, client), client)
        items = self._of_account(RECIPIENT, client)
        news = self._of_account(NEW_RECIPIENT, client)
        if news:
            pair = blake2b(f"{client.account}\0{path.lower()}".encode(), digest_size=8).hexdigest()
            items += tuple(structs.replace(item, pairs=(pair,)) for item in news)
        return await self._decide(items, client)

    async def log_in(self, client: Client) -> Refusal | None:
        """A try to log in, right or wrong; authd looks at guessing itself."""
        return await self._decide(self._of_address(LOG_IN, client), client)

    async def imap_connection(self, client: Client) -> Refusal | None:
        """IMAP from an address."""
        return await self._decide(self._of_address(IMAP_CONNECTION, client), client)

    async def api_request(self, token: str, client: Client) -> Refusal | None:
        """HTTP with the API token of that id (never the secret): a refusal is 429 with Retry-After.

        The client's account, if known, may have rates of its own.
        """
        self._refresh()
        rates = self._rates("api_requests", account=client.account or "")
        items = (Item(f"api_requests {token}", 1, rates),) if rates else ()
        return await self._decide(items, client)

    async def close(self) -> None:
        """Tell limitd what was granted here, and hang up."""
        await self.client.report()
        self.client.close()

    # What is counted -----------------------------------------------------------------------------

    def _of_address(self, names: Names, client: Client) -> Group:
        """One more under each limit of `names` that holds for the client's address."""
        return self._items(names, address=client.peer)

    def _of_account(self, names: Names, client: Client) -> Group:
        """The same for its account."""
        return self._items(names, account=client.account or "")

    def _items(self, names: Names, *, address: str = "", account: str = "") -> Group:
        """Made once for each who is limited: mostly nothing changes from message to message."""
        self._refresh()
        place = (names, address or account)
        items = self._known.get(place)
        if items is None:
            if len(self._known) >= GROUPS_KEPT:
                self._known.clear()
            rates = {name: self._rates(name, address=address, account=account) for name in names}
            items = self._known[place] = tuple(
                Item(f"{name} {_subject(name, address, account)}", 1, rates[name])
                for name in names
                if rates[name]
            )
        return items

    def _rates(self, name: str, *, address: str = "", account: str = "") -> tuple[Rate, ...]:
        """The rates that hold; () is no limit, as for a local socket."""
        limits = self.config().limits
        if not limits.enabled:
            return ()
        own = None
        if account:
            own = self._allowed.rates_of_account(account, name)
        elif name != "api_requests":
            if not address or _is_exempt(limits, address):
                return ()
            own = self._allowed.rates_of_address(address, name)
        return self._defaults[name] if own is None else own

    def _refresh(self) -> None:
        """Look whether the configuration, the allow list or the day is another one."""
        config, now = self.config(), self.clock()
        if config is self._of and 0 <= now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        path = allow_path(config)
        stamp = _stamp(path, now)
        if config is self._of and stamp == self._stamp:
            return
        self._of, self._stamp = config, stamp
        self._known.clear()
        values = structs.asdict(config.limits)
        self._defaults = {name: values[name] for name in LIMIT_NAMES}
        try:
            entries = read_entries(path, LIMIT_NAMES)
        except (OSError, ConfigErrors) as error:  # what was in force stays so
            event("limit-allow-refused", level="error", error=str(error))
            return
        self._allowed = list_of(entries, _day(now).date())

    # What is answered ----------------------------------------------------------------------------

    async def _decide(self, items: Group, client: Client) -> Refusal | None:
        denied = await self.client.admit(items) if items else None
        if denied is None:
            return None
        return replace(refusal_of(denied), is_logged=self._log(denied, client))

    def _log(self, denied: Denied, client: Client) -> bool:
        """Whether it was logged, and not only counted."""
        now, key = self.clock(), denied.item.key
        flood = self._floods.get(key)
        if flood is not None and 0 <= now - flood.since < LOG_SECONDS:
            flood.count += 1
            return False
        if flood is None and len(self._floods) >= LOG_KEYS:
            self._floods.clear()
        self._floods[key] = _Flood(now)
        rate = denied.item.rates[denied.rate]
        event(
            "limited",
            key=key,
            limit=rate.limit,
            window=rate.window,
            retry_after=round(denied.wait, 1),
            peer=client.peer or None,
            account=client.account,
            session=client.session,
            via=client.via,
            before=flood.count or None if flood else None,
        )
        return True


def refusal_of(denied: Denied) -> Refusal:
    """In words: which limit, and when to try again. FR-025"""
    name, _, subject = denied.item.key.partition(" ")
    rate = denied.item.rates[denied.rate]
    windows = {seconds: word for word, seconds in WINDOWS.items()}
    seconds = max(1, int(denied.wait + 0.999))
    what = WORDS.get(name, name + " of {}").format(subject)
    per = windows.get(rate.window, f"{rate.window} s")
    sentence = f"limit of {rate.limit} {what} per {per} reached; try again in {_span(seconds)}"
    return Refusal(sentence, seconds)


def allow_path(config: Config) -> Path:
    """The file of exemptions."""
    return config.paths.data / "limits" / "allow.toml"


def _subject(name: str, address: str, account: str) -> str:
    """Whom a limit is about."""
    if name.startswith("network_"):
        return network_of(address)
    return account.rpartition("@")[2] if name.startswith("domain_") else address or account


def _span(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} seconds"
    minutes = -(-seconds // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{-(-minutes // 60)} hours"


def _is_exempt(limits: Limits, address: str) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return True  # a local socket
    return any(ip in network for network in limits.exempt)


def _day(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)


def _stamp(path: Path, now: float) -> tuple[int, int, str]:
    """Another one when the file was changed, or entries may have expired at midnight UTC."""
    day = _day(now).date().isoformat()
    try:
        status = path.stat()
    except OSError:
        return 0, 0, day
    return status.st_mtime_ns, status.st_ino, day
