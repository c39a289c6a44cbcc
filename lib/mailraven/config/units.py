"""The kinds of value a config key can have: how TOML writes it, what the code gets.

Every parser takes what tomllib gives (or what `from_text` made of an environment variable),
returns the typed value, and raises ValueError. Its arguments are sentences that go behind the key's
path, or (key within a table, sentence): one for each mistake.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

from mailraven.config.milters import Readers, parse_milters, show_milters
from mailraven.config.names import domain_name, target_address
from mailraven.config.rates import Rate, parse_rate
from mailraven.config.smarthosts import (
    TLS_WORDS,
    parse_smarthosts,
    show_smarthosts,
    smarthost_name,
)
from mailraven.config.tables import table_of
from mailraven.config.zones import parse_zones, show_zones, zones_from_text

Network = IPv4Network | IPv6Network

SIZE_LETTERS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
DURATION_LETTERS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
FAMILY_WORDS = ("any", "ipv4-first", "ipv6-first", "ipv4", "ipv6")
HIGHEST_NUMBER = 2**53  # larger ones are not exact in JSON


@dataclass(frozen=True, slots=True)
class Unit:
    """One kind of value; `name` is what the manual page calls it."""

    name: str
    parse: Callable[[object], object]
    show: Callable[[object], object]  # the typed value back to what TOML would hold
    from_text: Callable[[str], object]  # an environment variable to what TOML would hold


def sentence_of(error: ValueError) -> str:
    """What a unit found wrong, in one line."""
    return "; ".join(one if isinstance(one, str) else ": ".join(one) for one in error.args)


def split_endpoint(text: str) -> tuple[str, int]:
    """Host and port of "host:port" or "[IPv6]:port"; ValueError when it is neither."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]/]+)):([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65535:
        raise ValueError(f"{text!r} is not host:port (write 127.0.0.1:25 or [::1]:25)")
    if match[1] is not None:
        _address(match[1])
    return match[1] or match[2], int(match[3])


def _address(text: str) -> None:
    try:
        ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{_said(value)} is not a text (write it in quotes)")
    if not value.isprintable():
        raise ValueError(f"{value!r} holds a control character")
    return value


def _said(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _secret(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("this is not a text of one line")  # and the value stays out of any log
    return value


def _host(value: object) -> str:
    text = _text(value)
    return domain_name(text) if text else ""


def _size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= HIGHEST_NUMBER:
        return value
    match = re.fullmatch(r"([0-9]{1,16})([KMGT]?)", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{_said(value)} is not a size (write 50M)")
    return int(match[1]) * SIZE_LETTERS[match[2]]


def show_size(value: object) -> object:
    """52428800 as "50M"; a number that no letter divides stays a number."""
    if not isinstance(value, int) or value == 0:
        return value
    for letter in "TGMK":
        if value % SIZE_LETTERS[letter] == 0:
            return f"{value // SIZE_LETTERS[letter]}{letter}"
    return value


def _duration(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= HIGHEST_NUMBER:
        return value
    if not isinstance(value, str) or not re.fullmatch(r"(?:[0-9]{1,16}[smhdw])+", value):
        raise ValueError(f"{_said(value)} is not a duration (write 30s, 5m, 4h, 5d or 1h30m)")
    parts = re.findall(r"([0-9]+)([smhdw])", value)
    return sum(int(number) * DURATION_LETTERS[letter] for number, letter in parts)


def show_duration(value: object) -> object:
    """5400 as "90m", 86400 as "1d": the longest unit that divides it."""
    if not isinstance(value, int) or value == 0:
        return value
    for letter in "dhm":
        if value % DURATION_LETTERS[letter] == 0:
            return f"{value // DURATION_LETTERS[letter]}{letter}"
    return f"{value}s"


def _number_from(lowest: int, highest: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"{_said(value)} is not a number (write {max(lowest, 1)})")
        if not lowest <= value <= highest:
            raise ValueError(f"{value} is not between {lowest} and {highest}")
        return value

    return parse


def _score(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -999 <= value <= 999:
        raise ValueError(f"{_said(value)} is not a score (write 5 or 5.5)")
    return float(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{_said(value)} is neither true nor false")
    return value


def _path(value: object) -> Path | None:
    text = _text(value)
    if text and not text.startswith("/"):
        raise ValueError(f"{text!r} is not an absolute path (it must start with /)")
    return Path(text) if text else None


def _sure_path(value: object) -> Path:
    path = _path(value)
    if path is None:
        raise ValueError("the path is empty")
    return path


def _endpoint(value: object) -> str:
    text = _text(value)
    if text:
        split_endpoint(text)
    return text


def _listen(value: object) -> str:
    text = _text(value)
    host, _ = split_endpoint(text)
    _address(host)
    return text


def _ip(value: object) -> str:
    text = _text(value)
    _address(text)
    return text


def _sender(value: object) -> str:
    local, at, domain = _text(value).rpartition("@")
    if not at:
        raise ValueError(f"{value!r} is not an address (write info@example.org or *@example.org)")
    if local == "*":
        return f"*@{domain_name(domain)}"
    return target_address(f"{local.lower()}@{domain}", "")


def _network(value: object) -> Network:
    text = _text(value)
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a network (write 192.0.2.0/24 or 2001:db8::/32)"
        ) from None


def _rate(value: object) -> Rate:
    return parse_rate(_text(value))


def _list_of(parse_one: Callable[[object], object]) -> Callable[[object], object]:
    def parse(value: object) -> object:
        if not isinstance(value, list):
            raise ValueError(f"{_said(value)} is not a list (write [...])")
        parsed: list[object] = []
        mistakes: list[object] = []
        for one in value:
            try:
                parsed.append(parse_one(one))
            except ValueError as error:
                mistakes.extend(error.args)
        if mistakes:
            raise ValueError(*mistakes)
        return tuple(parsed)

    return parse


def _domain_or_rest(value: object) -> str:
    return "*" if value == "*" else domain_name(_text(value))


def _next_hop(value: object) -> str:
    text = _text(value)
    split_endpoint(text)
    return text


def _helo_name(value: object) -> str:
    return domain_name(_text(value))


def _ip_key(value: object) -> str:
    _ip(value)
    return str(ip_address(str(value)))


def _one_of(words: tuple[str, ...]) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value not in words:
            raise ValueError(f"{_said(value)} is none of {', '.join(words)}")
        return str(value)

    return parse


def _milters(value: object) -> object:
    return parse_milters(value, Readers(_duration, split_endpoint))


def _smarthosts(value: object) -> object:
    return parse_smarthosts(value, split_endpoint)


def _same(value: object) -> object:
    return value


def _show_path(value: object) -> object:
    return "" if value is None else str(value)


def _show_list(value: object) -> object:
    return [str(one) for one in value] if isinstance(value, tuple) else value


def _words(text: str) -> object:
    return [word.strip() for word in text.split(",") if word.strip()]


def _pairs(text: str) -> object:
    return dict(pair.strip().partition("=")[::2] for pair in text.split(",") if pair.strip())


def _number_text(text: str) -> object:
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else text


def _score_text(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _flag_text(text: str) -> object:
    return TRUTHS.get(text.lower(), text)


def choice(*words: str) -> Unit:
    """One of `words`, exactly."""

    return Unit(" | ".join(words), _one_of(words), _same, str)


TEXT = Unit("text", _text, _same, str)
SECRET = Unit("secret", _secret, _same, str)
HOST = Unit("host name", _host, _same, str)
SIZE = Unit("size", _size, show_size, _number_text)
DURATION = Unit("duration", _duration, show_duration, _number_text)
COUNT = Unit("number", _number_from(1, 1_000_000), _same, _number_text)
NUMBER = Unit("number", _number_from(0, 1_000_000_000), _same, _number_text)
SCORE = Unit("score", _score, _same, _score_text)
PORT = Unit("port", _number_from(1, 65535), _same, _number_text)
FLAG = Unit("true | false", _flag, _same, _flag_text)
PATH = Unit("path", _sure_path, _show_path, str)
OPTIONAL_PATH = Unit("path", _path, _show_path, str)
ENDPOINT = Unit("host:port", _endpoint, _same, str)
LISTEN = Unit("list of address:port", _list_of(_listen), _show_list, _words)
ADDRESSES = Unit("list of addresses", _list_of(_ip), _show_list, _words)
NETWORKS = Unit("list of networks", _list_of(_network), _show_list, _words)
RATES = Unit("list of rates", _list_of(_rate), _show_list, _words)
TEXTS = Unit("list of texts", _list_of(_text), _show_list, _words)
SENDERS = Unit("list of addresses", _list_of(_sender), _show_list, _words)
ROUTES = Unit(
    "table of domain = host:port",
    table_of("domain = host:port", _domain_or_rest, _next_hop),
    _same,
    _pairs,
)
TLS_DEMANDS = Unit(
    "table of domain = word",
    table_of("domain = word", domain_name, _one_of(TLS_WORDS)),
    _same,
    _pairs,
)
FAMILIES = Unit(
    "table of domain = family",
    table_of("domain = family", _domain_or_rest, _one_of(FAMILY_WORDS)),
    _same,
    _pairs,
)
HELO_NAMES = Unit(
    "table of address = host name",
    table_of("address = host name", _ip_key, _helo_name),
    _same,
    _pairs,
)
SMARTHOST_NAME = Unit("name", smarthost_name, _same, str)
SMARTHOSTS = Unit("table of smarthosts", _smarthosts, show_smarthosts, _pairs)
ZONES = Unit("table of lists", parse_zones, show_zones, zones_from_text)
MILTERS = Unit("table of filters", _milters, show_milters, _pairs)
