"""dnsbl.zones: lists in the DNS, each a word for what to do or a table.

zones."bl.example" = "refuse"
zones."wl.example" = -2.0

[dnsbl.zones."zen.example"]
action = "score"            # or "refuse"
points = 3.0
contact = "https://check.example/{ip}"
codes."127.0.0.2" = { points = 4.0, text = "known source of spam" }
codes."127.0.0.10/31" = 1.5
"""

from ipaddress import IPv4Network

from mailraven.config.names import domain_name
from mailraven.policy.dnsbl import Code, Zone

REFUSE_POINTS = 8.0  # of a list whose hosts are refused, for mail that is let in all the same
SCORE_POINTS = 3.0
POINTS_LIMIT = 100.0
_KEYS = ("action", "points", "contact", "codes")


def parse_zones(value: object) -> dict[str, Zone]:
    """The lists of a table, by zone. Raises ValueError with (key, sentence) for each mistake."""
    if not isinstance(value, dict):
        raise ValueError(f'{value!r} is not a table of lists (write zones."bl.example" = "refuse")')
    zones: dict[str, Zone] = {}
    mistakes: list[tuple[str, str]] = []
    for key, settings in value.items():
        try:
            name = domain_name(key)
            zones[name] = _zone(name, settings)
        except ValueError as error:
            mistakes += [(str(key), str(what)) for what in error.args]
    if mistakes:
        raise ValueError(*mistakes)
    return zones


def show_zones(value: object) -> object:
    """What TOML would hold."""
    return (
        {name: _shown(zone) for name, zone in value.items()} if isinstance(value, dict) else value
    )


def zones_from_text(text: str) -> object:
    """`bl.example=refuse, wl.example=-2` of the environment."""
    pairs = (pair.strip().partition("=")[::2] for pair in text.split(",") if pair.strip())
    return {name: word if word == "refuse" else _number(word) for name, word in pairs}


def _number(word: str) -> object:
    try:
        return float(word)
    except ValueError:
        return word


def _zone(name: str, settings: object) -> Zone:
    if settings == "refuse":
        return Zone(name, refuse=True, points=REFUSE_POINTS)
    if not isinstance(settings, dict):
        return Zone(name, points=_points(settings))
    for key in settings:
        if key not in _KEYS:
            raise ValueError(f"{key}: no such key (there are {', '.join(_KEYS)})")
    action, contact = settings.get("action", "score"), settings.get("contact", "")
    if action not in ("refuse", "score"):
        raise ValueError("action is refuse or score")
    if not isinstance(contact, str) or not (contact.isascii() and contact.isprintable()):
        raise ValueError("contact is a text in ASCII")
    points = _points(settings.get("points", REFUSE_POINTS if action == "refuse" else SCORE_POINTS))
    codes = settings.get("codes", {})
    if not isinstance(codes, dict):
        raise ValueError('codes is a table (write codes."127.0.0.2" = 3.0)')
    found = tuple(_code(key, what, points) for key, what in codes.items())
    return Zone(name, action == "refuse", points, contact, found)


def _code(key: str, what: object, points: float) -> Code:
    try:
        answers = IPv4Network(key)
    except ValueError:
        raise ValueError(f"codes: {key!r} is no IPv4 address or network") from None
    if not isinstance(what, dict):
        return Code(answers, _points(what), "")
    text = what.get("text", "")
    if not isinstance(text, str) or not text.isprintable() or set(what) - {"points", "text"}:
        raise ValueError(f'codes: {key}: write {{ points = 3.0, text = "why" }}')
    return Code(answers, _points(what.get("points", points)), text)


def _points(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f'{value!r} is neither "refuse" nor points nor a table')
    if not -POINTS_LIMIT <= value <= POINTS_LIMIT:
        raise ValueError(f"points go from -{POINTS_LIMIT:g} to {POINTS_LIMIT:g}")
    return float(value)


def _shown(zone: Zone) -> object:
    return {
        "action": "refuse" if zone.refuse else "score",
        "points": zone.points,
        "contact": zone.contact,
        "codes": {
            str(code.answers): {"points": code.points, "text": code.text} for code in zone.codes
        },
    }
