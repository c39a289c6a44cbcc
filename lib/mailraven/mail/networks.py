"""The network that one peer easily owns: what counts for an address counts for it, too."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

NETWORKS_KEPT = 4096  # answers of network_of: parsing an address takes longer than all the rest


@lru_cache(NETWORKS_KEPT)
def network_of(address: str) -> str:
    """The /24 or /64 that holds `address`; what is no IP address (a local socket) is its own."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is None:
            return str(ip_network((int(ip), 64), strict=False))
        ip = ip.ipv4_mapped
    return str(ip_network((int(ip), 24), strict=False))
