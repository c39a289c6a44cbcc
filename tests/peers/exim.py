"""An Exim with a root folder of its own: Debian's is unpacked, not installed."""

import json
import os
import subprocess
import sys
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
    serving,
)
from peers.root_folder import give_certificate, make_root

DOMAIN = "exim.example"
USERS = ("erna", "emil", "grey", "jörg")
EXIM = "usr/sbin/exim4"
SUBMISSIONS = 465  # where TLS begins at once, and only there
LOGIN, OTHER_LOGIN, PASSWORD = "press", "editors", "pass word"
USER, UID = "Debian-exim", 65533  # the name is built in
SIZE_LIMIT = 300_000
TESTS = Path(__file__).parents[1]
SCRIPT = Path(__file__).with_name("exim_verifies.py")

CONFIG = """\
primary_hostname = mx.{domain}
local_interfaces = {address}
daemon_smtp_ports = {port} : {submission} : {submissions}
tls_on_connect_ports = {submissions}
spool_directory = /var/spool/exim
log_file_path = /var/log/%slog
keep_environment =
log_selector = +dkim_verbose +tls_cipher +smtp_protocol_error
domainlist ours = {domain}
deliver_drop_privilege
host_lookup =
rfc1413_hosts =
dns_dnssec_ok = 0
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
tls_advertise_hosts = *
tls_certificate = ${{if eq{{$received_port}}{{{port}}}{{/etc/mx.pem}}{{/etc/smart.pem}}}}
tls_privatekey = ${{if eq{{$received_port}}{{{port}}}{{/etc/mx-key.pem}}{{/etc/smart-key.pem}}}}
message_size_limit = {size}
smtp_accept_max_per_connection = 3
acl_smtp_rcpt = rcpt
acl_smtp_dkim = dkim
acl_smtp_data = data

begin acl
rcpt:
  deny    condition   = ${{if inlist{{$received_port}}{{{submission} : {submissions}}}}}
          !authenticated = *
          message     = 530 5.7.0 log in first
  accept  authenticated = *
          add_header  = X-Log-In: $sender_host_authenticated $authenticated_id
  deny    local_parts = unknown
          message     = 5.1.1 no such user here
  defer   local_parts = full
          message     = 4.2.2 mailbox full
  defer   local_parts = grey
          condition   = ${{if exists{{/etc/not-yet}}}}
          message     = 4.7.1 greylisted, come back later
  deny    condition   = ${{if eq{{$sender_address_local_part}}{{blocked}}}}
          message     = 5.7.1 {address} is blocked, see https://lists.example/why
  accept  domains     = +ours
  accept  hosts       = 127.0.0.0/8

dkim:
  warn    add_header  = X-DKIM: $dkim_algo $dkim_verify_status
  accept

data:
  deny    condition   = ${{if >{{$max_received_linelength}}{{998}}}}
          message     = maximum allowed line length is 998 octets
  deny    condition   = ${{if match{{$rh_Subject:}}{{refused whole}}}}
          message     = 5.7.1 we do not like it
  accept

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{inlist{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
  server_advertise_condition = ${{if eq{{$received_port}}{{{submission}}}}}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{{inlist{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
  server_advertise_condition = ${{if eq{{$received_port}}{{{submissions}}}}}

begin routers
far:
  driver = redirect
  domains = {far}
  data = erna@{domain}
back:
  driver = manualroute
  domains = !+ours
  transport = out
  route_list = * {house}
  self = send
lost:
  driver = redirect
  domains = +ours
  local_parts = lost
  allow_fail
  data = :fail: lost after it was taken
local:
  driver = accept
  domains = +ours
  local_parts = {users}
  transport = file

begin transports
out:
  driver = smtp
  port = {house_port}
  hosts_try_dane =
file:
  driver = appendfile
  directory = /var/mail/$local_part_data
  maildir_format
  create_directory
  delivery_date_add
  envelope_to_add
  return_path_add

begin retry
* * F,1h,1s
"""


@dataclass(frozen=True, slots=True)
class Exim:
    """A running Exim; `address` is its own in 127/8."""

    folder: Path
    address: str
    domain: str = DOMAIN
    user: str = "erna"

    def send(self, message: bytes, sender: str, *to: str) -> None:
        """Hand a message in by SMTP; what is not its own goes to MailRaven."""
        hand_in(self.address, message, sender, *to)

    def await_message(self, user: str, subject: str) -> bytes:
        """The message for `user` with the ASCII words `subject`, once it is filed."""
        return await_message(self.folder / "var/mail" / user, subject)

    def verify(self, message: bytes, to: str, records: Mapping[str, str]) -> None:
        """Have it take `message` where DNS has TXT `records`; what it finds is in X-DKIM."""
        command = ["unshare", "--net", sys.executable, SCRIPT, self.folder, self.address]
        task = json.dumps({"message": message.decode(), "to": to, "records": dict(records)})
        path = f"{TESTS}:{TESTS.parent / 'lib'}"
        subprocess.run(
            command, input=task.encode(), check=True, env={**os.environ, "PYTHONPATH": path}
        )

    def log(self) -> str:
        """What Exim says of messages it took and refused."""
        parts = [self.folder / "var/log" / name for name in ("mainlog", "rejectlog", "paniclog")]
        return "".join(path.read_text(errors="replace") for path in parts if path.exists())

    @contextmanager
    def greylisting(self) -> Iterator[None]:
        """grey@ is put off for so long."""
        mark = self.folder / "etc" / "not-yet"
        mark.touch()
        yield
        mark.unlink()


@contextmanager
def running_exim(
    folder: Path, address: str, house: tuple[str, int], authority: Path
) -> Iterator[Exim]:
    """Start Exim below `folder`; mail for others goes to `house` (address and port).

    The certificate for submission is of the authority in `authority`.
    """
    lay_out(folder)
    give_trusted_certificate(folder / "etc", address, authority)
    os.chown(folder / "etc/smart-key.pem", UID, UID)
    facts = {
        "domain": DOMAIN,
        "address": address,
        "port": PORT,
        "submission": SUBMISSION,
        "submissions": SUBMISSIONS,
        "far": FAR,
        "user": f"{LOGIN} : {OTHER_LOGIN}",
        "password": PASSWORD,
        "size": SIZE_LIMIT,
        "users": " : ".join(USERS),
        "house": house[0],
        "house_port": house[1],
    }
    config = folder / "etc/exim4/exim4.conf"
    config.write_text(CONFIG.format_map(facts))
    config.chmod(0o644)
    with serving(folder, address, f"/{EXIM}", "-bdf", "-q1s", "-oP", "/var/run/exim.pid"):
        yield Exim(folder, address)


def lay_out(folder: Path) -> None:
    make_root(folder, "exim4-daemon-light", (EXIM,), {USER: UID})
    for name in ("var/spool/exim", "var/log", "var/mail"):
        (folder / name).mkdir(parents=True)
        os.chown(folder / name, UID, UID)
    (folder / "etc/exim4").mkdir()
    give_certificate(folder, f"mx.{DOMAIN}", UID)
