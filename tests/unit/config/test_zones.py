"""dnsbl.zones: every form that a list can be written in, and every mistake."""

import tomllib

import pytest

from mailraven.config.zones import parse_zones, show_zones, zones_from_text
from mailraven.policy.dnsbl import Zone

TABLE = """
["BL.example"]
action = "refuse"
points = 6.0
contact = "https://bl.example/?{ip}"
codes."127.0.0.2" = { points = 4.0, text = "trap" }
codes."127.0.0.10/31" = 1.5
"""


def test_the_short_forms() -> None:
    zones = parse_zones({"bl.example": "refuse", "wl.example": -2})
    assert zones == parse_zones(zones_from_text("bl.example=refuse, wl.example=-2"))
    assert zones["bl.example"].refuse
    assert zones["wl.example"] == Zone("wl.example", points=-2.0)


def test_what_is_shown_can_be_read_again() -> None:
    zones = parse_zones(tomllib.loads(TABLE))
    assert parse_zones(show_zones(zones)) == zones
    (zone,) = zones.values()
    assert (zone.name, zone.refuse, zone.points) == ("bl.example", True, 6.0)
    assert [(str(code.answers), code.points) for code in zone.codes] == [
        ("127.0.0.2/32", 4.0),
        ("127.0.0.10/31", 1.5),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        7,
        {"no domain": "refuse"},
        {"bl.example": "refused"},
        {"bl.example": True},
        {"bl.example": 1000},
        {"bl.example": {"action": "drop"}},
        {"bl.example": {"points": "many"}},
        {"bl.example": {"contact": "grün"}},
        {"bl.example": {"code": {}}},
        {"bl.example": {"codes": 3}},
        {"bl.example": {"codes": {"127.0.0": 3}}},
        {"bl.example": {"codes": {"127.0.0.2": {"text": 3}}}},
    ],
)
def test_a_mistake_is_told(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_zones(wrong)
