"""Mistakes in the folders of the domains that no single file shows."""

from mailraven.config.directory import Directory
from mailraven.config.schema import Config
from mailraven.mail.errors import ConfigError, PermanentError, TemporaryError
from mailraven.ops.names import directory_of


def problems_of_domains(config: Config) -> list[ConfigError]:
    """Broken files of every domain, then aliases with a target here that reaches nobody."""
    directory = directory_of(config)
    problems = directory.problems()
    if problems:
        return problems
    for domain in directory.domains():
        path = config.paths.domains / domain / "aliases"
        for alias in directory.aliases(domain):
            for target in alias.targets:
                if not _reaches_someone(directory, target):
                    what = f"{alias.name}: nobody gets mail for {target}"
                    problems.append(ConfigError(str(path), 0, what))
    return problems


def _reaches_someone(directory: Directory, target: str) -> bool:
    if not directory.is_local_domain(target.rpartition("@")[2]):
        return True  # what others do with it is theirs
    try:
        directory.expand(target)
    except (PermanentError, TemporaryError):
        return False
    return True
