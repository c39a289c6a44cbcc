"""How we call a host: from which of our addresses, by which name, and with which password."""

import asyncio
import os
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from mailraven.config.schema import Config
from mailraven.daemons.outgoing import Outgoing, connect, connect_unix
from mailraven.daemons.smtp_sender import SessionFailed
from mailraven.observe import log
from mailraven.queue.routing import Hop, NextHop
from mailraven.smtp.client_events import Outcome
from mailraven.smtp.client_replies import Reply

PASSWORD_LIMIT = 1024  # octets


async def dial(config: Config, hop: NextHop, host: Hop) -> Outgoing:
    """A connection with one address of `hop`. Raises SessionFailed."""
    source = source_for(hop, host.address)
    try:
        async with asyncio.timeout(config.queue.connect_timeout):
            if hop.kind == "lmtp" and hop.socket is not None:
                return await connect_unix(hop.socket)
            return await connect(host.address, host.port, source)
    except OSError as error:
        way = f" (from {source})" if source else ""
        raise _failure(f"4.4.1 {_why(error)}{way}", "connect") from error  # RFC 3463 §3.5


def _why(error: OSError) -> str:
    """The system's own words; an event loop has put others before them."""
    if error.errno:
        return os.strerror(error.errno).lower()
    return "connecting timed out" if isinstance(error, TimeoutError) else str(error)


def source_for(hop: NextHop, address: str) -> str | None:
    """Our address for connections to `address`: the first of its family; None is any."""
    six = ":" in address
    return next((own for own in hop.sources if (":" in own) == six), None)


def helo_name(config: Config, connection: Outgoing) -> str:
    """What we call ourselves: the name of the address that we talk from, else the hostname."""
    names = config.queue.helo_names
    address = connection.local_address() if names else ""
    return names.get(str(ip_address(address)), config.hostname) if address else config.hostname


def with_password(hop: NextHop) -> NextHop:
    """`hop` with what its file says. Raises SessionFailed."""
    if hop.password_file is None:
        return hop
    try:
        password = _read_secret(hop.password_file)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        log.event("password-file", level="error", path=str(hop.password_file), error=why)
        # The path is nothing for senders.
        raise _failure(f"4.3.5 the password for {hop.host} cannot be read", "AUTH") from error
    return replace(hop, password=password)


def _read_secret(path: Path) -> str:
    """The one line of a file. Raises OSError, ValueError."""
    with path.open("rb") as file:
        octets = file.read(PASSWORD_LIMIT + 1)
    if len(octets) > PASSWORD_LIMIT:
        raise ValueError("the file is too long")
    try:
        text = octets.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise ValueError("the file is not one line of text")
    return text


def _failure(text: str, command: str) -> SessionFailed:
    return SessionFailed(Outcome(Reply(451, (text,)), command, heard=False))
