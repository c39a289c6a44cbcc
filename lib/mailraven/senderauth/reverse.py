"""Reverse DNS, confirmed: a name of the client's address that leads back to it. RFC 8601 §3"""

from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from mailraven.senderauth.look_ups import NoAnswer
from mailraven.senderauth.results import ReverseResult

NAMES_LIMIT = 5  # of one address that are tried; RFC 7208 §5.5 stops at 10

# The names of an address, and the addresses of a name in the family of the first argument.
Names = Callable[[str], Awaitable[tuple[str, ...]]]
Addresses = Callable[[str, str], Awaitable[tuple[str, ...]]]


async def check(client: str, names_of: Names, addresses_of: Addresses) -> ReverseResult:
    """The result for the IP address `client`."""
    late, first = False, ""
    try:
        names = await names_of(client)
    except NoAnswer:
        return ReverseResult("temperror")
    for name in names[:NAMES_LIMIT]:
        first = first or name
        try:
            found = await addresses_of(client, name)
        except NoAnswer:
            late = True
            continue
        if ip_address(client) in (ip_address(one) for one in found):
            return ReverseResult("pass", name)
    return ReverseResult("temperror" if late else "fail", first)
