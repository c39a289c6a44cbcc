"""SEARCH and what is made of it: ESEARCH, SORT, THREAD."""

from dataclasses import dataclass

from mailraven.imap.search_keys import SearchKey
from mailraven.imap.search_results import Returned
from mailraven.imap.sort import Criterion


@dataclass(frozen=True, slots=True)
class Search:
    """RFC 3501 §6.4.4; `returned` are the options of RETURN (RFC 4731 §3.1), None without it.

    With a charset that is not known here, the keys were not read.
    """

    key: SearchKey
    by_uid: bool
    returned: Returned | None = None
    unknown_charset: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Mailboxes to search: `kind` in capitals; names only for MAILBOXES, SUBTREE, SUBTREE-ONE."""

    kind: bytes
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Esearch:
    """ESEARCH (RFC 7377); without sources it is the selected mailbox."""

    search: Search
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Sort:
    """SORT (RFC 5256 §3): SEARCH whose results are in the order of `criteria`."""

    search: Search
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class CancelUpdate:
    """CANCELUPDATE (RFC 5267 §4.3.5): tags of commands with UPDATE."""

    tags: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Thread:
    """THREAD (RFC 5256 §3); the algorithm in capitals."""

    search: Search
    algorithm: bytes
