"""The store of several machines: a Valkey or Redis server, asked with one script per decision.

The script (take.lua) runs whole or not at all and takes the server's clock, so machines agree
whatever their own clocks say. Keys are "mailraven:KEY|WINDOW", a hash of slots, gone by themselves.
"""

from importlib.resources import files

from mailraven.limits.asks import KEY_LIMIT, Answer, Group, Item, Take, Taken, Used
from mailraven.limits.resp import Reply, RespClient, command
from mailraven.limits.table import SLOTS

TIMEOUT = 1.0  # seconds; less than LimitClient waits for limitd
PREFIX = "mailraven:"
SCRIPT = files(__package__).joinpath("take.lua").read_bytes()


class SharedStore:
    """`place` is host:port, or the path of a Unix socket."""

    def __init__(self, place: str, password: str = "") -> None:
        self._client = RespClient(place, password, TIMEOUT)

    async def take(self, batch: Take, now: float) -> Taken:
        """As Store; `now` is the server's."""
        commands = [_command((item,), force=True) for item in batch.spent]
        commands += [_command(group, force=False) for group in batch.groups]
        replies = await self._client.call(*commands) if commands else []
        count = len(batch.spent)
        spent = [
            _answer((item,), reply)
            for item, reply in zip(batch.spent, replies[:count], strict=True)
        ]
        answers = [
            _answer(group, reply)
            for group, reply in zip(batch.groups, replies[count:], strict=True)
        ]
        return Taken(tuple(answers), tuple(answer.used[0] for answer in spent))

    async def forget(self, key: str) -> int:
        """As Store."""
        names = [f"{PREFIX}{key[:KEY_LIMIT]}|{window}".encode() for window in (60, 3600, 86400)]
        (reply,) = await self._client.call(command(b"DEL", *names))
        return reply if isinstance(reply, int) else 0

    def close(self) -> None:
        """Hang up."""
        self._client.close()


def _command(group: Group, *, force: bool) -> bytes:
    words = [b"1" if force else b"0", b"%d" % SLOTS]
    keys = []
    for item in group:
        key = (PREFIX + item.key[:KEY_LIMIT]).encode()
        keys += [key, key + b"|seen" if item.pairs else b""]
        words += [b"%d" % item.cost, b"%d" % len(item.pairs)]
        words += [pair.encode() for pair in item.pairs]
        words.append(b"%d" % len(item.rates))
        for rate in item.rates:
            words += [b"%d" % rate.limit, b"%d" % rate.window]
    return command(b"EVAL", SCRIPT, b"%d" % len(keys), *keys, *words)


def _answer(group: Group, reply: Reply) -> Answer:
    """Raises OSError when the reply is not the script's."""
    numbers = [one for one in reply if isinstance(one, int)] if isinstance(reply, list) else []
    if len(numbers) != 3 + sum(len(item.rates) for item in group):
        raise ConnectionResetError("the store speaks another language")
    wait, item, rate, *used = numbers
    return Answer(wait / 1000, item, rate, _split(group, used))


def _split(group: tuple[Item, ...], used: list[int]) -> Used:
    """`used` by item."""
    split, at = [], 0
    for item in group:
        split.append(tuple(used[at : at + len(item.rates)]))
        at += len(item.rates)
    return tuple(split)
