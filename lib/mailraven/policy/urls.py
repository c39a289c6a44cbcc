"""Links of a message, taken apart. Whatever their text, nothing raises."""

import re
from functools import lru_cache
from typing import NamedTuple

from mailraven.policy.domains import is_address, registered

URL_LIMIT = 300  # links of one message that are looked at
URL_LENGTH = 2000  # characters of one link
_URL = re.compile(r"\s*+(https?):?[/\\]{0,4}([^/\\?#\s]*+)(\S*+)", re.IGNORECASE)
_IN_TEXT = re.compile(r"\bhttps?://[^\s<>\"'()\[\]]{3,2000}+", re.IGNORECASE)
_NUMBER_HOST = re.compile(r"\d{7,10}|0x[0-9a-f]+|0\d+(?:\.\d+){1,3}")


class Url(NamedTuple):
    """A link: `host` in lower case without user and port, `rest` from the path on."""

    text: str
    host: str
    user: str
    rest: str

    @property
    def domain(self) -> str:
        return registered(self.host)

    @property
    def is_bare_address(self) -> bool:
        """Whether the host is a number: an address, or one in disguise."""
        return is_address(self.host) or _NUMBER_HOST.fullmatch(self.host) is not None


@lru_cache(2048)
def parse_url(text: str) -> Url | None:
    """The parts of an http link; None for anything else."""
    match = _URL.match(text[:URL_LENGTH])
    if match is None:
        return None
    user, _, host = match[2].rpartition("@")
    host = host.lower() if host.startswith("[") else host.partition(":")[0].lower()
    return Url(text[:URL_LENGTH], host.strip("."), user, match[3]) if host else None


def urls_in(text: str) -> list[Url]:
    """The links that stand in plain text, at most URL_LIMIT."""
    found: list[Url] = []
    for match in _IN_TEXT.finditer(text):
        url = parse_url(match[0].rstrip(".,;:!?*"))
        if url is not None:
            found.append(url)
        if len(found) >= URL_LIMIT:
            break
    return found
