"""Received and its company (RFC 5321 §4.4), and how loops are seen."""

import pytest

from mailraven.smtp.trace_header import (
    Hop,
    delivered_to,
    hops,
    received,
    trace_of,
    was_delivered_to,
)

HOP = Hop("mx.a.example", "192.0.2.1", "mx.b.example", "ESMTP", "0a1b2c", "Sun, 22 Nov 2026")


def test_a_name_that_is_none_cannot_forge_a_field() -> None:
    for helo in ("a\r\nBcc: x", "a) by evil (", "jürgen", 'q"u\\o', ""):
        field = received(Hop(helo, "::1", "b", "SMTP", "0a", "date"))
        assert field.startswith(b"Received: from unknown ([IPv6:::1] HELO ")
        assert field.count(b"\r\n") == 3
        assert field.count(b"(") == field.count(b")") == 1


@pytest.mark.parametrize("tls", [("", ""), ("TLSv1.3", "TLS_AES_128_GCM_SHA256")])
@pytest.mark.parametrize("recipient", ["", "bob@b.example"])
def test_our_own_field_gives_its_trace_back(tls: tuple[str, str], recipient: str) -> None:
    hop = Hop(HOP.helo, HOP.peer, HOP.hostname, "ESMTPS", HOP.trace, HOP.date, recipient, tls)
    assert trace_of(received(hop) + b"Subject: x\r\n\r\n", "mx.b.example") == "0a1b2c"
    assert trace_of(received(hop), "mx.c.example") == ""
    assert trace_of(b"Subject: x\r\n" + received(hop), "mx.b.example") == ""


def test_hops_are_counted_in_any_case() -> None:
    assert hops(b"Received: a\r\nX: y\r\nreceived: b\r\nRECEIVED: c\r\nX-Received: d\r\n") == 3


def test_only_the_same_address_is_a_loop() -> None:
    header = b"Subject: x\r\n" + delivered_to("Bob@example.org")
    assert was_delivered_to(header, "bob@example.org")
    assert not was_delivered_to(header, "ob@example.org")
    assert not was_delivered_to(header, "bob@example.orgy")


@pytest.mark.parametrize(
    ("recipient", "shown"),
    [
        ("bob@bücher.example", b" for <bob@xn--bcher-kva.example>;"),
        ("jürgen@bücher.example", " for <jürgen@bücher.example>;".encode()),
    ],
)
def test_what_could_go_on_without_smtputf8_still_can(recipient: str, shown: bytes) -> None:
    # RFC 6531 §3.5: else our own field would be what the next server cannot take
    hop = Hop("c.example", "192.0.2.1", "mx.example", "UTF8SMTP", "ab12", "now", recipient)
    assert shown in received(hop)
