"""Accounts: add, change, remove, set the password. Each works at once, no daemon is told.

The one step that makes an account is the rename of accounts/NAME.toml into place; the mail folder
and the password come before it, so nobody sees half an account.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from mailraven.auth.passwords import make_entry, replace_entry
from mailraven.config.directory import Account
from mailraven.config.domain_schema import AccountFile
from mailraven.config.schema import Config
from mailraven.files import fsync_dir
from mailraven.ops.audit import record
from mailraven.ops.edit import edit_toml, replace_file, toml_of
from mailraven.ops.errors import OperationError
from mailraven.ops.names import checked_account, directory_of, require_domain
from mailraven.ops.ownership import give_to_owner_of
from mailraven.ops.passwords import check_password
from mailraven.store.account import create_mailboxes


def add_account(
    config: Config, address: str, password: str, settings: Mapping[str, str] | None = None
) -> Account:
    """A new account with its mailboxes; mail that an earlier one of this name left is its own.

    Raises OperationError when the name, the password or a setting is no good, or it is there.
    """
    local, domain = checked_account(address)
    require_domain(config, domain)
    file = account_file(config, local, domain)
    if file.exists():
        raise OperationError(f"{local}@{domain} exists already")
    check_password(password, address)
    text = toml_of(AccountFile, settings or {})
    entry = password_entry(local, password)
    make_mail_folder(config, local, domain)
    replace_entry(passwords_file(config, domain), local, entry)
    file.parent.mkdir(mode=0o750, exist_ok=True)
    replace_file(file, text)
    record(config, "account-add", address=f"{local}@{domain}", **(settings or {}))
    return find_account(config, address)


def find_account(config: Config, address: str) -> Account:
    """The account of this very address; raises OperationError when there is none."""
    local, domain = checked_account(address)
    account = directory_of(config).account(f"{local}@{domain}")
    if account is None:
        raise OperationError(f"{local}@{domain} is not an account")
    return account


def set_account(config: Config, address: str, changes: Mapping[str, str]) -> None:
    """Change keys of the account's file; `changes` are as a person types them."""
    local, domain = _existing(config, address)
    edit_toml(account_file(config, local, domain), AccountFile, changes)
    record(config, "account-set", address=f"{local}@{domain}", **changes)


def set_password(config: Config, address: str, password: str) -> None:
    """The account logs in with `password` from now on, and with no other."""
    local, domain = _existing(config, address)
    check_password(password, address)
    replace_entry(passwords_file(config, domain), local, password_entry(local, password))
    record(config, "account-passwd", address=f"{local}@{domain}")


def remove_account(config: Config, address: str, *, delete_mail: bool = False) -> Path:
    """Take the account away; its mail stays unless `delete_mail`. The folder of the mail."""
    local, domain = _existing(config, address)
    file = account_file(config, local, domain)
    file.unlink()
    fsync_dir(file.parent)
    replace_entry(passwords_file(config, domain), local, None)
    mail = config.paths.mail / domain / local
    if delete_mail and mail.exists():
        remove_folder(mail)
    record(config, "account-remove", address=f"{local}@{domain}", mail_deleted=delete_mail)
    return mail


def account_file(config: Config, local: str, domain: str) -> Path:
    """Where an account is one file."""
    return config.paths.domains / domain / "accounts" / f"{local}.toml"


def passwords_file(config: Config, domain: str) -> Path:
    """Where authd finds the hashes of a domain."""
    return config.paths.domains / domain / "passwords"


def password_entry(local: str, password: str) -> str:
    """The line of the passwords file; raises OperationError when SASLprep forbids the password."""
    try:
        return make_entry(local, password)
    except ValueError as error:
        raise OperationError(str(error)) from None


def make_mail_folder(config: Config, local: str, domain: str) -> None:
    """mail/DOMAIN/LOCAL/Maildir with its mailboxes, renamed into place whole."""
    place = config.paths.mail / domain / local
    if place.exists():
        return
    place.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    aside = place.with_name(f".new-{local}-{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    create_mailboxes(aside / "Maildir")
    give_to_owner_of(config.paths.mail, place.parent)
    aside.rename(place)
    fsync_dir(place.parent)


def remove_folder(folder: Path) -> None:
    """Away at once by a rename, then deleted at leisure."""
    aside = folder.with_name(f".removed-{folder.name}-{os.getpid()}")
    folder.rename(aside)
    fsync_dir(folder.parent)
    shutil.rmtree(aside)


def _existing(config: Config, address: str) -> tuple[str, str]:
    local, domain = checked_account(address)
    if not account_file(config, local, domain).exists():
        raise OperationError(f"{local}@{domain} is not an account")
    return local, domain
