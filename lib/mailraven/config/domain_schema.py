"""Keys of domain.toml and accounts/NAME.toml in a domain's folder; schema.py is the server's."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mailraven.config import units
from mailraven.config.kinds import Addresses, Flag, Score, Size, Text
from mailraven.config.units import Unit


def _unit(unit: Unit) -> Meta:
    return Meta(extra={"unit": unit})


def _help(text: str) -> Meta:
    return Meta(description=text)


Role = Annotated[
    Literal["user", "domain-admin", "admin"], _unit(units.choice("user", "domain-admin", "admin"))
]
Number = Annotated[int, _unit(units.NUMBER)]
Senders = Annotated[tuple[str, ...], _unit(units.SENDERS)]
StsMode = Annotated[
    Literal["enforce", "testing", "none"], _unit(units.choice("enforce", "testing", "none"))
]
SmarthostName = Annotated[str, _unit(units.SMARTHOST_NAME)]
Separator = Annotated[str, _unit(units.choice("", "+", "-", "=", "~"))]


class DomainFile(Struct, frozen=True, kw_only=True):
    """domain.toml."""

    enabled: Annotated[Flag, _help("false refuses mail to every address of the domain.")] = True
    separator: Annotated[Separator, _help("What starts a sub-address tag; empty is none.")] = "+"
    sts: Annotated[StsMode, _help("What others are to do when TLS to us fails (MTA-STS).")] = (
        "testing"
    )
    description: Annotated[Text, _help("A note for people.")] = ""
    quota: Annotated[Size, _help("Most mail of an account that sets none; 0 is no limit.")] = 0
    quota_messages: Annotated[Number, _help("The same in messages; 0 is no limit.")] = 0
    quarantine_score: Annotated[Score, _help("Quarantine from here; 0 is the server's.")] = 0.0
    reject_score: Annotated[Score, _help("Refused from this score; 0 is the server's.")] = 0.0
    smarthost: Annotated[
        SmarthostName, _help("Where its mail out goes: a name of queue.smarthosts, mx is by MX.")
    ] = ""
    source_addresses: Annotated[
        Addresses, _help("Local addresses that its mail goes out from; [] is the server's.")
    ] = ()


class AccountFile(Struct, frozen=True, kw_only=True):
    """accounts/NAME.toml."""

    enabled: Annotated[Flag, _help("false refuses mail and log-in; the mail stays.")] = True
    display_name: Annotated[Text, _help("The person's name.")] = ""
    senders: Annotated[Senders, _help("Further addresses to send as; *@example.org is all.")] = ()
    role: Annotated[Role, _help("Rights in API and admin page.")] = "user"
    quota: Annotated[Size, _help("Most mail kept; 0 is the domain's limit.")] = 0
    quota_messages: Annotated[Number, _help("Most messages kept; 0 is the domain's limit.")] = 0
    quarantine_score: Annotated[Score, _help("Quarantine from here; 0 is the domain's.")] = 0.0
    reject_score: Annotated[Score, _help("Refused from this score; 0 is the domain's.")] = 0.0
    smarthost: Annotated[
        SmarthostName, _help("Where its mail out goes; empty is as the domain says.")
    ] = ""
