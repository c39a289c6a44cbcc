"""How wide a network may be that is to be free of limits."""

from ipaddress import IPv4Network

from mailraven.config.units import Network

WIDEST = {4: 16, 6: 32}  # bits of a public network; wider ones are half the world
WIDEST_PRIVATE = {4: 8, 6: 7}


def demand_narrow(network: Network) -> None:
    """Raises ValueError for a network that is too wide to trust all of it."""
    version = 4 if isinstance(network, IPv4Network) else 6
    widest = (WIDEST_PRIVATE if network.is_private else WIDEST)[version]
    if network.prefixlen < widest:
        raise ValueError(f"{network} is too wide to be without limits: /{widest} is the widest")
