"""Who gets the mail for one RCPT: accounts of ours, addresses elsewhere, or nobody (and why)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from mailraven.config.directory import Account, Directory, NotLocal
from mailraven.daemons.smtp_house import House
from mailraven.mail.address import normalise, split_address
from mailraven.mail.envelope import NULL_REVERSE_PATH, Recipient
from mailraven.mail.errors import PermanentError
from mailraven.queue.srs import Expired, NotOurs, is_tagged, original
from mailraven.smtp.events import Rcpt
from mailraven.smtp.trace_header import was_delivered_to

POSTMASTER = "postmaster"


@dataclass(frozen=True, slots=True)
class Routed:
    """An accepted RCPT: `accounts` get it here, `remote` addresses through the queue.

    `forwards` says that `path` is an alias of ours that sends on to those.
    """

    path: str
    rcpt: Rcpt
    accounts: tuple[Account, ...]
    remote: tuple[str, ...]
    forwards: bool = False

    def spooled(self, address: str) -> Recipient:
        """`address` as a recipient of the queue, which remembers what the sender asked for."""
        wishes = self.rcpt.parameters
        orcpt = wishes.orcpt
        if orcpt is None and address != self.path and self.path.isascii():
            orcpt = f"rfc822;{self.path}"  # a DSN names what the sender knows. RFC 3461 §6.2.7
        via = normalise(self.path) if self.forwards and address in self.remote else ""
        return Recipient(address, wishes.notify, orcpt, via)


def route(directory: Directory, rcpt: Rcpt, hostname: str, *, may_relay: bool) -> Routed:
    """Where the message for `rcpt` goes. Raises PermanentError when it goes nowhere."""
    path = rcpt.forward_path
    if "@" not in path:
        path = f"{POSTMASTER}@{postmaster_domain(directory, hostname)}"
    try:
        found = directory.expand(path)
    except NotLocal:
        if not may_relay:
            raise PermanentError(550, "5.7.1 relaying denied") from None
        return Routed(path, rcpt, (), (path,))
    return Routed(path, rcpt, found.local, found.remote, forwards=bool(found.remote))


def way_back(house: House, rcpt: Rcpt, reverse_path: str) -> Routed | None:
    """Where a bounce for a return address of ours goes; None for other addresses.

    Raises PermanentError, and TemporaryError while the secrets cannot be read.
    """
    path = rcpt.forward_path
    local_part, domain = split_address(path)
    if not is_tagged(local_part.strip('"')) or not house.directory.is_local_domain(domain):
        return None
    try:
        address = original(path, house.srs.all(), time.time())
    except NotOurs:
        return None  # what nobody here has made is an address like any other
    except Expired:
        raise PermanentError(550, "5.1.1 this return address is no longer good") from None
    if reverse_path != NULL_REVERSE_PATH:
        raise PermanentError(550, "5.7.1 only bounces go to this address")
    return Routed(path, rcpt, (), (address,))


def demand_no_loop(header: bytes, routed: Sequence[Routed]) -> None:
    """Raises PermanentError when the one recipient has had the message, or has sent it on before.

    With several nobody is marked: such a message comes to an end by its number of hops.
    """
    if len(routed) != 1:
        return
    one = routed[0]
    if len(one.accounts) == 1 and was_delivered_to(header, one.accounts[0].address):
        raise PermanentError(554, "5.4.6 mail loop: it was delivered here before")
    if one.forwards and was_delivered_to(header, normalise(one.path)):
        raise PermanentError(554, "5.4.6 mail loop: it was sent on from here before")


def postmaster_domain(directory: Directory, hostname: str) -> str:
    """The domain whose postmaster answers for this server (RFC 5321 §4.5.1): the one that its name
    belongs to, else the first."""
    labels = hostname.split(".")
    for start in range(len(labels)):
        domain = ".".join(labels[start:])
        if directory.is_local_domain(domain):
            return domain
    known = directory.domains()
    if not known:
        raise PermanentError(550, "5.1.1 no such user here")
    return known[0]


def domain_of(address: str) -> str:
    """The domain of an address that is known to be one."""
    return split_address(address)[1]
