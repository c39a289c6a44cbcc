"""The states of a session and what each permits (RFC 3501 §3, §6), and the modes of its engine."""

from enum import Enum

from mailraven.imap.commands import (
    Authenticate,
    Close,
    Login,
    Logout,
    Request,
    Select,
    Unselect,
)
from mailraven.mail.errors import PeerError


class State(Enum):
    """RFC 3501 §3.1 to §3.4"""

    NOT_AUTHENTICATED = "before log-in"
    AUTHENTICATED = "without a mailbox"
    SELECTED = "with a mailbox"
    LOGOUT = "after LOGOUT"


class Mode(Enum):
    """What the next octets are."""

    COMMAND = "text of a command"
    LITERAL = "a literal within a command"
    MESSAGE = "the message of APPEND"
    SKIP = "the rest of a refused command"
    RESPONSE = "a line that answers a SASL challenge"
    IDLE = "the DONE that ends IDLE"
    BUSY = "nothing until the event is answered"
    CLOSED = "nothing any more"


_ANY = frozenset({b"CAPABILITY", b"NOOP", b"LOGOUT", b"ID"})
_ACCOUNT = _ANY | {
    b"SELECT", b"EXAMINE", b"CREATE", b"DELETE", b"RENAME", b"SUBSCRIBE", b"UNSUBSCRIBE", b"LIST",
    b"LSUB", b"STATUS", b"APPEND", b"NAMESPACE", b"IDLE",
    b"COMPRESS", b"ESEARCH",
    b"GETQUOTA", b"GETQUOTAROOT", b"SETQUOTA", b"GETMETADATA", b"SETMETADATA", b"NOTIFY",
}  # fmt: skip

PERMITTED = {
    State.NOT_AUTHENTICATED: _ANY | {b"STARTTLS", b"AUTHENTICATE", b"LOGIN"},
    State.AUTHENTICATED: _ACCOUNT | {b"ENABLE"},  # RFC 5161 §3.1: before any mailbox is selected
    State.SELECTED: _ACCOUNT | {
        b"CHECK", b"CLOSE", b"UNSELECT", b"EXPUNGE", b"SEARCH", b"FETCH", b"STORE", b"COPY",
        b"MOVE", b"CANCELUPDATE", b"UID", b"REPLACE", b"SORT", b"THREAD",
    },
    State.LOGOUT: frozenset[bytes](),
}  # fmt: skip
KNOWN = frozenset[bytes]().union(*PERMITTED.values())


def permit(verb: bytes, state: State) -> None:
    """Raises PeerError (BAD) unless the command `verb`, in capitals, may be given in `state`."""
    if verb in PERMITTED[state]:
        return
    if verb in KNOWN:
        raise PeerError(f"not allowed {state.value}")
    raise PeerError("unknown command")


# RFC 3501 §3: how an answered command moves the session. What is absent changes nothing.
ON_OK: dict[tuple[State, type[Request] | None], State] = {
    (State.NOT_AUTHENTICATED, Login): State.AUTHENTICATED,
    (State.NOT_AUTHENTICATED, Authenticate): State.AUTHENTICATED,
    (State.AUTHENTICATED, Select): State.SELECTED,
    (State.SELECTED, Close): State.AUTHENTICATED,
    (State.SELECTED, Unselect): State.AUTHENTICATED,
    (State.NOT_AUTHENTICATED, Logout): State.LOGOUT,
    (State.AUTHENTICATED, Logout): State.LOGOUT,
    (State.SELECTED, Logout): State.LOGOUT,
}
ON_FAILURE: dict[tuple[State, type[Request] | None], State] = {
    (State.SELECTED, Select): State.AUTHENTICATED,  # RFC 3501 §6.3.1
}
