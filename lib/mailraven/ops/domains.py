"""Domains: add, change, remove. A domain is ours once its folder is renamed into place."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from mailraven.config.domain_schema import DomainFile
from mailraven.config.schema import Config
from mailraven.files import fsync_dir
from mailraven.ops.accounts import remove_folder
from mailraven.ops.audit import record
from mailraven.ops.dkim_keys import make_dkim_keys
from mailraven.ops.edit import edit_toml, toml_of
from mailraven.ops.errors import OperationError
from mailraven.ops.names import checked_domain, directory_of, require_domain
from mailraven.ops.ownership import give_to_owner_of
from mailraven.ops.policy_files import forget_policy_file, keep_policy_file

ALIASES_HEAD = """\
# Who else gets the mail of an address here; mailraven-domain(5) has all of it.
# info: alice, bob@example.net
# *: alice
"""


def add_domain(config: Config, name: str, settings: Mapping[str, str] | None = None) -> str:
    """A new domain with its DKIM keys and no account yet; its name in lower case."""
    domain = checked_domain(name)
    place = config.paths.domains / domain
    if place.exists():
        raise OperationError(f"{domain} is a domain of this server already")
    text = toml_of(DomainFile, settings or {})
    config.paths.domains.mkdir(mode=0o750, parents=True, exist_ok=True)
    aside = place.with_name(f".new-{domain}-{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    (aside / "accounts").mkdir(mode=0o750, parents=True)
    (aside / "domain.toml").write_text(text)
    (aside / "aliases").write_text(ALIASES_HEAD)
    make_dkim_keys(aside / "dkim")
    (aside / "passwords").touch(mode=0o600)
    give_to_owner_of(config.paths.domains, aside)
    aside.rename(place)
    fsync_dir(config.paths.domains)
    keep_policy_file(config, domain)
    record(config, "domain-add", domain=domain, **(settings or {}))
    return domain


def set_domain(config: Config, name: str, changes: Mapping[str, str]) -> None:
    """Change keys of domain.toml; `changes` are as a person types them."""
    domain = checked_domain(name)
    require_domain(config, domain)
    edit_toml(config.paths.domains / domain / "domain.toml", DomainFile, changes)
    keep_policy_file(config, domain)
    record(config, "domain-set", domain=domain, **changes)


def remove_domain(config: Config, name: str, *, delete_mail: bool = False) -> Path:
    """Take a domain away that has no account left; the mail of earlier ones stays unless asked."""
    domain = checked_domain(name)
    require_domain(config, domain)
    accounts = directory_of(config).accounts(domain)
    if accounts:
        raise OperationError(f"{domain} still has {len(accounts)} accounts; remove them first")
    remove_folder(config.paths.domains / domain)
    forget_policy_file(config, domain)
    mail = config.paths.mail / domain
    if delete_mail and mail.exists():
        remove_folder(mail)
    record(config, "domain-remove", domain=domain, mail_deleted=delete_mail)
    return mail
