"""Who can have a route of the self-test, and for how long."""

from pathlib import Path

import pytest

from mailraven.daemons.selftest_routes import ROUTES_LIMIT, SECONDS, SelftestRoutes
from mailraven.queue.routing import RoutingTable, next_hop

TABLE = RoutingTable("mx.example.org", lambda name: False, Path("/lmtp"), routes={"*": "far:25"})
NAME = "t1.selftest.invalid"


def test_a_route_is_for_its_name_and_ends() -> None:
    now = 0.0
    routes = SelftestRoutes(lambda: now)
    assert routes.add({"domain": NAME, "endpoint": "127.0.0.1:2525"}) == {"ok": True}
    hop = next_hop(routes.over(TABLE), NAME)
    assert (hop.kind, hop.host, hop.port) == ("host", "127.0.0.1", 2525)
    assert next_hop(routes.over(TABLE), "example.net").host == "far"
    now = SECONDS + 1
    assert next_hop(routes.over(TABLE), NAME).host == "far"


@pytest.mark.parametrize(
    "request_",
    [
        {"domain": "example.net", "endpoint": "127.0.0.1:25"},
        {"domain": "selftest.invalid", "endpoint": "127.0.0.1:25"},
        {"domain": ".selftest.invalid", "endpoint": "127.0.0.1:25"},
        {"domain": "a.b.selftest.invalid", "endpoint": "127.0.0.1:25"},
        {"domain": NAME, "endpoint": "192.0.2.1:25"},
        {"domain": NAME, "endpoint": "localhost:25"},
        {"domain": NAME, "endpoint": "127.0.0.1"},
        {"domain": NAME},
        {"domain": ["x"], "endpoint": 25},
    ],
)
def test_nothing_else_can_have_one(request_: dict[str, object]) -> None:
    routes = SelftestRoutes()
    assert "error" in routes.add(request_)
    assert routes.over(TABLE) is TABLE


def test_there_are_few_at_once() -> None:
    routes = SelftestRoutes()
    for number in range(ROUTES_LIMIT):
        name = f"t{number}.selftest.invalid"
        assert "ok" in routes.add({"domain": name, "endpoint": "127.0.0.1:25"})
    assert "error" in routes.add({"domain": NAME + "x", "endpoint": "127.0.0.1:25"})
