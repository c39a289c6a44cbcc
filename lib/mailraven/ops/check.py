"""Mistakes in the folders of the domains that no single file shows."""

from collections.abc import Iterator

from mailraven.config.directory import Directory
from mailraven.config.schema import Config
from mailraven.config.smarthosts import DIRECT
from mailraven.mail.errors import ConfigError, PermanentError, TemporaryError
from mailraven.ops.names import directory_of
from mailraven.queue.srs_secrets import problems_of_secrets


def problems_of_domains(config: Config) -> list[ConfigError]:
    """Broken files of every domain, then aliases with a target here that reaches nobody, and
    smarthosts that are not configured."""
    directory = directory_of(config)
    problems = directory.problems() + problems_of_secrets(config.paths.srs_secrets)
    if problems:
        return problems
    for domain in directory.domains():
        problems += _unknown_smarthosts(config, directory, domain)
        path = config.paths.domains / domain / "aliases"
        for alias in directory.aliases(domain):
            for target in alias.targets:
                if not _reaches_someone(directory, target):
                    what = f"{alias.name}: nobody gets mail for {target}"
                    problems.append(ConfigError(str(path), 0, what))
    return problems


def _unknown_smarthosts(config: Config, directory: Directory, domain: str) -> Iterator[ConfigError]:
    folder = config.paths.domains / domain
    words = {folder / "domain.toml": directory.way_out(None, f"@{domain}").smarthost}
    for name in directory.accounts(domain):
        account = directory.account(f"{name}@{domain}")
        words[folder / "accounts" / f"{name}.toml"] = account.smarthost if account else ""
    for path, word in words.items():
        if word not in ("", DIRECT, *config.queue.smarthosts):
            yield ConfigError(str(path), 0, f"smarthost: queue.smarthosts has no {word}")


def _reaches_someone(directory: Directory, target: str) -> bool:
    if not directory.is_local_domain(target.rpartition("@")[2]):
        return True  # what others do with it is theirs
    try:
        directory.expand(target)
    except (PermanentError, TemporaryError):
        return False
    return True
