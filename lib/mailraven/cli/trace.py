"""`mailraven trace`."""

import argparse
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime

import msgspec

from mailraven.cli.common import load_config, say, say_json
from mailraven.cli.config import Commands
from mailraven.config.schema import Config
from mailraven.ops.errors import OperationError
from mailraven.ops.story import PEOPLE_TOLD, printable, sentence
from mailraven.ops.trace import (
    STORIES_LIMIT,
    Follower,
    Line,
    Search,
    Story,
    Waiting,
    since_of,
    tell,
    time_of,
    waiting,
)

LOOK = 0.2  # seconds between two looks for news


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command `trace`."""
    one = commands.add_parser("trace", help="the story of a message, through all daemons")
    one.add_argument("wanted", metavar="ID|MESSAGE-ID|ADDRESS")
    one.add_argument("--since", default="", metavar="TIME", help="2h, 3d, 2026-11-22, or T09:00")
    one.add_argument("--limit", type=int, default=10, help="at most so many messages, the newest")
    one.add_argument("--follow", action="store_true", help="go on telling, until interrupted")
    one.add_argument("--json", action="store_true")
    one.set_defaults(command=_trace)


def _trace(options: argparse.Namespace) -> int:
    config = load_config(options)
    since = since_of(options.since, time.time()) if options.since else ""
    search = Search(options.wanted, since, max(1, min(options.limit, STORIES_LIMIT)))
    if options.follow:
        return _follow(config, search, as_json=options.json)
    stories = tell(config, search)
    if options.json:
        say_json([_as_json(config, story) for story in stories])
    else:
        say("\n\n".join("\n".join(_told(config, story)) for story in stories))
    return 0


def _follow(config: Config, search: Search, *, as_json: bool) -> int:
    """Tell what is known and then what comes, a line each, until interrupted."""
    follower = Follower(config, search.wanted)
    try:
        stories = tell(config, search)
    except OperationError:
        stories = []  # it has yet to come
    for story in stories:
        follower.learn(story.trace)
    told = [line for story in stories for line in story.events]
    known = {_encoded(line) for line in told}  # what came between the two looks is told once
    while True:
        for line in told:
            say(_encoded(line) if as_json else _live(line))
        sys.stdout.flush()
        time.sleep(LOOK)
        told = [line for line in follower.news() if _encoded(line) not in known]
        known.clear()


def _encoded(line: Line) -> str:
    return msgspec.json.encode(line).decode()


def _live(line: Line) -> str:
    return f"{printable(str(line.get('trace') or '-'))}  {_moment(time_of(line))}  {sentence(line)}"


def _told(config: Config, story: Story) -> list[str]:
    """The story of one message; the first line says which."""
    name = f"Message {story.trace or '(none)'}"
    if story.message_id:
        name += f", Message-ID {story.message_id}"
    lines = [printable(name)]
    lines += [f"{_moment(time_of(one))}  {sentence(one, story.trace)}" for one in story.events]
    now = _moment(datetime.now(UTC).isoformat())
    return lines + [f"{now}  {_still(one)}" for one in waiting(config, story)]


def _moment(stamp: str) -> str:
    """ "2026-11-22 09:00:00.123" of the log's form; UTC as there."""
    return printable(stamp.removesuffix("Z").replace("T", " ")[:23])


def _still(part: Waiting) -> str:
    whom = ", ".join(part.pending[:PEOPLE_TOLD])
    more = len(part.pending) - PEOPLE_TOLD
    whom += f" and {more} more" if more > 0 else ""
    due = datetime.fromtimestamp(part.next_try, UTC).isoformat(" ", "seconds")[:19]
    then = {"held": "; it is held", "active": "; it is being delivered"}.get(part.state)
    return printable(
        f"It waits in the queue as {part.queue_id} for {whom}{then or f'; the next try is {due}'}."
    )


def _as_json(config: Config, story: Story) -> dict[str, object]:
    return {
        "trace": story.trace or None,
        "message_id": story.message_id or None,
        "story": [sentence(line, story.trace) for line in story.events],
        "events": story.events,
        "waiting": [asdict(part) for part in waiting(config, story)],
    }
