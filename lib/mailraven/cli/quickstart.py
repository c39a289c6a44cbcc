"""`mailraven quickstart you@example.org`: a production server from nothing."""

import argparse
from pathlib import Path

from mailraven.cli.common import say, wanted_etc
from mailraven.cli.config import Commands
from mailraven.config.load import FILE_NAME
from mailraven.config.schema import Paths
from mailraven.ops.quickstart import NewServer, Place, quickstart


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command `quickstart`."""
    parser = commands.add_parser("quickstart", help="set a new server up for one domain")
    parser.add_argument("address", help="you@example.org: the first account and admin")
    # Without a default of its own --etc before the command keeps its value.
    parser.add_argument("--etc", type=Path, metavar="DIR", default=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, metavar="DIR", default=Paths().data)
    parser.add_argument("--hostname", metavar="NAME", help="the server in DNS; mx. and the domain")
    parser.set_defaults(command=_quickstart)


def _quickstart(options: argparse.Namespace) -> int:
    place = Place(wanted_etc(options), options.data, options.hostname)
    say(_report(quickstart(options.address, place), place))
    return 0


def _report(server: NewServer, place: Place) -> str:
    paths = server.config.paths
    etc = "" if place.etc == Path("/etc/mailraven") else f"--etc {place.etc} "
    parts = [
        f"; Configuration: {place.etc / FILE_NAME}",
        f"; Data:          {paths.data}",
        f"; Account:       {server.address} (admin)",
        f"; Password:      {server.password}   (shown once)",
        ";",
        "; Publish these DNS records, with the addresses of this machine:",
        ";",
        server.zone,
        "; Start everything in the foreground:",
        f";   mailraven {etc}run",
        "; or one daemon each, with your service manager: smtpd imapd queued authd limitd",
    ]
    if server.self_signed:
        parts += [
            "; The certificate is self-signed for now; put a real one in its place:",
            f";   {server.config.tls.certificate} and {server.config.tls.key}",
        ]
    return "\n".join(parts)
