"""Aliases: add, change, remove one line of a domain's file; every other line stays as it is."""

from collections.abc import Callable, Sequence

from mailraven.config.aliases import Alias, parse_aliases, parse_line
from mailraven.config.names import target_address
from mailraven.config.schema import Config
from mailraven.mail.errors import ConfigErrors
from mailraven.ops.audit import record
from mailraven.ops.edit import replace_file
from mailraven.ops.errors import OperationError
from mailraven.ops.names import checked_alias, directory_of, require_domain
from mailraven.ops.ownership import editing, give_to_owner_of
from mailraven.queue.srs_secrets import rotate_secret


def add_alias(config: Config, address: str, targets: Sequence[str]) -> None:
    """Mail for `address` ("*@example.org" is the catch-all) goes to `targets`, too."""
    name, domain = _checked(config, address)
    full = _targets(targets, domain)

    def change(old: Alias | None) -> Alias:
        if old is not None:
            raise OperationError(f"{name}@{domain} is an alias already (change it: alias set)")
        return Alias(name, domain, full)

    _change(config, name, domain, change)
    record(config, "alias-add", alias=f"{name}@{domain}", targets=full)


def set_alias(config: Config, address: str, targets: Sequence[str]) -> None:
    """Mail for `address`, an alias already, goes to `targets` and to nobody else."""
    name, domain = _checked(config, address)
    full = _targets(targets, domain)

    def change(old: Alias | None) -> Alias:
        if old is None:
            raise OperationError(f"{name}@{domain} is not an alias (make it: alias add)")
        return Alias(name, domain, full)

    _change(config, name, domain, change)
    record(config, "alias-set", alias=f"{name}@{domain}", targets=full)


def remove_alias(config: Config, address: str) -> None:
    """The alias is gone; an account of the same name stays."""
    name, domain = _checked(config, address)

    def change(old: Alias | None) -> None:
        if old is None:
            raise OperationError(f"{name}@{domain} is not an alias")

    _change(config, name, domain, change)
    record(config, "alias-remove", alias=f"{name}@{domain}")


def find_alias(config: Config, address: str) -> Alias:
    """The alias of this very address; raises OperationError when there is none."""
    name, domain = _checked(config, address)
    for alias in directory_of(config).aliases(domain):
        if alias.name == name:
            return alias
    raise OperationError(f"{name}@{domain} is not an alias")


def line_of_alias(alias: Alias) -> str:
    """How the alias is written; targets in its own domain without their "@"."""
    short = (target.removesuffix("@" + alias.domain) for target in alias.targets)
    return f"{alias.name}: {', '.join(short)}"


def rotate_return_addresses(config: Config) -> int:
    """Sign return addresses of forwarded mail with a new secret; how many older ones still count.

    Raises OperationError when the file is broken, OSError.
    """
    spool, path = config.paths.spool, config.paths.srs_secrets
    spool.mkdir(mode=0o750, parents=True, exist_ok=True)
    with editing(spool):
        try:
            kept = rotate_secret(path)
        except ConfigErrors as error:
            raise OperationError(f"mend or remove the file first:\n{error}") from None
        give_to_owner_of(spool, path)
    record(config, "alias-rotate")
    return kept


def _change(
    config: Config, name: str, domain: str, change: Callable[[Alias | None], Alias | None]
) -> None:
    """Replace, append or take away the line of `name`, as `change` makes of the old alias."""
    path = config.paths.domains / domain / "aliases"
    with editing(path.parent):
        text = path.read_text() if path.exists() else ""
        try:
            old = parse_aliases(text, domain, str(path)).get(name)
        except ConfigErrors as error:
            raise OperationError(f"mend the file first:\n{error}") from None
        new = change(old)
        lines = text.splitlines()
        place = len(lines)
        if old is not None:
            place = next(number for number, line in enumerate(lines) if _names(line, name, domain))
        lines[place : place + 1] = [line_of_alias(new)] if new is not None else []
        replace_file(path, "".join(line + "\n" for line in lines))


def _names(line: str, name: str, domain: str) -> bool:
    alias = parse_line(line, domain)
    return alias is not None and alias.name == name


def _checked(config: Config, address: str) -> tuple[str, str]:
    name, domain = checked_alias(address)
    require_domain(config, domain)
    return name, domain


def _targets(targets: Sequence[str], domain: str) -> tuple[str, ...]:
    words = [word.strip() for target in targets for word in target.split(",") if word.strip()]
    if not words:
        raise OperationError("an alias needs at least one target")
    try:
        return tuple(dict.fromkeys(target_address(word, domain) for word in words))
    except ValueError as error:
        raise OperationError(str(error)) from None
