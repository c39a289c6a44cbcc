"""Colours of HTML, as far as it takes to see whether a text can be read."""

import re
from functools import lru_cache
from typing import NamedTuple

Colour = tuple[int, int, int]  # red, green, blue, 0 to 255

WHITE: Colour = (255, 255, 255)
_NAMES: dict[str, Colour] = {
    "white": WHITE,
    "black": (0, 0, 0),
    "snow": (255, 250, 250),
    "ivory": (255, 255, 240),
    "whitesmoke": (245, 245, 245),
    "ghostwhite": (248, 248, 255),
    "silver": (192, 192, 192),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "red": (255, 0, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
    "navy": (0, 0, 128),
    "yellow": (255, 255, 0),
    "orange": (255, 165, 0),
    "teal": (0, 128, 128),
    "purple": (128, 0, 128),
    "maroon": (128, 0, 0),
}
_HEXADECIMAL = re.compile(r"#?([0-9a-f]{6}|[0-9a-f]{3})\b")
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})")
_FOREGROUND = re.compile(
    r"(?:^|[;\s\"'])(?:color|text)\s{0,3}[:=]\s{0,3}[\"']?\s{0,3}([^;\"'>]{1,40})"
)
_BACKGROUND = re.compile(
    r"(?:background(?:-color)?|bgcolor)\s{0,3}[:=]\s{0,3}[\"']?\s{0,3}([^;\"'>]{1,40})"
)
_HIDDEN = re.compile(
    r"display\s{0,3}:\s{0,3}none|visibility\s{0,3}:\s{0,3}hidden|mso-hide\s{0,3}:\s{0,3}all"
    r"|opacity\s{0,3}:\s{0,3}0(?:\.0\d{0,2})?\s{0,3}(?:[;\"'!]|$)"
    r"|max-height\s{0,3}:\s{0,3}0|text-indent\s{0,3}:\s{0,3}-\d{3}"
)
_FONT_SIZE = re.compile(
    r"font-size\s{0,3}:\s{0,3}(?:(\d{1,4}(?:\.\d{0,4})?|\.\d{1,4})\s{0,3}(px|pt|)"
    r"|(?:x{1,2}-)?(?:small|medium|large))"
)
LEAST_DISTANCE = 45  # sum of the differences of the three colours, below which nobody reads


class Look(NamedTuple):
    """What the attributes of an element say of its look; None is "nothing".

    `hidden` holds for all that is inside. `tiny` does until another size is named: many builders of
    mail give the cells of a table none, and each text in them one of its own.
    """

    foreground: Colour | None
    background: Colour | None
    hidden: bool
    tiny: bool | None


PLAIN_LOOK = Look(None, None, False, None)


@lru_cache(4096)
def look_of(attributes: str) -> Look:
    """The look that `attributes`, a tag's text behind its name, gives to what is inside."""
    text = attributes.lower()
    foreground, background = _FOREGROUND.search(text), _BACKGROUND.search(text)
    return Look(
        colour_of(foreground[1]) if foreground else None,
        colour_of(background[1]) if background else None,
        _HIDDEN.search(text) is not None,
        _is_tiny(text),
    )


def _is_tiny(text: str) -> bool | None:
    match = _FONT_SIZE.search(text)
    if match is None:
        return None
    return match[1] is not None and float(match[1]) <= (1 if match[2] else 0.05)


@lru_cache(1024)
def colour_of(text: str) -> Colour | None:
    """The colour that a lower-case value names; None for one that is not known."""
    text = text.strip()
    if match := _HEXADECIMAL.match(text):
        digits = match[1] if len(match[1]) == 6 else "".join(2 * digit for digit in match[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if match := _RGB.match(text):
        return int(match[1]), int(match[2]), int(match[3])
    return _NAMES.get(text.partition(" ")[0])


def are_alike(one: Colour, other: Colour) -> bool:
    """Whether text of one colour can hardly be seen on the other."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) < LEAST_DISTANCE
