"""Octets that wait, as they came: large pieces without a copy, small ones joined.

A megabyte in packets of two octets would else be half a million objects of forty octets each.
"""

SMALL = 4096  # octets; an object costs about 40 more

Parts = list[bytes | bytearray]  # the first is bytes


def add(parts: Parts, data: bytes) -> None:
    """Keep `data` behind what is there."""
    if not parts or len(data) >= SMALL:
        parts.append(data)
    elif isinstance(last := parts[-1], bytearray):
        last += data
    else:
        parts.append(bytearray(data))


def take(parts: Parts) -> bytes:
    """All octets; nothing is kept."""
    first = parts[0] if len(parts) == 1 else b""
    data = first if isinstance(first, bytes) and first else b"".join(parts)
    parts.clear()
    return data
