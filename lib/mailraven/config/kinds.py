"""The types of the values that configuration keys have, each with how it is written (units.py)."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from mailraven.config import units
from mailraven.config.rates import Rate
from mailraven.config.smarthosts import Smarthost
from mailraven.config.units import Network, Unit
from mailraven.milter.settings import Milter
from mailraven.policy.dnsbl import Zone


def _unit(unit: Unit) -> Meta:
    return Meta(extra={"unit": unit})


Text = Annotated[str, _unit(units.TEXT)]
Secret = Annotated[str, _unit(units.SECRET)]
Host = Annotated[str, _unit(units.HOST)]
Size = Annotated[int, _unit(units.SIZE)]  # octets
Duration = Annotated[int, _unit(units.DURATION)]  # seconds
Count = Annotated[int, _unit(units.COUNT)]
Score = Annotated[float, _unit(units.SCORE)]
Texts = Annotated[tuple[str, ...], _unit(units.TEXTS)]
Port = Annotated[int, _unit(units.PORT)]
Flag = Annotated[bool, _unit(units.FLAG)]
FilePath = Annotated[Path, _unit(units.PATH)]
OptionalPath = Annotated[Path | None, _unit(units.OPTIONAL_PATH)]
Endpoint = Annotated[str, _unit(units.ENDPOINT)]
Listen = Annotated[tuple[str, ...], _unit(units.LISTEN)]
Addresses = Annotated[tuple[str, ...], _unit(units.ADDRESSES)]
Networks = Annotated[tuple[Network, ...], _unit(units.NETWORKS)]
Rates = Annotated[tuple[Rate, ...], _unit(units.RATES)]
Routes = Annotated[dict[str, str], _unit(units.ROUTES)]
TlsDemands = Annotated[
    dict[str, Literal["none", "opportunistic", "required", "verified"]], _unit(units.TLS_DEMANDS)
]
Families = Annotated[
    dict[str, Literal["any", "ipv4-first", "ipv6-first", "ipv4", "ipv6"]], _unit(units.FAMILIES)
]
HeloNames = Annotated[dict[str, str], _unit(units.HELO_NAMES)]
Smarthosts = Annotated[dict[str, Smarthost], _unit(units.SMARTHOSTS)]
Suppression = Annotated[
    Literal["account", "server", "off"], _unit(units.choice("account", "server", "off"))
]
Dnssec = Annotated[
    Literal["detect", "trusted", "off"], _unit(units.choice("detect", "trusted", "off"))
]
Zones = Annotated[dict[str, Zone], _unit(units.ZONES)]
Milters = Annotated[dict[str, Milter], _unit(units.MILTERS)]
TlsDemand = Annotated[
    Literal["required", "opportunistic"], _unit(units.choice("required", "opportunistic"))
]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    _unit(units.choice("debug", "info", "warning", "error")),
]
QuarantineName = Annotated[Literal["Junk", "Quarantine"], _unit(units.choice("Junk", "Quarantine"))]
LogFormat = Annotated[Literal["json", "text"], _unit(units.choice("json", "text"))]
