"""Where each recipient of a message goes, when an operator or the sender has said so."""

from dataclasses import replace
from pathlib import Path

import pytest

from mailraven.config.directory import WayOut
from mailraven.config.smarthosts import Smarthost
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.entry import QueuedRecipient, QueueEntry, instant, new_entry
from mailraven.queue.itinerary import Guide, itinerary
from mailraven.queue.routing import NextHop, RoutingTable

TABLE = RoutingTable(
    "mx.ours.example",
    lambda domain: domain == "ours.example",
    Path("/run/lmtp.sock"),
    routes={"fixed.example": "fixed-relay.example:26"},
    smarthosts={"press": Smarthost("press", "press.example:587", "us")},
    tls={"secret.example": "verified"},
)


def hop_of(**wishes: object) -> NextHop:
    """The next hop to example.net, for a message with those wishes."""
    envelope = Envelope("alice@ours.example", (Recipient("bob@example.net"),), TraceId("t"))
    entry = new_entry(QueueId("1m82nfmwap2ty"), envelope, 1, "7bit")
    guide = Guide(TABLE, lambda account, sender: WayOut())
    hop = itinerary(replace(entry, **wishes), guide, 0.0)[0]  # type: ignore[arg-type]
    assert isinstance(hop, NextHop)
    return hop


def test_sender_who_waives_tls_leaves_policies_aside() -> None:
    hop = hop_of(tls_optional=True)
    assert (hop.tls, hop.policies) == ("opportunistic", False)
    assert hop.key != hop_of().key  # a session without policies serves nobody else


def test_what_the_operator_asks_for_is_not_waived() -> None:
    table = replace(TABLE, tls={"example.net": "verified"})
    envelope = Envelope("alice@ours.example", (Recipient("bob@example.net"),), TraceId("t"))
    entry = new_entry(QueueId("1m82nfmwap2ty"), envelope, 1, "7bit")
    guide = Guide(table, lambda account, sender: WayOut())
    hop = itinerary(replace(entry, tls_optional=True), guide, 0.0)[0]
    assert isinstance(hop, NextHop) and hop.tls == "verified"


def test_requiretls_goes_before_the_field() -> None:
    # RFC 8689 §4.1
    hop = hop_of(require_tls=True, tls_optional=True)
    assert hop.require_tls and hop.policies and hop.tls == "verified"


def test_bounce_of_a_message_with_requiretls_is_sent_as_well_as_can_be() -> None:
    # RFC 8689 §5
    assert not hop_of(require_tls=True, reverse_path="").require_tls


def hop_for(address: str, route: str, way_out: WayOut | None = None) -> NextHop:
    one = QueuedRecipient(address, route=route)
    other = replace(one, address="other@example.net", route="")
    entry = QueueEntry(
        QueueId("1m82nfmwap2ty"), TraceId("t"), "", (one, other), instant(0), instant(0), 1
    )
    found = itinerary(entry, Guide(TABLE, lambda account, sender: way_out or WayOut()), 0.0)
    hop = found[0]
    assert isinstance(hop, NextHop)
    return hop


@pytest.mark.parametrize(
    ("address", "route", "expected"),
    [
        ("bob@example.net", "", ("mx", "example.net", 25)),
        ("bob@example.net", "relay.example:2525", ("host", "relay.example", 2525)),
        ("bob@fixed.example", "relay.example:2525", ("host", "relay.example", 2525)),
        ("bob@fixed.example", "mx", ("mx", "fixed.example", 25)),
        ("bob@example.net", "press", ("host", "press.example", 587)),
        ("bob@ours.example", "relay.example:2525", ("lmtp", "local", 25)),
    ],
)
def test_an_operator_chooses_the_next_hop_of_one_recipient(
    address: str, route: str, expected: tuple[str, str, int]
) -> None:
    hop = hop_for(address, route)
    assert (hop.kind, hop.host, hop.port) == expected


def test_a_detour_has_no_password_and_the_tls_that_the_domain_must_have() -> None:
    hop = hop_for("bob@secret.example", "relay.example:2525", WayOut(smarthost="press"))
    assert (hop.tls, hop.user) == ("verified", "")
    assert hop_for("bob@example.net", "press").user == "us"
