"""What the DNS says, as plain values: they are small enough to be kept by the thousand.

The one distinction that matters for mail: a name that is not there is for ever (as far as a
message lives), a name server that does not answer is for now. RFC 5321 §5.1
"""

from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

import dns.rdata
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TLSA import TLSA
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.SRV import SRV

Kind = Literal["A", "AAAA", "CNAME", "MX", "PTR", "SRV", "TLSA", "TXT"]


class NameMissing(Exception):
    """The domain does not exist (NXDOMAIN), or is no possible name."""


class LookupFailed(Exception):
    """No name server gave a usable answer in time; the message says what happened."""


class MailHost(NamedTuple):
    """An MX record; the host of a null MX is "". RFC 7505 §3"""

    preference: int
    host: str


class Association(NamedTuple):
    """A TLSA record. RFC 6698 §2.1"""

    usage: int
    selector: int
    matching: int
    data: bytes


class Service(NamedTuple):
    """An SRV record; the host "" says that there is no such service. RFC 2782"""

    priority: int
    weight: int
    port: int
    host: str


Record = str | bytes | MailHost | Association | Service
R_co = TypeVar("R_co", bound=Record, covariant=True)


@dataclass(frozen=True, slots=True)
class Answer(Generic[R_co]):
    """The records of a name, () when it exists without such a record (NODATA).

    A and AAAA are addresses, CNAME and PTR names without the last dot, TXT octets whose strings
    are joined. `authenticated` is the word of the name server that DNSSEC proved it (the AD bit,
    RFC 4035 §3.2.3), worth as much as the way to that server. `name` is where the chain of CNAME
    records led to.
    """

    records: tuple[R_co, ...]
    authenticated: bool = False
    name: str = ""


def value_of(record: dns.rdata.Rdata) -> Record:
    """A record as a value. Raises ValueError for a type that nobody asks for."""
    match record:
        case A() | AAAA():
            return str(record.address)
        case TXT():
            return b"".join(record.strings)
        case MX():
            return MailHost(record.preference, text_of(record.exchange))
        case PTR() | CNAME():
            return text_of(record.target)
        case SRV():
            return Service(record.priority, record.weight, record.port, text_of(record.target))
        case TLSA():
            return Association(record.usage, record.selector, record.mtype, record.cert)
    raise ValueError(f"a {type(record).__name__} record")


def text_of(name: dns.name.Name) -> str:
    """A name in ASCII, without the last dot; the root is ""."""
    return name.to_text(omit_final_dot=True).removesuffix(".")


def weight(records: tuple[Record, ...]) -> int:
    """About the octets that `records` take."""
    return sum(
        sum(len(part) for part in record if isinstance(part, str | bytes))
        if isinstance(record, tuple)
        else len(record)
        for record in records
    )
