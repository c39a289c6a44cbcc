"""`mailraven dkim list | rotate | retire | forget`."""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mailraven.cli.common import load_config, say, say_json, table
from mailraven.cli.config import Commands
from mailraven.config.schema import Config
from mailraven.config.units import DURATION
from mailraven.dns.resolver import Resolver
from mailraven.ops.dkim_dns import Seen, key_name, seen
from mailraven.ops.dkim_keys import dkim_records
from mailraven.ops.dkim_rotation import Key, Turn, folder_of, forget, keys_of, retire, rotate
from mailraven.ops.dns_records import TTL, quoted
from mailraven.ops.errors import OperationError
from mailraven.ops.names import checked_domain, directory_of, require_domain

WAITS = 1  # exit code while new keys wait for the DNS
STATES = {
    "new": "waits for the DNS",
    "signing": "signs",
    "kept": "signs no more",
    "off": "inactive by hand",
}


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `dkim`."""
    group = commands.add_parser("dkim", help="keys that sign the mail of domains")
    verbs = group.add_subparsers(metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="keys, what they do, and whether the DNS shows them")
    listing.add_argument("domain", nargs="*")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(command=_list)
    turn = verbs.add_parser("rotate", help="new keys for old ones, as far as the DNS is")
    turn.add_argument("domain", nargs="*", help="without: all domains")
    turn.add_argument("--if-older", default="0s", metavar="TIME", help="180d: only if they are")
    turn.set_defaults(command=_rotate)
    out = verbs.add_parser("retire", help="sign no more with a key; it stays published a while")
    out.add_argument("domain")
    out.add_argument("selector")
    out.set_defaults(command=_retire)
    gone = verbs.add_parser("forget", help="delete a key that does not sign")
    gone.add_argument("domain")
    gone.add_argument("selector")
    gone.set_defaults(command=_forget)


def _resolver(config: Config) -> Resolver:
    return Resolver(config.dns.resolvers, float(config.dns.timeout))


def _domains(config: Config, named: Sequence[str]) -> list[str]:
    domains = [checked_domain(name) for name in named]
    for domain in domains:
        require_domain(config, domain)
    return domains or directory_of(config).domains()


def _list(options: argparse.Namespace) -> int:
    config = load_config(options)
    domains = _domains(config, options.domain)
    found = asyncio.run(_looked_up(config, domains))
    if options.json:
        say_json([_as_json(config, domain, key, dns) for domain, key, dns in found])
        return 0
    head = ["DOMAIN", "SELECTOR", "ALGORITHM", "CREATED", "STATE", "DNS"]
    rows = [
        [
            domain,
            key.selector,
            key.algorithm,
            f"{key.created:%Y-%m-%d}",
            _state(config, key),
            dns.why or dns.word,
        ]
        for domain, key, dns in found
    ]
    say(table(head, rows))
    return 0


async def _looked_up(config: Config, domains: Sequence[str]) -> list[tuple[str, Key, Seen]]:
    resolver = _resolver(config)
    found = []
    for domain in domains:
        folder = folder_of(config, domain)
        records = {one.selector: one for one in dkim_records(folder)}
        keys = keys_of(folder)
        said = await asyncio.gather(
            *(seen(resolver, domain, records[key.selector]) for key in keys)
        )
        found += [(domain, key, dns) for key, dns in zip(keys, said, strict=True)]
    return found


def _state(config: Config, key: Key) -> str:
    if key.state != "kept":
        return STATES[key.state]
    end = key.since + timedelta(seconds=config.queue.dkim_overlap)
    return f"{STATES[key.state]}; keep its record until {_minute(end)}"


def _as_json(config: Config, domain: str, key: Key, dns: Seen) -> dict[str, object]:
    end = key.since + timedelta(seconds=config.queue.dkim_overlap)
    return {
        "domain": domain,
        "selector": key.selector,
        "algorithm": key.algorithm,
        "created": key.created.isoformat(),
        "state": key.state,
        "since": key.since.isoformat(),
        "keep_record_until": end.isoformat() if key.state == "kept" else None,
        "dns": dns.word,
        "why": dns.why or None,
    }


def _rotate(options: argparse.Namespace) -> int:
    config = load_config(options)
    domains = _domains(config, options.domain)
    try:
        oldest = timedelta(seconds=float(str(DURATION.parse(options.if_older))))
    except (ValueError, OverflowError) as error:
        raise OperationError(f"--if-older: {error}") from None
    turns = asyncio.run(_turns(config, domains, oldest))
    for domain, turn in turns.items():
        for line in _told(config, domain, turn):
            say(line)
    return WAITS if any(turn.waiting for turn in turns.values()) else 0


async def _turns(config: Config, domains: Sequence[str], oldest: timedelta) -> dict[str, Turn]:
    resolver, now = _resolver(config), datetime.now(UTC)
    return {one: await rotate(config, one, resolver, oldest, now) for one in domains}


def _told(config: Config, domain: str, turn: Turn) -> list[str]:
    """What was done and what is to be done; nothing where nothing is."""
    lines = [f"{domain} signs with {selector} from now on." for selector in turn.activated]
    lines += [
        f"{key_name(domain, selector)} may be taken out of the DNS: mail that it signed is no"
        " longer on its way. Its key is deleted."
        for selector in turn.removed
    ]
    if turn.activated:
        lines += [
            f"Leave {key_name(domain, selector)} in the DNS until {_minute(end)}."
            for selector, end in turn.kept.items()
        ]
    if turn.waiting:
        lines += [f"{domain} will sign with new keys when the DNS shows them. Publish:"]
        lines += [
            f"{key_name(domain, one.selector)}. {TTL} IN TXT {quoted(one.text)}"
            for one in dkim_records(folder_of(config, domain))
            if one.selector in turn.waiting
        ]
        lines += [f"; now: {said.why}" for said in turn.waiting.values()]
        lines += ["Then call this again; it signs with the old keys until then."]
    return lines


def _retire(options: argparse.Namespace) -> int:
    config = load_config(options)
    (domain,) = _domains(config, [options.domain])
    end = retire(config, domain, options.selector, datetime.now(UTC))
    say(f"{domain} signs no more with {options.selector}.")
    say(f"Leave {key_name(domain, options.selector)} in the DNS until {_minute(end)}.")
    return 0


def _forget(options: argparse.Namespace) -> int:
    config = load_config(options)
    (domain,) = _domains(config, [options.domain])
    forget(config, domain, options.selector)
    say(f"{key_name(domain, options.selector)} may be taken out of the DNS.")
    return 0


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
