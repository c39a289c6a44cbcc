"""Domains, accounts and aliases on disk: who gets mail for an address, who may send as it.

    domains/example.org/domain.toml            the domain is ours once this file is there
    domains/example.org/aliases                see aliases.py
    domains/example.org/accounts/alice.toml    an account is one file
    mail/example.org/alice/Maildir/            its mail

Each look-up is a `stat` or two, never the parse of a list of accounts: ten or a million cost the
same, and what appears on disk works at once. This module reads only; ops/ writes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mailraven.config.aliases import CATCH_ALL, Alias, parse_aliases
from mailraven.config.domain_schema import AccountFile, DomainFile
from mailraven.config.file_cache import FileCache
from mailraven.config.names import account_name, domain_name
from mailraven.config.reading import read_struct
from mailraven.mail.address import a_labels
from mailraven.mail.errors import ConfigError, ConfigErrors, PermanentError, TemporaryError

EXPANSION_LIMIT = 1000  # aliases followed for one address


class NotLocal(Exception):
    """The domain is not one of ours."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account; `address` is "alice@example.org" in lower case. Its Maildir is in `home`."""

    address: str
    maildir: Path
    enabled: bool
    display_name: str
    senders: tuple[str, ...]  # further addresses to send as; "*@example.org" is a whole domain
    role: str  # user, domain-admin, admin
    quota: int  # octets, 0 is the domain's
    quota_messages: int = 0  # 0 is the domain's
    scores: tuple[float, float] = (0.0, 0.0)  # for quarantine and refusal; 0 is the domain's
    smarthost: str = ""  # a name of queue.smarthosts; empty is as the domain says
    home: Path = field(init=False, compare=False)  # asked for with every message

    def __post_init__(self) -> None:
        object.__setattr__(self, "home", self.maildir.parent)


@dataclass(frozen=True, slots=True)
class Quota:
    """What an account may keep; 0 is no limit. `storage` in octets."""

    storage: int
    messages: int


@dataclass(frozen=True, slots=True)
class WayOut:
    """What a sender's domain and account say of mail out; empty is what the server says.

    `smarthost` is a name of queue.smarthosts or "mx".
    """

    smarthost: str = ""
    source_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expansion:
    """Who gets a message for one address; each account and remote address once, in order."""

    local: tuple[Account, ...]
    remote: tuple[str, ...]


class Directory:
    """The domains below `domains`, with their mail below `mail`. One per process."""

    def __init__(self, domains: Path, mail: Path) -> None:
        self._domains = domains
        self._root = str(domains)
        self._mail = mail
        self._domain_files = FileCache(_read_domain)
        self._account_files = FileCache(self._read_account)
        self._alias_files = FileCache(_read_aliases)

    def is_local_domain(self, domain: str) -> bool:
        """Whether we are a final destination for `domain` (U-labels are good, too)."""
        name = _domain_of(domain)
        return name is not None and self._domain(name) is not None

    def account(self, address: str) -> Account | None:
        """The account of exactly this address: no alias, no tag."""
        local, domain = _split(address)
        return self._account(local.lower(), domain)

    def quota(self, address: str) -> Quota | None:
        """The limits of the account of exactly this address, as of now; None if it has none."""
        local, domain = _split(address)
        account, settings = self._account(local.lower(), domain), self._domain(domain)
        if account is None or settings is None:
            return None
        storage = account.quota or settings.quota
        messages = account.quota_messages or settings.quota_messages
        return Quota(storage, messages) if storage or messages else None

    def scores(self, address: str) -> tuple[float, float]:
        """From which scores mail for an account goes to quarantine, and is refused; 0 where neither
        the account nor its domain says so."""
        local, domain = _split(address)
        account, settings = self._account(local.lower(), domain), self._domain(domain)
        own = account.scores if account else (0.0, 0.0)
        if settings is None:
            return own
        return own[0] or settings.quarantine_score, own[1] or settings.reject_score

    def way_out(self, account: str | None, reverse_path: str) -> WayOut:
        """How mail goes out that `account` sends as `reverse_path`: the account's word, then that
        of the domain it sends as, then that of its own.

        Raises TemporaryError when a file is broken and was never read whole.
        """
        local, home = _split(account or "")
        own = self._account(local.lower(), home) if account else None
        named = self._domain(_split(reverse_path)[1]) or self._domain(home)
        smarthost, sources = (named.smarthost, named.source_addresses) if named else ("", ())
        return WayOut((own.smarthost if own else "") or smarthost, sources)

    def expand(self, address: str) -> Expansion:
        """Who gets mail for `address`, through aliases, tags and the catch-all.

        Raises NotLocal; PermanentError when nobody gets it (RFC 3463 §3.2: 5.1.1 no such user,
        RFC 3463 §3.3: 5.2.1 disabled).
        """
        local, domain = _split(address)
        settings = self._domain(domain)
        if settings is None:
            raise NotLocal(domain)
        if not settings.enabled:
            raise PermanentError(550, "5.2.1 domain disabled")
        accounts: dict[str, Account] = {}
        remote: dict[str, None] = {}
        followed: set[tuple[str, str]] = set()
        pending = [(local, domain)]
        while pending:
            local, domain = pending.pop()
            if self._domain(domain) is None:
                remote[f"{local}@{domain}"] = None
                continue
            found = self._find(local.lower(), domain)
            if isinstance(found, Alias) and (found.name, domain) not in followed:
                followed.add((found.name, domain))
                pending.extend(_split(target) for target in reversed(found.targets))
                if len(followed) > EXPANSION_LIMIT:
                    raise TemporaryError(451, "4.3.5 too many aliases behind this address")
                continue
            if isinstance(found, Alias):
                found = self._account(found.name, domain)  # "alice: alice, bob": now the account
            if found is not None:
                accounts[found.address] = found
        return self._expansion(list(accounts.values()), remote)

    def may_send_as(self, account: Account, address: str) -> bool:
        """Its own address with any tag, its `senders`, and aliases that name it as a target.

        Whose mail it is, as `expand` finds it, decides: a tagged address that is an account or an
        alias of its own belongs to that one.
        """
        local, domain = _split(address)
        local = local.lower()
        if f"{local}@{domain}" in account.senders or f"*@{domain}" in account.senders:
            return True
        if self._belongs_to(account, local, domain):
            return True
        found = self._find(local, domain)
        if not isinstance(found, Alias):
            return False
        targets = ((name.lower(), host) for name, host in map(_split, found.targets))
        return any(self._belongs_to(account, name, host) for name, host in targets)

    def domains(self) -> list[str]:
        """All domains, sorted. Reads the folder: for people, not per message."""
        return _names_in(self._domains, "*/domain.toml", parent=True)

    def accounts(self, domain: str) -> list[str]:
        """The local parts of a domain's accounts, sorted. For people, too."""
        return _names_in(self._domains / domain / "accounts", "*.toml", parent=False)

    def aliases(self, domain: str) -> list[Alias]:
        """The aliases of a domain, in the order of its file."""
        found = self._alias_files.get(f"{self._root}/{domain}/aliases")
        return list(found.values()) if found else []

    def problems(self) -> list[ConfigError]:
        """What is wrong in any domain's files; reads them all."""
        errors: list[ConfigError] = []
        for domain in self.domains():
            folder = self._domains / domain
            _try(errors, _read_domain, folder / "domain.toml")
            _try(errors, _read_aliases, folder / "aliases")
            for path in sorted((folder / "accounts").glob("[!.]*.toml")):
                _try(errors, self._read_account, path)
        return errors

    def _expansion(self, accounts: list[Account], remote: dict[str, None]) -> Expansion:
        enabled = tuple(account for account in accounts if account.enabled)
        if enabled or remote:
            return Expansion(enabled, tuple(remote))
        if accounts:
            raise PermanentError(550, "5.2.1 mailbox disabled")
        raise PermanentError(550, "5.1.1 no such user here")

    def _find(self, local: str, domain: str) -> Account | Alias | None:
        """The alias or account of a lower-case local part: as it is, without tag, catch-all."""
        settings = self._domain(domain)
        if settings is None:
            return None  # only a checked name becomes part of a path
        aliases = self._alias_files.get(f"{self._root}/{domain}/aliases") or {}
        for name in _names(local, settings.separator):
            found = aliases.get(name) or self._account(name, domain)
            if found is not None:
                return found
        return aliases.get(CATCH_ALL)

    def _belongs_to(self, account: Account, local: str, domain: str) -> bool:
        """Whether this is the account's own address, though an alias may forward its mail."""
        if f"{local}@{domain}" == account.address and self._domain(domain) is not None:
            own = self._account(local, domain)
            if own is not None:  # with an alias of its name or without: it spares reading those
                return True
        found = self._find(local, domain)
        if isinstance(found, Alias):
            return f"{found.name}@{domain}" == account.address
        return found is not None and found.address == account.address

    def _domain(self, domain: str) -> DomainFile | None:
        try:
            name = domain_name(domain)  # nothing odd becomes a path
        except ValueError:
            return None
        return self._domain_files.get(f"{self._root}/{name}/domain.toml")

    def _account(self, local: str, domain: str) -> Account | None:
        try:
            name = account_name(local)
            folder = domain_name(domain)
        except ValueError:
            return None
        return self._account_files.get(f"{self._root}/{folder}/accounts/{name}.toml")

    def _read_account(self, path: Path) -> Account:
        file = read_struct(path, AccountFile)
        local, domain = path.stem, path.parent.parent.name
        return Account(
            address=f"{local}@{domain}",
            maildir=self._mail / domain / local / "Maildir",
            enabled=file.enabled,
            display_name=file.display_name,
            senders=file.senders,
            role=file.role,
            quota=file.quota,
            quota_messages=file.quota_messages,
            scores=(file.quarantine_score, file.reject_score),
            smarthost=file.smarthost,
        )


def _names(local: str, separator: str) -> tuple[str, ...]:
    """The local part, and what is left of it without its tag (RFC 5233 §4)."""
    if not separator:
        return (local,)
    name, tagged, _ = local.partition(separator)
    return (local, name) if tagged and name else (local,)


def _read_domain(path: Path) -> DomainFile:
    return read_struct(path, DomainFile)


def _read_aliases(path: Path) -> dict[str, Alias]:
    return dict(parse_aliases(path.read_text(), path.parent.name, str(path)))


def _split(address: str) -> tuple[str, str]:
    """Local part as it is, domain as lower-case A-labels; a domain that is none becomes ""."""
    local, _, domain = address.rpartition("@")
    return local, _domain_of(domain) or ""


def _domain_of(domain: str) -> str | None:
    """The lower-case A-label form (RFC 5890 §2.3.2.1), None when there is none."""
    if domain.isascii():
        return domain.lower()
    try:
        return a_labels(domain)
    except UnicodeError:
        return None


def _names_in(folder: Path, pattern: str, *, parent: bool) -> list[str]:
    found = (path.parent.name if parent else path.stem for path in folder.glob(pattern))
    return sorted(name for name in found if not name.startswith("."))


def _try(errors: list[ConfigError], read: Callable[[Path], object], path: Path) -> None:
    try:
        read(path)
    except FileNotFoundError:
        pass
    except ConfigErrors as error:
        errors.extend(error.errors)
    except (OSError, UnicodeDecodeError) as error:
        errors.append(ConfigError(str(path), 0, f"cannot read: {error}"))
