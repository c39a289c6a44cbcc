"""unbound from Debian with the records of a test, in the foreground on loopback."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peers.patience import wait_for

UNBOUND = "/usr/sbin/unbound"
CONFIG = """
server:
    interface: {address}
    port: {port}
    access-control: 127.0.0.0/8 allow
    do-daemonize: no
    do-not-query-localhost: no
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: "{folder}/unbound.pid"
    use-syslog: no
    logfile: "{folder}/unbound.log"
    module-config: "iterator"
    local-zone: "." static
    local-zone: "127.in-addr.arpa." static
{records}
remote-control:
    control-enable: no
"""


@contextmanager
def unbound(folder: Path, address: str, records: list[str]) -> Iterator[str]:
    """Its endpoint, "127.0.0.1:5353". `records` are lines of a zone file, any other name is not
    there."""
    port = _free_port(address)
    lines = "\n".join(f"    local-data: '{record}'" for record in records)
    config = folder / "unbound.conf"
    config.write_text(CONFIG.format(address=address, port=port, folder=folder, records=lines))
    child = subprocess.Popen([UNBOUND, "-d", "-c", str(config)])
    try:
        wait_for("unbound to listen", lambda: _listens(address, port))
        yield f"{address}:{port}"
    finally:
        child.terminate()
        child.wait(10)


def _free_port(address: str) -> int:
    with socket.socket() as sock:
        sock.bind((address, 0))
        port: int = sock.getsockname()[1]
        return port


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=0.1).close()
    except OSError:
        return False
    return True
