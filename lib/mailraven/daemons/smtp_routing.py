"""Who gets the mail for one RCPT: accounts of ours, addresses elsewhere, or nobody (and why)."""

from dataclasses import dataclass

from mailraven.config.directory import Account, Directory, Expansion, NotLocal
from mailraven.mail.address import split_address
from mailraven.mail.envelope import Recipient
from mailraven.mail.errors import PermanentError
from mailraven.smtp.events import Rcpt

POSTMASTER = "postmaster"


@dataclass(frozen=True, slots=True)
class Routed:
    """An accepted RCPT: `accounts` get it here, `remote` addresses through the queue."""

    path: str
    rcpt: Rcpt
    accounts: tuple[Account, ...]
    remote: tuple[str, ...]

    def spooled(self, address: str) -> Recipient:
        """`address` as a recipient of the queue, which remembers what the sender asked for."""
        wishes = self.rcpt.parameters
        orcpt = wishes.orcpt
        if orcpt is None and address != self.path and self.path.isascii():
            orcpt = f"rfc822;{self.path}"  # a DSN names what the sender knows. RFC 3461 §6.2.7
        return Recipient(address, wishes.notify, orcpt)


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
        found = Expansion((), (path,))
    return Routed(path, rcpt, found.local, found.remote)


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
