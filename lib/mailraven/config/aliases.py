"""The file `aliases` of a domain: who else gets the mail of a local part.

    # comment
    info: alice, bob@example.net        to several, here and elsewhere
    alice: alice, archive@example.net   a copy, and still to the account alice
    *: alice                            catch-all: what nobody else wants

One line each. A target without "@" is in the same domain. Local parts are compared in lower case.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mailraven.config.names import account_name, domain_name, target_address
from mailraven.mail.errors import ConfigError, ConfigErrors

CATCH_ALL = "*"
TARGET_LIMIT = 10_000  # of one alias
LINE_LIMIT = 1 << 20  # characters


@dataclass(frozen=True, slots=True)
class Alias:
    """`name` (or CATCH_ALL) of `domain`, and the full addresses that get its mail."""

    name: str
    domain: str
    targets: tuple[str, ...]


def parse_aliases(text: str, domain: str, path: str) -> Mapping[str, Alias]:
    """Aliases by their name; raises ConfigErrors with every line that is wrong."""
    found: dict[str, Alias] = {}
    errors = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            alias = parse_line(line, domain)
            if alias is not None and alias.name in found:
                raise ValueError(f"{alias.name} has a line already; write all targets in one")
        except ValueError as error:
            errors.append(ConfigError(path, number, str(error)))
            continue
        if alias is not None:
            found[alias.name] = alias
    if errors:
        raise ConfigErrors(errors)
    return found


def parse_line(line: str, domain: str) -> Alias | None:
    """The alias of one line, None when it is blank or a comment; raises ValueError."""
    if len(line) > LINE_LIMIT:
        raise ValueError("the line is too long")
    words = line.partition("#")[0].strip()
    if not words:
        return None
    name, colon, rest = words.partition(":")
    if not colon:
        raise ValueError(f"{words[:80]!r} has no colon (write local: target, target)")
    targets = [word.strip() for word in rest.split(",")]
    if targets[-1] == "":
        targets.pop()  # a comma at the end does no harm
    if not targets:
        raise ValueError(f"{name.strip()} has no target")
    if len(targets) > TARGET_LIMIT:
        raise ValueError(f"{name.strip()} has more than {TARGET_LIMIT} targets")
    name = alias_name(name.strip())
    return Alias(name, domain, tuple(target_address(target, domain) for target in targets))


def alias_name(text: str) -> str:
    """A local part fit for an alias, or the catch-all; ValueError when it is neither."""
    return CATCH_ALL if text == CATCH_ALL else account_name(text)


def split_alias(text: str) -> tuple[str, str]:
    """Name and domain of "info@example.org" or "*@example.org"; raises ValueError."""
    local, at, domain = text.rpartition("@")
    if not at:
        raise ValueError(f"{text[:80]!r} is not an address (write info@example.org)")
    return alias_name(local), domain_name(domain)
