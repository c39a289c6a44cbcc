"""A Postfix with a configuration, a queue and mailboxes of its own; Debian's is never touched."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peers.mail_server import (
    FAR,
    PORT,
    SUBMISSION,
    await_message,
    give_trusted_certificate,
    hand_in,
    takes_mail,
)
from peers.patience import wait_for

DOMAIN = "postfix.example"
USERS = ("paula", "peter", "jörg")
UNSAFE = 30588  # log-in without TLS
USER, OTHER_USER, PASSWORD = "us@ours.example", "them@ours.example", "käse,=brot"
NOBODY = 65534  # virtual(8) delivers as this user, never as root

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = {commands}
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}

myhostname = mx.{domain}
myorigin = {domain}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =

virtual_mailbox_domains = {domain}
virtual_mailbox_maps = texthash:{folder}/etc/mailboxes
virtual_mailbox_base = {folder}/mail
virtual_uid_maps = static:{nobody}
virtual_gid_maps = static:{nobody}
virtual_transport = virtual
virtual_alias_maps = texthash:{folder}/etc/moved
virtual_alias_domains = {far}

# No name is ever looked up: every way out stands in the table.
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtp_host_lookup = native
transport_maps = texthash:{folder}/etc/transport
default_transport = error:no way there stands in the table
smtputf8_enable = yes
smtputf8_autodetect_classes = all
smtp_tls_loglevel = 1
smtpd_tls_cert_file = {folder}/etc/cert.pem
smtpd_tls_key_file = {folder}/etc/key.pem
smtpd_tls_security_level = may
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_sasl_path = smtpd
smtpd_sasl_authenticated_header = yes
cyrus_sasl_config_path = {folder}/etc/sasl
"""

# Debian's Cyrus SASL, with a file of users.
SASL = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {folder}/etc/sasldb2
mech_list: PLAIN LOGIN SCRAM-SHA-256
"""
LOGIN = "-o smtpd_sasl_auth_enable=yes -o smtpd_relay_restrictions=permit_sasl_authenticated,reject"

MASTER = """\
{address}:{port} inet n - n - - smtpd
{address}:{submission} inet n - n - - smtpd -o {{ smtpd_tls_cert_file = {folder}/etc/smart.pem }}
  -o {{ smtpd_tls_key_file = {folder}/etc/smart-key.pem }} -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_auth_only=yes {login}
{address}:{unsafe} inet n - n - - smtpd -o smtpd_tls_security_level=none {login}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
plain unix - - n - - smtp -o smtp_tls_security_level=none
starttls unix - - n - - smtp -o smtp_tls_security_level=encrypt
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Postfix:
    """A running Postfix; `address` is its own in 127/8."""

    folder: Path
    address: str

    def send(self, message: bytes, sender: str, *to: str, utf8: bool = False) -> None:
        """Hand a message in by SMTP; Postfix passes it on by its transport table."""
        hand_in(self.address, message, sender, *to, utf8=utf8)

    def await_message(self, user: str, subject: str) -> bytes:
        """The message for `user` with the ASCII words `subject`, once virtual(8) has filed it."""
        return await_message(self.folder / "mail" / user / "Maildir", subject)

    def log(self) -> str:
        return (self.folder / "log" / "mail.log").read_text(errors="replace")


@contextmanager
def running_postfix(
    folder: Path, address: str, routes: Mapping[str, str], authority: Path
) -> Iterator[Postfix]:
    """Start Postfix below `folder`; `routes` sends a domain or address to "transport:nexthop".

    The certificate for submission is of the authority in `authority`.
    """
    _lay_out(folder)
    give_trusted_certificate(folder / "etc", address, authority)
    _write_configuration(folder, address, routes)
    _control(folder, "start")
    try:
        wait_for("Postfix", lambda: takes_mail(address))
        yield Postfix(folder, address)
    finally:
        _control(folder, "stop")


def _lay_out(folder: Path) -> None:
    for name in ("etc", "queue", "data", "log", "mail"):
        (folder / name).mkdir(parents=True)
    shutil.chown(folder / "data", "postfix")
    os.chown(folder / "mail", NOBODY, NOBODY)
    subject = ["-subj", f"/CN=mx.{DOMAIN}", "-days", "30"]
    files = ["-keyout", folder / "etc/key.pem", "-out", folder / "etc/cert.pem"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command = ["openssl", "req", "-x509", *key, *subject, *files]
    subprocess.run(command, check=True, capture_output=True)


def _write_configuration(folder: Path, address: str, routes: Mapping[str, str]) -> None:
    facts = {
        "folder": folder,
        "address": address,
        "port": PORT,
        "domain": DOMAIN,
        "nobody": NOBODY,
        "submission": SUBMISSION,
        "unsafe": UNSAFE,
        "far": FAR,
        "login": LOGIN,
        "commands": _debian("command_directory"),
        "daemons": _debian("daemon_directory"),
    }
    etc = folder / "etc"
    (etc / "main.cf").write_text(MAIN.format_map(facts))
    (etc / "master.cf").write_text(MASTER.format_map(facts))
    _write_table(etc / "mailboxes", {f"{user}@{DOMAIN}": f"{user}/Maildir/" for user in USERS})
    _write_table(etc / "transport", routes)
    # Taken at RCPT TO; that nobody has the new address is found out later.
    moved = {f"lost@{DOMAIN}": f"nobody@{DOMAIN}", f"@{FAR}": f"{USERS[0]}@{DOMAIN}"}
    _write_table(etc / "moved", moved)
    (etc / "sasl").mkdir()
    (etc / "sasl/smtpd.conf").write_text(SASL.format_map(facts))
    for user in (USER, OTHER_USER):
        name, _, realm = user.partition("@")
        command = ["saslpasswd2", "-p", "-c", "-f", str(etc / "sasldb2"), "-u", realm, name]
        subprocess.run(command, input=PASSWORD.encode(), check=True, capture_output=True)
    shutil.chown(etc / "sasldb2", "postfix")


def _write_table(path: Path, rows: Mapping[str, str]) -> None:
    path.write_text("".join(f"{key} {value}\n" for key, value in rows.items()))


def _debian(parameter: str) -> str:
    """A built-in default of Debian's Postfix; no file of /etc/postfix is asked."""
    command = ["postconf", "-dh", parameter]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _control(folder: Path, action: str) -> None:
    command = ["postfix", "-c", str(folder / "etc"), action]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    log = folder / "log" / "mail.log"
    assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")
