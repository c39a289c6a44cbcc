"""Where each recipient of a message goes next, or why nowhere.

Pure: what domains and accounts say, and the time, are arguments.
"""

from collections.abc import Callable
from dataclasses import replace

from mailraven.config.directory import WayOut
from mailraven.mail.address import normalise_domain, split_address
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.queue.entry import Answer, QueueEntry, bounded, instant
from mailraven.queue.progress import Attempt
from mailraven.queue.routing import NextHop, RoutingTable, next_hop

Itinerary = dict[int, NextHop | Attempt]
Ways = Callable[[str | None, str], WayOut]  # of an account that sends as an address


def itinerary(entry: QueueEntry, table: RoutingTable, way_out: Ways, now: float) -> Itinerary:
    """The next hop of each pending recipient, or what becomes of one who has none.

    What an alias sends on has the way out of the alias.
    """
    found: Itinerary = {}
    for position in entry.pending:
        recipient = entry.recipients[position]
        _, domain = split_address(recipient.address)
        sender = recipient.via or entry.reverse_path
        try:
            hop = next_hop(*_detour(table, domain, way_out(entry.account, sender), recipient.route))
        except (PermanentError, TemporaryError) as error:
            found[position] = _unroutable(error, now)
            continue
        found[position] = _demanding(hop) if entry.require_tls else hop
    return found


def _detour(
    table: RoutingTable, domain: str, way_out: WayOut, route: str
) -> tuple[RoutingTable, str, WayOut]:
    """What `next_hop` is asked: as if the configuration said what an operator wants of a recipient,
    "host:port" or the name of a smarthost. Our own accounts stay ours."""
    if not route:
        return table, domain, way_out
    if ":" in route:
        return replace(table, routes={normalise_domain(domain): route}), domain, way_out
    return replace(table, routes={}), domain, replace(way_out, smarthost=route)


def _demanding(hop: NextHop) -> NextHop:
    """`hop` for a message with REQUIRETLS. RFC 8689 §4.2.1"""
    if hop.kind == "lmtp":
        return hop
    return replace(hop, tls="verified", policies=True, require_tls=True)


def _unroutable(error: PermanentError | TemporaryError, now: float) -> Attempt:
    """What recipients get for whom there is no next hop, for ever or for now."""
    status, _, text = error.text.partition(" ")
    answer = Answer(bounded(text), status, "", "routing", False, instant(now))
    return Attempt("failed" if isinstance(error, PermanentError) else "pending", answer)
