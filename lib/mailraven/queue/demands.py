"""What a message demands of a server, and what becomes of it when the server cannot.

Pure: a message, the server's extensions, facts about TLS; the result is an objection or none.
"""

from dataclasses import dataclass

from mailraven.mail.address import normalise_domain, split_address
from mailraven.mail.envelope import NULL_REVERSE_PATH
from mailraven.queue.entry import QueuedRecipient, QueueEntry
from mailraven.smtp.client_replies import Extensions


@dataclass(frozen=True, slots=True)
class Objection:
    """Why this message cannot be given to that server: code and text of our own making."""

    code: int
    enhanced_status: str
    text: str


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a session offers; `is_local` is that with our own LMTP, on this machine."""

    extensions: Extensions
    verified_tls: bool = False
    is_local: bool = False


def objection(
    entry: QueueEntry, recipient: QueuedRecipient, session: Abilities
) -> Objection | None:
    """The first reason against sending `entry` to `recipient` there, None when there is none."""
    extensions = session.extensions
    limit = extensions.size_limit
    if limit is not None and entry.size > limit:
        text = f"the message has {entry.size} octets, that server takes {limit}"  # RFC 1870 §6.1
        return Objection(552, "5.3.4", text)
    if "SMTPUTF8" not in extensions and (what := _only_smtputf8(entry, recipient)):
        # RFC 6531 §3.5: never strip or encode what only SMTPUTF8 can carry.
        return Objection(550, "5.6.7", f"{what} needs SMTPUTF8, which that server cannot do")
    is_sure = session.verified_tls and "REQUIRETLS" in extensions
    if demands_tls(entry) and not (is_sure or session.is_local):
        return Objection(550, "5.7.30", "REQUIRETLS was asked for, that server cannot promise it")
    return None


def _only_smtputf8(entry: QueueEntry, recipient: QueuedRecipient) -> str:
    """What truly cannot travel without SMTPUTF8; "" when nothing is of that kind, though the sender
    asked for it to be safe. A domain can be written as A-labels (RFC 5890 §2.3.2.1),
    if it is one."""
    if not ascii_path(recipient.address).isascii():
        return "the address of the recipient"
    if not ascii_path(entry.reverse_path).isascii():
        return "the address of the sender"
    return "the header" if entry.smtputf8 and entry.content == "utf8-header" else ""


def demands_tls(entry: QueueEntry) -> bool:
    """Whether it is not to be sent without what REQUIRETLS promises: a bounce is, where it must.

    RFC 8689 §5: better a word of the failure than none.
    """
    return entry.require_tls and entry.reverse_path != NULL_REVERSE_PATH


def needs_conversion(entry: QueueEntry, extensions: Extensions) -> bool:
    """Whether octets above 127 must be encoded first: RFC 6152 §3 forbids to send them as is."""
    return entry.content != "7bit" and "8BITMIME" not in extensions


def needs_short_lines(entry: QueueEntry, via: str) -> bool:
    """Whether lines are too long in what one of our accounts wrote: others' is not ours to change,
    and reports bring back what was."""
    is_ours = entry.account is not None and entry.reverse_path != NULL_REVERSE_PATH
    return entry.long_lines and is_ours and not via


def ascii_path(address: str) -> str:
    """`address` with its domain as A-labels, for servers without SMTPUTF8."""
    if address.isascii():
        return address
    local_part, domain = split_address(address)
    return f"{local_part}@{normalise_domain(domain)}" if domain else address
