"""TLS as a client between two buffers: octets of the wire in and out, plaintext in and out.

No socket and no event loop: outgoing.py carries the octets.
"""

import ssl
from contextlib import suppress

DER = 2  # _ssl.ENCODING_DER
SLICE = 64 * 1024  # octets of plaintext asked for at a time


class ClientTls:
    """One TLS session with the server that `host` names, by the rules of `context`.

    `is_over` once the server has ended it, or broken it. Raises ssl.SSLError for what the DNS takes
    for a name, but TLS does not.
    """

    __slots__ = ("_in", "_is_shaken", "_out", "_tls", "is_over")

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        try:
            self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        except UnicodeError as error:
            raise ssl.SSLError(f"{host[:100]} is no name for TLS") from error
        self._is_shaken = False
        self.is_over = False

    def shake_hands(self) -> bool:
        """Go on with the handshake by what has come; whether it is done. Raises ssl.SSLError."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self._is_shaken = True
        return True

    def decrypt(self, data: bytes) -> bytes:
        """The plaintext that `data` completes; none before the handshake is done."""
        self._in.write(data)
        if not self._is_shaken:
            return b""
        plain = []
        try:
            while part := self._tls.read(SLICE):
                plain.append(part)
            self.is_over = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.is_over = True
        return b"".join(plain)

    def encrypt(self, data: bytes) -> None:
        """Make `data` ready for `to_send`. What cannot be encrypted ends the session."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError:
            self.is_over = True

    def to_send(self) -> bytes:
        """Octets for the server; each is handed out once."""
        return self._out.read()

    def close(self) -> None:
        """Say that no more comes from us; nobody waits for the answer. RFC 8446 §6.1"""
        with suppress(ssl.SSLError):
            self._tls.unwrap()

    def version(self) -> str:
        """ "TLSv1.3"; "" before the handshake."""
        return self._tls.version() or ""

    def peer_chain(self) -> list[bytes]:
        """The certificates that the server showed, as DER, its own first; not verified."""
        # Public as SSLObject.get_unverified_chain when Python 3.13 is the minimum.
        chain = self._tls._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
        return [one.public_bytes(DER) for one in chain or ()]
