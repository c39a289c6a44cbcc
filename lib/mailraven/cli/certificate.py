"""`mailraven certificate renew`."""

import argparse

from mailraven.cli.common import load_config, say
from mailraven.cli.config import Commands
from mailraven.ops.renewal import renew_certificate
from mailraven.ops.transport_records import tlsa_lines


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `certificate`."""
    group = commands.add_parser("certificate", help="the certificate of this server")
    verbs = group.add_subparsers(metavar="VERB", required=True)
    renew = verbs.add_parser("renew", help="renew one that is self-signed")
    renew.set_defaults(command=_renew)


def _renew(options: argparse.Namespace) -> int:
    config = load_config(options)
    if renew_certificate(config):
        say("Renewed with the key that it had: TLSA records stay as they are.")
        return 0
    say("Renewed with a new key (tls.keep_key). Where the zone is signed, publish now:")
    for line in tlsa_lines(config):
        say(line)
    return 0
