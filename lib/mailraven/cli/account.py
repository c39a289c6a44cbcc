"""`mailraven account add | list | show | set | remove | passwd`."""

import argparse
import dataclasses
import getpass
import sys

from mailraven.cli.common import key_value_lines, load_config, say, say_json, settings_of, table
from mailraven.cli.config import Commands
from mailraven.config.directory import Account, Directory
from mailraven.ops.accounts import (
    add_account,
    find_account,
    remove_account,
    set_account,
    set_password,
)
from mailraven.ops.errors import OperationError
from mailraven.ops.names import checked_domain, directory_of, require_domain
from mailraven.ops.passwords import generate_password


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `account`."""
    group = commands.add_parser("account", help="accounts: people and programs with mail")
    verbs = group.add_subparsers(metavar="VERB", required=True)
    add = verbs.add_parser("add", help="a new account; its password is made and shown once")
    add.add_argument("address")
    add.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="like display_name=Alice")
    add.add_argument("--ask", action="store_true", help="ask for the password, or read it (stdin)")
    add.set_defaults(command=_add)
    listing = verbs.add_parser("list", help="all accounts, or those of one domain")
    listing.add_argument("domain", nargs="?")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(command=_list)
    show = verbs.add_parser("show", help="one account")
    show.add_argument("address")
    show.add_argument("--json", action="store_true")
    show.set_defaults(command=_show)
    change = verbs.add_parser("set", help="change settings, like enabled=false quota=5G")
    change.add_argument("address")
    change.add_argument("settings", nargs="+", metavar="KEY=VALUE")
    change.set_defaults(command=_set)
    remove = verbs.add_parser("remove", help="take an account away; its mail stays")
    remove.add_argument("address")
    remove.add_argument("--delete-mail", action="store_true", help="delete its mail, too")
    remove.set_defaults(command=_remove)
    passwd = verbs.add_parser("passwd", help="set the password: asks, or reads a line of stdin")
    passwd.add_argument("address")
    passwd.add_argument("--generate", action="store_true", help="make one and show it once")
    passwd.set_defaults(command=_passwd)


def _add(options: argparse.Namespace) -> int:
    config, settings = load_config(options), settings_of(options.settings)
    password = _asked_password() if options.ask else generate_password()
    account = add_account(config, options.address, password, settings)
    say(f"{account.address} is an account now.")
    if not options.ask:
        say(f"Password, shown once: {password}")
    return 0


def _list(options: argparse.Namespace) -> int:
    config = load_config(options)
    directory = directory_of(config)
    domains = directory.domains()
    if options.domain:
        domains = [checked_domain(options.domain)]
        require_domain(config, domains[0])
    found = [account for domain in domains for account in _accounts(directory, domain)]
    if options.json:
        say_json([_facts(account) for account in found])
        return 0
    rows = [[one.address, _state(one), one.role, one.display_name] for one in found]
    say(table(["ACCOUNT", "STATE", "ROLE", "NAME"], rows))
    return 0


def _show(options: argparse.Namespace) -> int:
    facts = _facts(find_account(load_config(options), options.address))
    say_json(facts) if options.json else say(key_value_lines(facts))
    return 0


def _set(options: argparse.Namespace) -> int:
    set_account(load_config(options), options.address, settings_of(options.settings))
    return 0


def _remove(options: argparse.Namespace) -> int:
    mail = remove_account(load_config(options), options.address, delete_mail=options.delete_mail)
    if mail.exists():
        say(f"Its mail stays in {mail}.")
    return 0


def _passwd(options: argparse.Namespace) -> int:
    config = load_config(options)
    find_account(config, options.address)  # before anyone types a password in vain
    password = generate_password() if options.generate else _asked_password()
    set_password(config, options.address, password)
    if options.generate:
        say(f"Password, shown once: {password}")
    return 0


def _asked_password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if password != getpass.getpass("Again: "):
        raise OperationError("the two are not the same")
    return password


def _accounts(directory: Directory, domain: str) -> list[Account]:
    found = (directory.account(f"{local}@{domain}") for local in directory.accounts(domain))
    return [account for account in found if account is not None]


def _facts(account: Account) -> dict[str, object]:
    facts = {**dataclasses.asdict(account), "maildir": str(account.maildir)}
    del facts["home"]  # that is where the Maildir is
    return facts


def _state(account: Account) -> str:
    return "enabled" if account.enabled else "disabled"
