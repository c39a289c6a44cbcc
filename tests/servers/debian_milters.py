"""rspamd and OpenDKIM from Debian, in the foreground on loopback, with files of their own."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peers.patience import wait_for

RSPAMD = """
options {{
  pidfile = "{folder}/rspamd.pid";
  control_socket = "{folder}/rspamd.control mode=0600";
  filters = "";
  dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }}
  tempdir = "{folder}";
}}
logging {{ type = "file"; filename = "{folder}/rspamd.log"; level = "notice"; }}
worker "rspamd_proxy" {{
  bind_socket = "{address}";
  milter = yes;
  timeout = 20s;
  count = 1;
  upstream "local" {{ default = yes; self_scan = yes; }}
}}
actions {{ reject = 15; add_header = 6; }}
metric {{ name = "default"; }}
lua = "{folder}/rules.lua";
"""
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


@contextmanager
def opendkim(folder: Path, *settings: str) -> Iterator[str]:
    """Its address; `settings` are lines of its configuration."""
    address = free_address()
    host, _, port = address.partition(":")
    config = folder / "opendkim.conf"
    lines = [f"Socket inet:{port}@{host}", "Background no", "Syslog no", *settings]
    config.write_text("\n".join(lines) + "\n")
    with _foreground(["/usr/sbin/opendkim", "-f", "-x", str(config)], address):
        yield address


@contextmanager
def rspamd(folder: Path) -> Iterator[str]:
    """Its address. It knows no rules but its own test pattern, and asks no DNS."""
    address = free_address()
    (folder / "rules.lua").write_text("")
    config = folder / "rspamd.conf"
    config.write_text(RSPAMD.format(folder=folder, address=address))
    command = ["/usr/bin/rspamd", "-f", "-c", str(config), "-i"]
    with _foreground(command, address):
        yield address


def free_address() -> str:
    """One of loopback where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


@contextmanager
def _foreground(command: list[str], address: str) -> Iterator[None]:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        wait_for(f"{command[0]} to listen", lambda: _listens(address, child))
        yield
    finally:
        child.terminate()
        child.wait(20)


def _listens(address: str, child: "subprocess.Popen[bytes]") -> bool:
    assert child.poll() is None, child.args
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=0.1).close()
    except OSError:
        return False
    return True
