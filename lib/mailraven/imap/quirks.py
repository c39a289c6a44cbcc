"""What known clients do beside the standards and is served on purpose; kept small.

Where the code serves one, a comment has "quirk:" and its name; transcripts (`quirks.txt` above all)
show each, and mailraven-imapd(8) lists them.
"""

from typing import NamedTuple

from mailraven.imap.names import SEPARATOR


class Quirk(NamedTuple):
    """Which clients do what, and why it is served so."""

    clients: str
    behaviour: str
    reason: str


QUIRKS = {
    "folder-names": Quirk(
        "Outlook up to 2013, Apple Mail, iOS, Thunderbird",
        "make folders under names of their own and do not ask for the special use",
        "a folder of such a name gets the use if no other has it, so that all clients find it",
    ),
    "trailing-separator": Quirk(
        "Thunderbird",
        "puts a separator behind the name of a mailbox that has others below it",
        "the name without it can be meant only",
    ),
    "subscribed-only": Quirk(
        "Thunderbird, mutt and others as they are installed",
        "show subscribed mailboxes only",
        "the mailboxes of a new account are subscribed",
    ),
    "lsub-noselect": Quirk(
        "Thunderbird with LSUB",
        "takes what LSUB names for a mailbox that can be opened",
        "a subscription whose mailbox is gone has \\Noselect, and is shown grey",
    ),
    "eight-bit-quoted": Quirk(
        "Outlook, Apple Mail, many phones",
        "send passwords and search words in 8-bit quoted strings, which RFC 3501 forbids",
        "they are as well understood as a literal, and else nobody with an umlaut could log in",
    ),
    "search-charset": Quirk(
        "phones and scripts",
        "search for 8-bit words and name no CHARSET",
        "they are taken for UTF-8, which they mostly are",
    ),
    "auth-login": Quirk(
        "old Outlook, scripts",
        "know AUTHENTICATE LOGIN, which no standard describes",
        "the same secrets as with PLAIN, in two answers",
    ),
    "bare-lf": Quirk(
        "people with telnet, scripts",
        "end lines with LF alone",
        "a command line has no other use for LF, and a literal counts its octets",
    ),
}

# What clients call the folders that they make, in English. quirk: folder-names
_NAMES = {
    "\\Sent": ("Sent", "Sent Messages", "Sent Items", "Sent Mail"),
    "\\Trash": ("Trash", "Deleted Messages", "Deleted Items"),
    "\\Drafts": ("Drafts", "Draft"),
    "\\Junk": ("Junk", "Junk E-mail", "Junk Email", "Spam", "Bulk Mail"),
    "\\Archive": ("Archive", "Archives"),
}
_USES = {name.lower(): use for use, names in _NAMES.items() for name in names}


def use_of_name(name: str) -> str | None:
    r"""The special use that clients have in mind for a mailbox of that name: "\Sent"."""
    return _USES.get(name.lower())


def names_of_use(use: str) -> tuple[str, ...]:
    r"""The names that clients give to the mailbox for "\Sent", ours first."""
    return _NAMES[use]


def without_trailing_separator(name: str) -> str:
    """The mailbox that is meant. quirk: trailing-separator

    CREATE has it by the standard, to announce mailboxes below (RFC 9051 §6.3.4).
    """
    return name.removesuffix(SEPARATOR)
