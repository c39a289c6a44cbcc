"""What a port offers at this moment: the lines of EHLO, the mechanisms, the name of the talk."""

from mailraven.smtp.events import Port


def mechanisms(port: Port, *, tls: bool) -> tuple[str, ...]:
    """The AUTH mechanisms that may be used now: none before TLS unless the port says so."""
    if tls:
        return port.mechanisms
    if not port.plaintext_auth:
        return ()
    return tuple(name for name in port.mechanisms if not name.endswith("-PLUS"))


def extensions(port: Port, *, tls: bool, authenticated: bool) -> list[str]:
    """The lines of the reply to EHLO. BINARYMIME is not among them: what is stored has lines."""
    lines = [port.hostname, "PIPELINING", f"SIZE {port.message_size}"]
    if port.starttls and not tls:
        lines.append("STARTTLS")
    offered = mechanisms(port, tls=tls)
    if offered and not authenticated:
        lines.append("AUTH " + " ".join(offered))
    if tls:
        lines.append("REQUIRETLS")  # RFC 8689 §2
    lines += ["ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN"]
    return [*lines, f"LIMITS RCPTMAX={port.recipients}"]  # RFC 9422 §4


def protocol(port: Port, *, extended: bool, smtputf8: bool, tls: bool, authenticated: bool) -> str:
    """The name for "with" in Received (RFC 3848; RFC 6531 §4.3)."""
    if port.kind == "lmtp":
        name = "LMTP"
    elif not extended:
        return "SMTP"
    else:
        name = "SMTP" if smtputf8 else "ESMTP"
    return ("UTF8" if smtputf8 else "") + name + "S" * tls + "A" * authenticated
