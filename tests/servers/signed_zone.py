"""A zone that is truly signed, and unbound that truly validates, on loopback."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.dnssec
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ed25519

from peers.patience import wait_for
from servers.unbound import UNBOUND

CONFIG = """
server:
    interface: 127.0.0.1
    port: {port}
    do-daemonize: no
    do-not-query-localhost: no
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: "{folder}/unbound.pid"
    use-syslog: no
    logfile: "{folder}/unbound.log"
    module-config: "validator iterator"
    trust-anchor: "{anchor}"
    local-zone: "2.0.192.in-addr.arpa." nodefault
    local-zone: "8.b.d.0.1.0.0.2.ip6.arpa." nodefault
auth-zone:
    name: "."
    zonefile: "{folder}/root.zone"
    for-downstream: no
    for-upstream: yes
remote-control:
    control-enable: no
"""


@dataclass
class Signed:
    """A zone file with signatures, and the key that it hangs on."""

    text: str
    anchor: str


def signed(text: str) -> Signed:
    zone = dns.zone.from_text(text, origin=".", relativize=False)
    key = ed25519.Ed25519PrivateKey.generate()
    dnskey = dns.dnssec.make_dnskey(key.public_key(), dns.dnssec.Algorithm.ED25519, flags=257)
    dns.dnssec.sign_zone(zone, keys=[(key, dnskey)], lifetime=86_400)
    return Signed(zone.to_text(), f". IN DNSKEY {dnskey.to_text()}")


@contextmanager
def validating(folder: Path, zone: Signed) -> Iterator[str]:
    """unbound's endpoint."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    (folder / "root.zone").write_text(zone.text)
    (folder / "unbound.conf").write_text(
        CONFIG.format(port=port, folder=folder, anchor=zone.anchor)
    )
    child = subprocess.Popen([UNBOUND, "-d", "-c", str(folder / "unbound.conf")])
    try:
        wait_for("unbound to listen", lambda: _listens(port))
        yield f"127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.1).close()
    except OSError:
        return False
    return True
