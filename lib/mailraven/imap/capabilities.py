"""What the server says it can do, by state (RFC 3501 §7.2.1). Only what works whole is here."""

from mailraven.imap.states import State

# LITERAL+ is all of LITERAL- and more; RFC 7888 §4 forbids to name both.
ALWAYS = (b"IMAP4rev1", b"IMAP4rev2", b"LITERAL+", b"SASL-IR", b"ID", b"ENABLE")
AFTER_LOGIN = (
    b"BINARY", b"CATENATE", b"REPLACE", b"CREATE-SPECIAL-USE",
    b"IDLE", b"NAMESPACE", b"CHILDREN", b"SPECIAL-USE", b"UIDPLUS", b"MOVE", b"UNSELECT",
    b"LIST-EXTENDED", b"LIST-STATUS", b"STATUS=SIZE", b"UTF8=ACCEPT",
    b"SORT", b"SORT=DISPLAY", b"ESORT", b"THREAD=ORDEREDSUBJECT", b"THREAD=REFERENCES",
    b"WITHIN", b"ESEARCH", b"SEARCHRES", b"CONDSTORE", b"MULTISEARCH", b"INPROGRESS",
    b"CONTEXT=SEARCH", b"CONTEXT=SORT",
    b"MULTIAPPEND", b"COMPRESS=DEFLATE", b"PREVIEW",
    b"NOTIFY", b"QUOTA", b"QUOTA=RES-STORAGE", b"QUOTA=RES-MESSAGE",
    b"METADATA", b"LIST-METADATA",
    b"QRESYNC", b"OBJECTID", b"SAVEDATE", b"PARTIAL", b"UIDONLY",
)  # fmt: skip
# RFC 5161
ENABLABLE = frozenset({b"IMAP4REV2", b"UTF8=ACCEPT", b"CONDSTORE", b"QRESYNC", b"UIDONLY"})


def capabilities(
    state: State,
    *,
    can_start_tls: bool,
    may_log_in: bool,
    mechanisms: tuple[str, ...],
    append_limit: int,
) -> bytes:
    """The words behind CAPABILITY. `mechanisms` are the SASL mechanisms usable here and now.

    `append_limit` are the octets of the longest message that APPEND takes. RFC 7889 §2
    """
    words = list(ALWAYS)
    if state is State.NOT_AUTHENTICATED:
        words += [b"AUTH=" + name.encode("ascii") for name in mechanisms]
        if can_start_tls:
            words.append(b"STARTTLS")
        if not may_log_in:
            words.append(b"LOGINDISABLED")  # RFC 3501 §6.2.3
    else:
        words += AFTER_LOGIN
        words.append(b"APPENDLIMIT=%d" % append_limit)
    return b" ".join(words)
