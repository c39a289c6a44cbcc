"""The Date of a message, however it is written (RFC 5322 §3.3, §4.3)."""

import re
from datetime import date
from typing import NamedTuple

_DAY_SECONDS = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
_MONTH_NAMES = b"jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS = {name: n for n, name in enumerate(_MONTH_NAMES.split(), 1)}
_ZONES = {  # RFC 5322 §4.3; every other name means -0000
    b"EST": -5,
    b"EDT": -4,
    b"CST": -6,
    b"CDT": -5,
    b"MST": -7,
    b"MDT": -6,
    b"PST": -8,
    b"PDT": -7,
}
_CLOCK = rb"(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?"
_DATE = re.compile(
    rb"(\d{1,2})[\s-]{1,9}([A-Za-z]{3})[A-Za-z]{0,6}[.\s-]{1,9}(\d{2,4})"
    rb"(?:,?\s{1,9}" + _CLOCK + rb"[\d.]{0,9}\s{0,9}(?:([+-])(\d\d):?(\d\d)|([A-Za-z]{1,5}))?)?"
)
_ASCTIME = re.compile(  # what ctime(3) writes: Mon Jan  2 15:04:05 2006
    rb"([A-Za-z]{3})\s{1,9}(\d{1,2})\s{1,9}" + _CLOCK + rb"\s{1,9}(\d{4})"
)
_COMMENT = re.compile(rb"\([^()]{0,99}\)")
_LENGTH_LIMIT = 200  # octets of the value that are looked at


class SentDate(NamedTuple):
    """Unix seconds, and the day as its sender saw it, as days since 1970-01-01."""

    seconds: int
    day: int


def parse_date(value: bytes) -> SentDate | None:
    """The moment and the day that a Date field names; None where it names none."""
    value = _COMMENT.sub(b" ", value[:_LENGTH_LIMIT]) if b"(" in value else value[:_LENGTH_LIMIT]
    match = _DATE.search(value)
    if match:
        day, month, year, hour, minute, second, sign, zone_h, zone_m, zone = match.groups()
        offset = _ZONES.get(zone.upper(), 0) * 3600 if zone else 0
        if sign:
            offset = (int(zone_h) * 60 + int(zone_m)) * (-60 if sign == b"-" else 60)
    else:
        match = _ASCTIME.search(value)
        if not match:
            return None
        month, day, hour, minute, second, year = match.groups()
        offset = 0
    days = day_number(_full_year(year), _MONTHS.get(month.lower(), 0), int(day))
    if days is None:
        return None
    clock = int(hour or 0) * 3600 + int(minute or 0) * 60 + int(second or 0)
    return SentDate(days * _DAY_SECONDS + clock - offset, days)


def day_number(year: int, month: int, day: int) -> int | None:
    """Days from 1970-01-01 to that day of the Gregorian calendar; None if there is no such day."""
    try:
        return date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None


def _full_year(digits: bytes) -> int:
    """RFC 5322 §4.3: two digits below 50 are of this century, three count from 1900.

    So does 0102, which means 2002.
    """
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if year < 1000 else year
