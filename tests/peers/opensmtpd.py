"""An OpenSMTPD with a root folder of its own: Debian's is unpacked, not installed.

That of Debian 12 offers STARTTLS, but cannot do it: with OpenSSL 3 it does not find its own key
and breaks off every handshake (its issue 1171).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peers.mail_server import PORT, await_message, serving
from peers.root_folder import give_certificate, make_root

DOMAIN = "opensmtpd.example"
USERS = ("olga", "otto", "lost")
PROGRAMS = ("usr/sbin/smtpd", "usr/sbin/smtpctl", "usr/libexec/opensmtpd/mail.maildir")
UIDS = {"opensmtpd": 65531, "opensmtpq": 65530, "mailbox": 65532}
SIZE_LIMIT = 300_000

CONFIG = """\
pki own cert "/etc/mx.pem"
pki own key "/etc/mx-key.pem"
table users file:/etc/users
table people file:/etc/people
table full {{ full@{domain} }}
smtp max-message-size {size}
filter full phase rcpt-to match rcpt-to <full> reject "452 4.2.2 mailbox full"
listen on {address} port {port} tls pki own hostname mx.{domain} filter full
action "file" maildir "/var/mail/%{{dest.user}}" userbase <users> virtual <people>
action "out" relay host smtp://{house} helo mx.{domain}
action "lost" mda "exit 1" userbase <users> virtual <people>
match from any for rcpt-to "lost@{domain}" action "lost"
match from any for domain "{domain}" action "file"
match from any for any action "out"
"""


@dataclass(frozen=True, slots=True)
class OpenSmtpd:
    """A running OpenSMTPD; `address` is its own in 127/8."""

    folder: Path
    address: str
    domain: str = DOMAIN
    user: str = "olga"

    def await_message(self, user: str, subject: str) -> bytes:
        """The message for `user` with the ASCII words `subject`, once it is filed."""
        return await_message(self.folder / "var/mail" / user, subject)

    def log(self) -> str:
        """What it says of sessions and messages."""
        return (self.folder / "output").read_text(errors="replace")


@contextmanager
def running_opensmtpd(folder: Path, address: str, house: tuple[str, int]) -> Iterator[OpenSmtpd]:
    """Start it below `folder`; mail for others goes to `house` (address and port)."""
    _lay_out(folder)
    facts = {
        "domain": DOMAIN,
        "address": address,
        "port": PORT,
        "size": SIZE_LIMIT,
        "house": f"{house[0]}:{house[1]}",
    }
    (folder / "etc/smtpd.conf").write_text(CONFIG.format_map(facts))
    with serving(folder, address, "/usr/sbin/smtpd", "-d"):
        yield OpenSmtpd(folder, address)


def _lay_out(folder: Path) -> None:
    make_root(folder, "opensmtpd", PROGRAMS, UIDS)
    (folder / "var/lib/opensmtpd/empty").mkdir(parents=True)
    (folder / "var/spool/smtpd").mkdir(mode=0o711)
    (folder / "var/mail").mkdir()
    owner = UIDS["mailbox"]
    os.chown(folder / "var/mail", owner, owner)
    (folder / "etc/users").write_text(f"mailbox {owner}:{owner}:/var/mail\n")
    (folder / "etc/people").write_text("".join(f"{user}@{DOMAIN} mailbox\n" for user in USERS))
    give_certificate(folder, f"mx.{DOMAIN}", 0)
