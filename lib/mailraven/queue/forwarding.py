"""Mail that an alias sends on: whom it comes from then, and the mark that shows it coming back."""

from collections.abc import Callable
from dataclasses import dataclass

from mailraven.mail.address import split_address
from mailraven.mail.envelope import NULL_REVERSE_PATH
from mailraven.mail.errors import TemporaryError
from mailraven.observe import log
from mailraven.queue.srs import rewritten
from mailraven.queue.srs_secrets import SrsSecrets
from mailraven.smtp.trace_header import delivered_to


@dataclass(frozen=True, slots=True)
class Forwarder:
    """Who we are to those whom we send mail on to; without secrets no address is rewritten."""

    is_local: Callable[[str], bool]
    secrets: SrsSecrets

    def reverse_path(self, path: str, via: str, now: float) -> str:
        """Whom a message from `path` comes from when the alias `via`, if any, sends it on.

        Bounces stay bounces, and what our own domains send is ours to send.
        """
        if not via or path == NULL_REVERSE_PATH or self.is_local(split_address(path)[1]):
            return path
        try:
            secrets = self.secrets.all()
        except TemporaryError:  # better that some refuse it (SPF) than that all mail waits
            log.event("srs-secrets-broken", level="error")
            return path
        return rewritten(path, split_address(via)[1], secrets[0], now) if secrets else path


def mark(via: str) -> bytes:
    """The field to put before a message that the alias `via` sends on, as for a delivery."""
    return delivered_to(via) if via and via.isascii() else b""
