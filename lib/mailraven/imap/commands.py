"""What a client can ask for: one frozen dataclass a command (RFC 3501 §6 and extensions).

The families that have a file of their own are passed on from here.
"""

from dataclasses import dataclass

from mailraven.imap.account import AccountRequest
from mailraven.imap.append_commands import Append as Append
from mailraven.imap.append_commands import MessageBegin as MessageBegin
from mailraven.imap.append_commands import MessageLiteral as MessageLiteral
from mailraven.imap.append_commands import MessageUrl as MessageUrl
from mailraven.imap.append_commands import Replaced as Replaced
from mailraven.imap.append_commands import Step as Step
from mailraven.imap.fetch_commands import Binary as Binary
from mailraven.imap.fetch_commands import Fetch as Fetch
from mailraven.imap.fetch_commands import FromMessage as FromMessage
from mailraven.imap.fetch_commands import Preview as Preview
from mailraven.imap.fetch_commands import Section as Section
from mailraven.imap.search_commands import CancelUpdate as CancelUpdate
from mailraven.imap.search_commands import Esearch as Esearch
from mailraven.imap.search_commands import Search as Search
from mailraven.imap.search_commands import Sort as Sort
from mailraven.imap.search_commands import Source as Source
from mailraven.imap.search_commands import Thread as Thread
from mailraven.imap.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class Capability:
    """RFC 3501 §6.1.1"""


@dataclass(frozen=True, slots=True)
class Noop:
    """RFC 3501 §6.1.2"""


@dataclass(frozen=True, slots=True)
class Logout:
    """RFC 3501 §6.1.3"""


@dataclass(frozen=True, slots=True)
class Id:
    """RFC 2971; field names in lower case, None for NIL."""

    fields: tuple[tuple[bytes, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class StartTls:
    """RFC 3501 §6.2.1"""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """RFC 3501 §6.2.2; `initial` is the decoded initial response (RFC 4959) or None."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class Login:
    """RFC 3501 §6.2.3"""

    user: bytes
    password: bytes


@dataclass(frozen=True, slots=True)
class Compress:
    """RFC 4978 §3: with DEFLATE, the only mechanism there is."""


@dataclass(frozen=True, slots=True)
class Enable:
    """RFC 5161; capability names in capitals."""

    capabilities: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Resync:
    """What a client that was here before knows. RFC 7162 §3.2.5

    `known` are the UIDs it asks about, None for all. `sample` are some message numbers, and the
    UIDs that they had then.
    """

    uid_validity: int
    since: int
    known: SequenceSet | None = None
    sample: tuple[SequenceSet, SequenceSet] | None = None


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT, or EXAMINE when `read_only`. RFC 3501 §6.3.1, §6.3.2, RFC 7162 §3.1.8"""

    mailbox: str
    read_only: bool
    condstore: bool = False
    resync: Resync | None = None


@dataclass(frozen=True, slots=True)
class Create:
    """RFC 3501 §6.3.3; `special_use` are the attributes of USE (RFC 6154 §3)."""

    mailbox: str
    special_use: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """RFC 3501 §6.3.4"""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Rename:
    """RFC 3501 §6.3.5"""

    mailbox: str
    new_name: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """RFC 3501 §6.3.6"""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """RFC 3501 §6.3.7"""

    mailbox: str


@dataclass(frozen=True, slots=True)
class List:
    """LIST (RFC 3501 §6.3.8, RFC 5258) or LSUB when `lsub`; options in capitals.

    `status` are the items of RETURN (STATUS (...)) (RFC 5819), `metadata` the entries of RETURN
    (METADATA (...)) (RFC 9590).
    """

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[bytes] = frozenset()
    returned: frozenset[bytes] = frozenset()
    status: tuple[bytes, ...] = ()
    extended: bool = False
    lsub: bool = False
    metadata: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Namespace:
    """RFC 2342"""


@dataclass(frozen=True, slots=True)
class Status:
    """RFC 3501 §6.3.10; items in capitals."""

    mailbox: str
    items: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Idle:
    """RFC 2177"""


@dataclass(frozen=True, slots=True)
class Check:
    """RFC 3501 §6.4.1"""


@dataclass(frozen=True, slots=True)
class Close:
    """RFC 3501 §6.4.2"""


@dataclass(frozen=True, slots=True)
class Unselect:
    """RFC 3691"""


@dataclass(frozen=True, slots=True)
class Expunge:
    """RFC 3501 §6.4.3; `uids` for UID EXPUNGE (RFC 4315 §2.1)."""

    uids: SequenceSet | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """RFC 3501 §6.4.6; `mode` is "+", "-" or "="; `unchanged_since` a MODSEQ (RFC 7162 §3.1.3)."""

    numbers: SequenceSet
    mode: str
    flags: tuple[bytes, ...]
    silent: bool
    by_uid: bool
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY (RFC 3501 §6.4.7), or MOVE (RFC 6851) when `move`."""

    numbers: SequenceSet
    mailbox: str
    by_uid: bool
    move: bool


@dataclass(frozen=True, slots=True)
class EventGroup:
    """RFC 5465 §8, event-group: `scope` and `events` in capitals; `items` to FETCH of new messages.

    `mailboxes` for the scopes SUBTREE and MAILBOXES.
    """

    scope: bytes
    mailboxes: frozenset[str]
    events: frozenset[bytes]
    items: tuple[bytes | FromMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class Notify:
    """RFC 5465 §3.1; no `groups` for NOTIFY NONE."""

    groups: tuple[EventGroup, ...]
    status: bool = False


Request = (
    Capability
    | Noop
    | Logout
    | Id
    | StartTls
    | Authenticate
    | Login
    | Compress
    | Enable
    | Select
    | Create
    | Delete
    | Rename
    | Subscribe
    | Unsubscribe
    | List
    | Namespace
    | Status
    | Append
    | Idle
    | Check
    | Close
    | Unselect
    | Expunge
    | Search
    | Esearch
    | Sort
    | Thread
    | CancelUpdate
    | Fetch
    | Store
    | Copy
    | Notify
    | AccountRequest
)
