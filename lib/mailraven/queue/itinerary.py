"""Where each recipient of a message goes next, or why nowhere.

Pure: what domains and accounts say, and the time, are arguments.
"""

from collections.abc import Callable
from dataclasses import replace

from mailraven.config.directory import WayOut
from mailraven.mail.address import normalise_domain, split_address
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.queue.demands import demands_tls
from mailraven.queue.entry import Answer, QueuedRecipient, QueueEntry, bounded, instant
from mailraven.queue.progress import Attempt
from mailraven.queue.routing import NextHop, RoutingTable, next_hop
from mailraven.queue.suppression import Suppressed, refusal

Itinerary = dict[int, NextHop | Attempt]
Ways = Callable[[str | None, str], WayOut]  # of an account that sends as an address
Suppressions = Callable[[str, str | None, float], Suppressed | None]  # recipient, account, now


class Guide:
    """What is to be known to find a way: what the configuration says, what domains and accounts
    say, and who is suppressed for which account now.

    Each way is asked for once: a guide is for messages that are looked at together.
    """

    def __init__(
        self, table: RoutingTable, way_out: Ways, suppressed: Suppressions = lambda *_: None
    ) -> None:
        self._table = table
        self._way_out = way_out
        self._hops: dict[tuple[str | None, str, str, str], NextHop] = {}
        self.suppressed = suppressed

    def hop(self, account: str | None, sender: str, domain: str, route: str) -> NextHop:
        """Where mail for `domain` goes that `account` sends as `sender`, by `route` if any.

        Raises PermanentError, TemporaryError.
        """
        asked = account, sender, domain, route
        hop = self._hops.get(asked)
        if hop is None:
            way_out = self._way_out(account, sender)
            hop = self._hops[asked] = next_hop(*_detour(self._table, domain, way_out, route))
        return hop


def itinerary(entry: QueueEntry, guide: Guide, now: float) -> Itinerary:
    """The next hop of each pending recipient, or what becomes of one who has none.

    What an alias sends on has the way out of the alias.
    """
    return {n: _next(entry, entry.recipients[n], guide, now) for n in entry.pending}


def _next(
    entry: QueueEntry, recipient: QueuedRecipient, guide: Guide, now: float
) -> NextHop | Attempt:
    _, domain = split_address(recipient.address)
    sender = recipient.via or entry.reverse_path
    try:
        hop = guide.hop(entry.account, sender, domain, recipient.route)
    except (PermanentError, TemporaryError) as error:
        return _unroutable(error, now)
    if hop.kind == "lmtp":
        return hop
    found = guide.suppressed(recipient.address, entry.account, now)
    if found is not None:
        return Attempt("failed", refusal(found, instant(now)))
    if demands_tls(entry):
        return _demanding(hop)
    return _relaxed(hop) if entry.tls_optional and not entry.require_tls else hop


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
    return replace(hop, tls="verified", policies=True, require_tls=True)


def _relaxed(hop: NextHop) -> NextHop:
    """`hop` for a message with "TLS-Required: No": what the domain of the recipient asks for is
    passed over (RFC 8689 §4.2.2); what our operator asks for is not."""
    return replace(hop, policies=False) if hop.kind == "mx" else hop


def _unroutable(error: PermanentError | TemporaryError, now: float) -> Attempt:
    """What recipients get for whom there is no next hop, for ever or for now."""
    status, _, text = error.text.partition(" ")
    answer = Answer(bounded(text), status, "", "routing", False, instant(now))
    return Attempt("failed" if isinstance(error, PermanentError) else "pending", answer)
