"""What a message demands of the next hop, found once when it is submitted."""

from collections.abc import Iterable
from pathlib import Path

from mailraven.queue.entry import Content

SLICE = 1 << 18  # octets read at once
HEADER_END = b"\r\n\r\n"


def content_of(chunks: Iterable[bytes]) -> Content:
    """What the message in `chunks` needs: "8bit" when only its body has octets above 127,
    "utf8-header" when its header has them too."""
    in_header = True
    tail = b"\r\n"  # so that a message without any header field starts with HEADER_END
    for chunk in chunks:
        clean = chunk.isascii()
        if in_header:
            joined = tail + chunk
            end = joined.find(HEADER_END)
            if not clean and not (joined if end < 0 else joined[:end]).isascii():
                return "utf8-header"
            in_header = end < 0
            tail = joined[-3:]
        if not clean:
            return "8bit"
    return "7bit"


def content_of_file(path: Path) -> Content:
    """The same for a message in a file, read in slices."""
    with path.open("rb") as file:
        return content_of(iter(lambda: file.read(SLICE), b""))
