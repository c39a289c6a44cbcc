"""What a client can ask for: one frozen dataclass a command (RFC 3501 §6 and extensions)."""

from dataclasses import dataclass

from mailraven.imap.account import AccountRequest
from mailraven.imap.search_keys import SearchKey
from mailraven.imap.search_results import Returned
from mailraven.imap.sequence import SequenceSet
from mailraven.imap.sort import Criterion


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
class MessageBegin:
    """A message begins; `internal_date` are Unix seconds, or None for now. RFC 3501 §6.3.11"""

    flags: tuple[bytes, ...] = ()
    internal_date: int | None = None


@dataclass(frozen=True, slots=True)
class MessageUrl:
    """It goes on with octets of another message. RFC 4469 §3"""

    url: bytes


@dataclass(frozen=True, slots=True)
class MessageLiteral:
    """It goes on with `size` octets that come next, NULs among them if `binary`. RFC 3516 §4.4"""

    size: int
    binary: bool = False


Step = MessageBegin | MessageUrl | MessageLiteral


@dataclass(frozen=True, slots=True)
class Replaced:
    """The one message that REPLACE removes. RFC 8508 §3"""

    numbers: SequenceSet
    by_uid: bool


@dataclass(frozen=True, slots=True)
class Append:
    """APPEND, or REPLACE of a message that is `replaced`, up to the first literal of a message.

    Only the last of the `steps` can be a literal: more steps follow it then.
    """

    mailbox: str
    steps: tuple[Step, ...]
    replaced: Replaced | None = None


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
    names: tuple[str, ...] = ()


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
class Thread:
    """THREAD (RFC 5256 §3); the algorithm in capitals."""

    search: Search
    algorithm: bytes


@dataclass(frozen=True, slots=True)
class Section:
    """BODY[section]<partial> and the RFC822 items that mean one. RFC 3501 §6.4.5

    `part` are the numbers of section-part; `text` is "", "HEADER", "HEADER.FIELDS",
    "HEADER.FIELDS.NOT", "TEXT" or "MIME"; `fields` in lower case; `partial` is (origin, length).
    `label` is how the answer names it, without the peek.
    """

    label: bytes
    part: tuple[int, ...] = ()
    text: str = ""
    fields: tuple[bytes, ...] = ()
    partial: tuple[int, int] | None = None
    peek: bool = False


@dataclass(frozen=True, slots=True)
class Binary:
    """BINARY[part]<partial>, or BINARY.SIZE[part] if `size_only`. RFC 3516 §4.2

    `label` is how the answer names it, without the peek; `partial` counts decoded octets.
    """

    label: bytes
    part: tuple[int, ...] = ()
    partial: tuple[int, int] | None = None
    peek: bool = False
    size_only: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """PREVIEW; `lazy` if it must not take long. RFC 8970 §3.1, §4.1"""

    lazy: bool = False
    peek: bool = True


FromMessage = Section | Binary | Preview  # what FETCH reads the message for


@dataclass(frozen=True, slots=True)
class Fetch:
    """RFC 3501 §6.4.5: `items` are names (b"FLAGS", b"ENVELOPE" ...) and sections.

    `changed_since` is a MODSEQ or None (RFC 7162 §3.1.4.1); with `vanished` what was expunged
    since is told, too (§3.2.6). `partial` are the first and last of the messages meant, counted
    from 1 or back from -1 (RFC 9394 §3.3).
    """

    numbers: SequenceSet
    items: tuple[bytes | FromMessage, ...]
    by_uid: bool
    changed_since: int | None = None
    vanished: bool = False
    partial: tuple[int, int] | None = None


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
    mailboxes: tuple[str, ...]
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
    | Fetch
    | Store
    | Copy
    | Notify
    | AccountRequest
)
