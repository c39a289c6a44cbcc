"""MTA-STS policies as files for a web server, as the configuration has them. RFC 8461 §3.3

    mta-sts/mta-sts.example.org/.well-known/mta-sts.txt    below the data folder

A web server that takes the name of the host for a folder serves them as they are.
"""

from contextlib import suppress
from pathlib import Path

from mailraven.config.schema import Config
from mailraven.files.atomic import write_atomically
from mailraven.mail.errors import ConfigErrors
from mailraven.ops.accounts import remove_folder
from mailraven.ops.names import directory_of
from mailraven.ops.ownership import give_to_owner_of
from mailraven.ops.transport_records import sts_policy

HOST = "mta-sts."  # RFC 8461 §3.3


def policy_file(config: Config, domain: str) -> Path:
    """Where the policy of a domain of ours lies."""
    return config.paths.sts_policies / f"{HOST}{domain}" / ".well-known" / "mta-sts.txt"


def keep_policy_files(config: Config) -> list[str]:
    """Write what differs, and take away what is of no domain any more; the domains with another
    policy than before. Raises OSError."""
    domains = directory_of(config).domains()
    changed = [domain for domain in domains if keep_policy_file(config, domain)]
    if config.paths.sts_policies.is_dir():
        for folder in config.paths.sts_policies.glob(f"{HOST}*"):
            domain = folder.name.removeprefix(HOST)
            if domain not in domains:
                forget_policy_file(config, domain)
    return changed


def keep_policy_file(config: Config, domain: str) -> bool:
    """Write the policy of a domain if it differs from the file, and say so. Raises OSError."""
    try:
        text = sts_policy(config, domain).encode()
    except (ConfigErrors, FileNotFoundError):
        return False  # what was there holds until it is mended
    path = policy_file(config, domain)
    if path.exists() and path.read_bytes() == text:
        return False
    folders = (config.paths.sts_policies, path.parent.parent, path.parent)
    for folder in folders:
        folder.mkdir(mode=0o755, exist_ok=True)
    write_atomically(path, text, 0o644)
    give_to_owner_of(config.paths.domains, *folders, path)
    return True


def forget_policy_file(config: Config, domain: str) -> None:
    """The domain is no longer ours. Raises OSError."""
    with suppress(FileNotFoundError):  # somebody else was quicker
        remove_folder(policy_file(config, domain).parent.parent)
