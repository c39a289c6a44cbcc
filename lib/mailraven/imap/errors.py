"""The refusal of a command that is right in itself: NO with a response code (RFC 5530)."""


class Refusal(Exception):
    """Answer NO with `text`, which may begin with a response code: "[TRYCREATE] no mailbox"."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
