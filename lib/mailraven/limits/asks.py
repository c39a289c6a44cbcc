"""What is asked of limitd, and what it answers; arrays on the wire, for they are many.

    {"op":"take","groups":[[["connect 192.0.2.1",1,[[120,60],[3000,3600]],[]]],"spent":[]}
    {"answers":[[0.0,0,0,[[1,1]]]],"spent":[]}

A group is one decision: all its items fit and are counted, or none is. `spent` was decided by the
caller already (client.py says within which bound) and is only counted.
"""

import msgspec

from mailraven.config.rates import Rate

KEY_LIMIT = 400  # characters of a key; an address and a purpose need fewer
COST_LIMIT = 2**31


class Item(msgspec.Struct, frozen=True, array_like=True):
    """`key` ("send alice@example.org") uses `cost` more, under each of `rates`.

    With `pairs` the cost is the number of those never seen before; what fits is seen from then on.
    """

    key: str
    cost: int
    rates: tuple[Rate, ...]
    pairs: tuple[str, ...] = ()


Group = tuple[Item, ...]
Used = tuple[tuple[int, ...], ...]  # for each item, what each of its rates has used now


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """`wait` 0 is a yes; else the seconds until item number `item` fits under its `rate`."""

    wait: float
    item: int
    rate: int
    used: Used


class Take(msgspec.Struct, frozen=True):
    """A batch of questions and reports."""

    groups: tuple[Group, ...] = ()
    spent: Group = ()


class Taken(msgspec.Struct, frozen=True):
    """The answers in the order of the questions, and what the reported keys have used now."""

    answers: tuple[Answer, ...] = ()
    spent: Used = ()
