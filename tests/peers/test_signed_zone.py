"""DANE with a zone that is truly signed, and unbound that truly validates. RFC 7672"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from servers.authority import Holder, authority, server_context, tlsa
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
"""
ROOT = authority("Own")
OWN, OTHER = ROOT.sign("mx.far.example"), authority("Other").sign("mx.far.example")
EXPIRED, STRANGE = ROOT.sign("mx.far.example", days=-1), ROOT.sign("www.elsewhere.example")
BY_DOMAIN = ROOT.sign("far.example")


def anchor(holder: Holder) -> str:
    """A TLSA record "2 0 1" for an authority."""
    return f"2 0 1 {hashlib.sha256(holder.chain[0]).hexdigest()}"


@dataclass(frozen=True)
class Story:
    """What the server shows, what the zone promises, and what somebody on the way does to it."""

    promised: tuple[str, ...]
    shown: Holder | None = OWN
    script: dict[str, list[bytes | None]] = field(default_factory=dict)
    forge: tuple[str, str] = ("", "")


def play(
    root: Path, story: Story, tell: Callable[[SmtpServer, QueueHouse], Awaitable[None]]
) -> None:
    async def whole() -> None:
        context = server_context(story.shown, root) if story.shown else None
        script = {verb: list(replies) for verb, replies in story.script.items()}
        async with SmtpServer(script, tls=context) as mail:
            lines = [f"_{mail.port}._tcp.mx.far.example. IN TLSA {one}" for one in story.promised]
            zone = signed(ZONE + "\n".join(lines) + "\n")
            zone.text = zone.text.replace(*story.forge)
            with validating(root / "unbound", zone) as endpoint:
                rest = f'[dns]\nresolvers = ["{endpoint}"]'
                settings = f'port = {mail.port}\ncommand_timeout = "5s"'
                async with QueueHouse(root, settings, rest) as queue:
                    await tell(mail, queue)

    asyncio.run(whole())


ACCEPTED = {
    "the key of the server": Story((tlsa(OWN),)),
    "the key beside that of tomorrow": Story((tlsa(OTHER), tlsa(OWN))),
    "the key of a certificate that has expired": Story((tlsa(EXPIRED),), EXPIRED),
    "the key of a certificate for another name": Story((tlsa(STRANGE),), STRANGE),
    "the authority": Story((anchor(ROOT),)),
    "the authority of a certificate for the domain": Story((anchor(ROOT),), BY_DOMAIN),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_mail_goes_encrypted_when_the_signed_zone_promises(tmp_path: Path, name: str) -> None:
    """With DANE-EE neither names nor dates count (§3.1.1); with DANE-TA both do (§3.1.2)."""

    async def tell(mail: SmtpServer, queue: QueueHouse) -> None:
        queue.submit("bob@far.example")
        await queue.until(lambda: len(mail.received) == 1)
        assert mail.received[0].tls
        assert queue.service.facts()["dnssec"] == "detected"

    play(tmp_path, ACCEPTED[name], tell)


NO_MATCH = "no certificate of the server matches the TLSA records"
NO_AUTHORITY = "no authority of the server's chain matches the TLSA records"
REFUSED: dict[str, tuple[Story, str]] = {
    "another key": (Story((tlsa(OTHER),)), NO_MATCH),
    "another authority": (Story((anchor(authority("X")),)), NO_AUTHORITY),
    "the authority, but the certificate has expired": (
        Story((anchor(ROOT),), EXPIRED),
        "has expired",
    ),
    "the authority, but the name is another": (
        Story((anchor(ROOT),), STRANGE),
        "the certificate is not for mx.far.example or far.example",
    ),
    "the key, and TLS is not offered": (
        Story((tlsa(OWN),), None),
        "TLS is required, but not offered",
    ),
    "the key, and STARTTLS is refused": (
        Story((tlsa(OWN),), script={"STARTTLS": [b"454 4.7.0 not now\r\n"] * 9}),
        "454 4.7.0 not now",
    ),
    "the key, and the handshake is broken off": (
        Story((tlsa(OWN),), script={"STARTTLS": [b"220 go\r\nno TLS\r\n"] * 9}),
        "plaintext after the answer to STARTTLS",
    ),
    "another key, and a forger swaps it": (
        Story((tlsa(OTHER),), forge=(tlsa(OTHER).split()[-1], tlsa(OWN).split()[-1])),
        "name servers failed",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_mail_waits_and_never_goes_in_plaintext_when_the_signed_zone_promises(
    tmp_path: Path, name: str
) -> None:
    story, why = REFUSED[name]

    async def tell(mail: SmtpServer, queue: QueueHouse) -> None:
        entry = await queue.deferred(queue.submit("bob@far.example"))
        answer = entry.recipients[0].answer
        assert answer is not None and why in answer.text
        assert not mail.received
        assert not any(line.startswith(b"MAIL") for line in mail.commands)

    play(tmp_path, story, tell)
