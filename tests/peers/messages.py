"""Messages for the peers to carry, and what is asked of those that arrive."""

import base64
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

EIGHT_BIT = "Grüße aus Köln: käme die Post doch öfter – 12 €.\n.\n..two dots\nFrom here\n"


def compose(sender: str, to: str, subject: str, text: str = EIGHT_BIT) -> bytes:
    """A message with 8-bit UTF-8 text, lines that start with dots and a unique Message-ID."""
    slug = subject.replace(" ", ".")
    head = {
        "From": sender,
        "To": to,
        "Subject": subject,
        "Date": "Sun, 22 Nov 2026 10:00:00 +0000",
        "Message-ID": f"<{slug}@{sender.partition('@')[2]}>",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
    }
    lines = "".join(f"{name}: {value}\n" for name, value in head.items())
    return f"{lines}\n{text}".replace("\n", "\r\n").encode()


def parse(message: bytes) -> EmailMessage:
    return message_from_bytes(message, _class=EmailMessage, policy=policy.default)


def body_of(message: bytes) -> str:
    """The octets after the header as text, with LF line ends."""
    text = message.replace(b"\r\n", b"\n").decode()
    return text.partition("\n\n")[2]


def valid_signatures(message: bytes, keys: Path) -> int:
    """How many DKIM signatures `message` has; fails when one does not verify.

    `keys` is the domain's folder of private keys: the records are made from them here, by hand,
    so that what the server publishes is not trusted.
    """

    def txt_record(name: bytes, timeout: float = 0) -> bytes:
        selector = name.decode().partition("._domainkey.")[0]
        return dkim_record((keys / f"{selector}.pem").read_bytes())

    count = len(parse(message).get_all("DKIM-Signature", []))
    for index in range(count):
        assert dkim.DKIM(message).verify(index, txt_record), f"signature {index} is broken"
    return count


def dkim_record(pem: bytes) -> bytes:
    """The TXT record of a private key."""
    public = serialization.load_pem_private_key(pem, None).public_key()
    if isinstance(public, Ed25519PublicKey):
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)
