"""A smarthost that is one of ours: it offers SCRAM, and is logged in to."""

import asyncio
import ssl
from dataclasses import replace

import pytest

from mailraven.daemons.outgoing import connect
from mailraven.daemons.smtp_sender import SessionFailed, SmtpSender
from mailraven.ops.demo import Demo
from mailraven.queue.routing import NextHop
from mailraven.smtp.client import ClientEngine
from transcripts.live import DOMAIN, PASSWORD, running
from unit.daemons.smtp_house import new_house


@pytest.mark.parametrize("port", ["submission", "submissions"])
def test_smarthost_of_our_own_kind_lets_us_in_by_scram(port: str) -> None:
    with new_house(27) as demo, running(demo, "authd", "smtpd"):
        hop = NextHop("host", demo.address, demo.ports[port], tls="verified")
        hop = replace(hop, user=f"alice@{DOMAIN}", tls_at_once=port == "submissions")
        asyncio.run(log_in(demo, replace(hop, password=PASSWORD)))
        with pytest.raises(SessionFailed, match=r"535 5\.7\.8"):
            asyncio.run(log_in(demo, replace(hop, password="wrong")))


async def log_in(demo: Demo, hop: NextHop) -> None:
    connection = await connect(demo.address, hop.port)
    sender = SmtpSender(connection, ClientEngine("mx.ours.example"), "x", 300.0)
    try:
        await sender.open(hop, demo.address, ssl.create_default_context(cafile=str(demo.ca)))
        assert {"SCRAM-SHA-256", "PLAIN"} <= sender.extensions.mechanisms
    finally:
        connection.abort()
