"""Addresses as people type them, checked before anything touches the disk."""

from mailraven.config.aliases import split_alias
from mailraven.config.directory import Directory
from mailraven.config.names import domain_name, split_address
from mailraven.config.schema import Config
from mailraven.ops.errors import OperationError


def checked_domain(text: str) -> str:
    """The domain in lower case; raises OperationError."""
    try:
        return domain_name(text)
    except ValueError as error:
        raise OperationError(str(error)) from None


def checked_account(text: str) -> tuple[str, str]:
    """Local part and domain of an account's address; raises OperationError."""
    try:
        return split_address(text)
    except ValueError as error:
        raise OperationError(str(error)) from None


def checked_alias(text: str) -> tuple[str, str]:
    """Local part (or *) and domain of an alias's address; raises OperationError."""
    try:
        return split_alias(text)
    except ValueError as error:
        raise OperationError(str(error)) from None


def directory_of(config: Config) -> Directory:
    """The domains and accounts of this server."""
    return Directory(config.paths.domains, config.paths.mail)


def require_domain(config: Config, domain: str) -> None:
    """Raises OperationError unless `domain` is one of ours."""
    if not (config.paths.domains / domain / "domain.toml").exists():
        raise OperationError(
            f"{domain} is not a domain of this server (add it: domain add {domain})"
        )
