"""Mail that an alias sends on, from the stranger to the far end and the bounce all the way back."""

import asyncio
import base64
import re
from collections.abc import Callable
from dataclasses import dataclass

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from mailraven.ops.demo import Demo
from mailraven.queue.spool import Spool
from peers.patience import wait_for
from servers.queue_house import is_empty
from servers.smtp_server import Received, SmtpServer
from transcripts.live import DOMAIN, running
from unit.daemons.smtp_house import LARGE, MAIL, answer_to, new_house, stranger

FORWARD = f"farther@{DOMAIN}"  # goes to far@example.net
SENDER = "x@example.net"


@dataclass
class Road:
    """The server here, and the one far away that gets whatever leaves it."""

    house: Demo
    far: SmtpServer

    def send(self, sender: str, to: str, data: bytes = MAIL) -> str:
        """What a stranger hears who sends that."""
        with stranger(self.house) as smtp:
            return answer_to(smtp, sender, [to], data)

    def arrival(self) -> Received:
        """The next message that arrives far away."""
        wait_for("a message far away", lambda: len(self.far.received) > 0)
        spool = Spool(self.house.root / "spool")
        wait_for("an empty queue", lambda: is_empty(spool))
        return self.far.received.pop()


def travel(network: int, tell: Callable[[Road], None]) -> None:
    async def story() -> None:
        async with SmtpServer() as far:
            with new_house(network) as demo:
                with (demo.etc / "mailraven.toml").open("a") as config:
                    config.write(f'\n[queue]\nroutes = {{"*" = "{far.address}:{far.port}"}}\n')
                await asyncio.to_thread(live, demo, far)

    def live(demo: Demo, far: SmtpServer) -> None:
        with running(demo, "smtpd", "queued", message_size="3M"):
            tell(Road(demo, far))

    asyncio.run(story())


def path_of(command: bytes) -> str:
    found = re.search(rb"<(.*?)>", command)
    assert found is not None
    return found[1].decode()


def test_bounce_of_a_forwarded_message_comes_back_to_its_sender() -> None:
    def tell(road: Road) -> None:
        assert road.send(SENDER, FORWARD).startswith("250 ")
        there = road.arrival()
        return_path = path_of(there.mail)
        assert return_path.startswith("SRS0=")
        assert return_path.endswith(f"=example.net=x@{DOMAIN}")
        assert path_of(there.rcpt[0]) == "far@example.net"
        assert road.send("", return_path).startswith("250 ")
        back = road.arrival()
        assert (path_of(back.mail), path_of(back.rcpt[0])) == ("", SENDER)

    travel(21, tell)


def test_return_address_is_for_bounces_and_for_nothing_that_was_forged() -> None:
    def tell(road: Road) -> None:
        assert road.send(SENDER, FORWARD).startswith("250 ")
        return_path = path_of(road.arrival().mail)
        assert road.send("y@example.net", return_path).startswith("550 5.7.1 only bounces")
        forged = return_path.replace("=x@", "=victim@")
        assert road.send("", forged).startswith("550 5.1.1 no such user")

    travel(22, tell)


@pytest.mark.parametrize("sender", ["", f"alice@{DOMAIN}"])
def test_bounces_and_senders_of_our_own_are_sent_on_as_they_are(sender: str) -> None:
    def tell(road: Road) -> None:
        assert road.send(sender, FORWARD).startswith("250 ")
        assert path_of(road.arrival().mail) == sender

    travel(23, tell)


def test_message_that_comes_back_to_its_alias_is_a_loop() -> None:
    def tell(road: Road) -> None:
        assert road.send(SENDER, FORWARD).startswith("250 ")
        there = road.arrival()
        assert f"\nDelivered-To: {FORWARD}\r\n".encode() in b"\n" + there.data
        again = road.send(path_of(there.mail), FORWARD, there.data)
        assert again.startswith("554 5.4.6 mail loop: it was sent on from here before")

    travel(24, tell)


@pytest.mark.parametrize("text", [MAIL, LARGE], ids=["small", "large"])
def test_signature_of_the_sender_holds_at_the_far_end(text: bytes) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(spki)
    # Signed are also fields that are not there, as large senders do: we must not add those.
    fields = [b"From", b"Subject", b"To", b"Date", b"Reply-To", b"List-Id", b"MIME-Version"]
    signature = dkim.sign(text, b"s1", b"example.net", pem, include_headers=fields)

    def tell(road: Road) -> None:
        assert road.send(SENDER, FORWARD, signature + text).startswith("250 ")
        there = road.arrival()
        assert dkim.verify(there.data, dnsfunc=lambda name, timeout=5: record)
        assert there.data.endswith(signature + text)

    travel(25, tell)
