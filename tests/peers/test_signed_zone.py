"""DANE with a zone that is truly signed, and unbound that truly validates."""

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from servers.authority import Holder, authority
from servers.queue_house import QueueHouse
from servers.signed_zone import signed, validating
from servers.smtp_server import SmtpServer

# The root itself is ours, so that what is asked at the start to detect DNSSEC is signed, too.
ZONE = """
$ORIGIN .
$TTL 60
@ IN SOA ns.example. hostmaster.example. 1 3600 600 86400 60
@ IN NS ns.example.
ns.example. IN A 127.0.0.1
far.example. IN MX 10 mx.far.example.
mx.far.example. IN A 127.0.0.1
_{port}._tcp.mx.far.example. IN TLSA {tlsa}
"""
OWN, OTHER = authority("Own").sign("mx.far.example"), authority("Other").sign("mx.far.example")


def tlsa(holder: Holder) -> str:
    key = holder.certificate.public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"3 1 1 {hashlib.sha256(spki).hexdigest()}"


def story(
    root: Path,
    promised: Holder,
    tell: Callable[[SmtpServer, QueueHouse], Awaitable[None]],
    forge: Callable[[str], str] = str,
) -> None:
    async def whole() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*OWN.write(root, "own"))
        async with SmtpServer(tls=context) as mail:
            zone = signed(ZONE.format(port=mail.port, tlsa=tlsa(promised)))
            zone.text = forge(zone.text)
            with validating(root / "unbound", zone) as endpoint:
                rest = f'[dns]\nresolvers = ["{endpoint}"]'
                async with QueueHouse(root, f"port = {mail.port}", rest) as queue:
                    await tell(mail, queue)

    asyncio.run(whole())


async def answer(queue: QueueHouse) -> str:
    entry = await queue.deferred(queue.submit("bob@far.example"))
    heard = entry.recipients[0].answer
    assert heard is not None
    return heard.text


def test_key_that_the_signed_zone_promises_is_enough(tmp_path: Path) -> None:
    async def tell(mail: SmtpServer, queue: QueueHouse) -> None:
        queue.submit("bob@far.example")
        await queue.until(lambda: len(mail.received) == 1)
        assert mail.received[0].tls
        assert queue.service.facts()["dnssec"] == "detected"

    story(tmp_path, OWN, tell)


def test_key_that_it_does_not_promise_holds_the_message(tmp_path: Path) -> None:
    async def tell(mail: SmtpServer, queue: QueueHouse) -> None:
        assert "DANE of mx.far.example" in await answer(queue)
        assert not mail.received

    story(tmp_path, OTHER, tell)


def test_record_that_was_forged_on_the_way_holds_the_message(tmp_path: Path) -> None:
    async def tell(mail: SmtpServer, queue: QueueHouse) -> None:
        assert "DANE of mx.far.example: name servers failed" in await answer(queue)
        assert not mail.received

    swap = tlsa(OTHER).split()[-1], tlsa(OWN).split()[-1]
    story(tmp_path, OTHER, tell, lambda text: text.replace(*swap))
