"""What a message demands of a server, and what becomes of it when the server cannot.

Pure: a message, the server's extensions, facts about TLS; the result is an objection or none.
"""

from dataclasses import dataclass

from mailraven.mail.address import normalise_domain, split_address
from mailraven.queue.entry import QueueEntry
from mailraven.smtp.client_replies import Extensions


@dataclass(frozen=True, slots=True)
class Objection:
    """Why this message cannot be given to that server: code and text of our own making."""

    code: int
    enhanced_status: str
    text: str


def objection(entry: QueueEntry, extensions: Extensions, *, verified_tls: bool) -> Objection | None:
    """The first reason against sending `entry` over the session, None when there is none."""
    limit = extensions.size_limit
    if limit is not None and entry.size > limit:
        text = f"message of {entry.size} octets, {limit} are allowed there"  # RFC 1870 §6.1
        return Objection(552, "5.3.4", text)
    if entry.smtputf8 and "SMTPUTF8" not in extensions and needs_smtputf8(entry):
        # RFC 6531 §3.5: never strip or encode what only SMTPUTF8 can carry.
        return Objection(550, "5.6.7", "the message needs SMTPUTF8, which that server cannot do")
    if entry.require_tls and not (verified_tls and "REQUIRETLS" in extensions):
        return Objection(550, "5.7.30", "REQUIRETLS was asked for, that server cannot promise it")
    return None


def needs_smtputf8(entry: QueueEntry) -> bool:
    """Whether the message truly cannot travel without SMTPUTF8 (its sender asked to be safe).

    A domain alone can be written as A-labels (RFC 5890 §2.3.2.1).
    """
    if entry.content == "utf8-header":
        return True
    paths = [entry.reverse_path, *(one.address for one in entry.recipients)]
    return any(not split_address(path)[0].isascii() for path in paths)


def needs_conversion(entry: QueueEntry, extensions: Extensions) -> bool:
    """Whether octets above 127 must be encoded first: RFC 6152 §3 forbids to send them as is."""
    return entry.content != "7bit" and "8BITMIME" not in extensions


def ascii_path(address: str) -> str:
    """`address` with its domain as A-labels, for servers without SMTPUTF8."""
    if address.isascii():
        return address
    local_part, domain = split_address(address)
    return f"{local_part}@{normalise_domain(domain)}" if domain else address
