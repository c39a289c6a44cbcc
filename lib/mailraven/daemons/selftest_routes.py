"""The one way that `mailraven selftest deliver` needs: from the queue to its reflector.

Only names below selftest.invalid, which nobody's mail ever goes to (RFC 6761 §6.4), can have such a
route, only to this machine, and only for some minutes: so it is of no use to anybody else.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

from mailraven.config.units import split_endpoint
from mailraven.daemons.control import Message
from mailraven.queue.routing import RoutingTable

PARENT = ".selftest.invalid"
SECONDS = 600.0  # that a route lasts
ROUTES_LIMIT = 10


class SelftestRoutes:
    """Routes by domain, with the time when each ends. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._routes: dict[str, tuple[str, float]] = {}

    def add(self, request: Message) -> Message:
        """The operation `selftest` of the control socket."""
        domain, endpoint = request.get("domain"), request.get("endpoint")
        if not isinstance(domain, str) or not isinstance(endpoint, str):
            return {"error": "domain and endpoint are needed"}
        if not domain.endswith(PARENT) or not domain.removesuffix(PARENT).isalnum():
            return {"error": f"the domain must be a label and {PARENT}"}
        try:
            is_here = ip_address(split_endpoint(endpoint)[0]).is_loopback
        except ValueError:
            is_here = False
        if not is_here:
            return {"error": "the endpoint must be a loopback address and a port"}
        self._forget_the_old()
        if len(self._routes) >= ROUTES_LIMIT:
            return {"error": "too many self-tests at once"}
        self._routes[domain] = endpoint, self._clock() + SECONDS
        return {"ok": True}

    def over(self, table: RoutingTable) -> RoutingTable:
        """`table` with the routes that last."""
        if not self._routes:
            return table
        self._forget_the_old()
        ways = {domain: endpoint for domain, (endpoint, _) in self._routes.items()}
        return replace(table, routes={**table.routes, **ways})

    def _forget_the_old(self) -> None:
        now = self._clock()
        self._routes = {name: way for name, way in self._routes.items() if way[1] > now}
