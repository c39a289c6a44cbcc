"""Small messages for the tests of scoring."""

from mailraven.policy.facts import Facts
from mailraven.policy.view import View, view_of

BORING = {
    "From": "Alice <alice@example.net>",
    "To": "bob@example.org",
    "Subject": "lunch",
    "Date": "Mon, 23 Nov 2026 10:00:00 +0100",
    "Message-ID": "<1@example.net>",
    "MIME-Version": "1.0",
}


def letter(body: str = "See you at noon.\n", **changes: str | None) -> bytes:
    """A boring message with other header fields: names with _ for -, None takes one away."""
    header = dict(BORING)
    for name, value in changes.items():
        field = name.replace("_", "-")
        header.pop(field, None)
        if value is not None:
            header[field] = value
    lines = [f"{name}: {value}\r\n" for name, value in header.items()]
    return ("".join(lines) + "\r\n" + body.replace("\n", "\r\n")).encode()


def html_letter(body: str, **changes: str | None) -> bytes:
    return letter(body, Content_Type="text/html; charset=utf-8", **changes)


def seen(message: bytes, facts: Facts | None = None) -> View:
    return view_of(message, facts or Facts())
