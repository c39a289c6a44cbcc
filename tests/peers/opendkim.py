"""OpenDKIM from Debian, with keys from a file instead of the DNS, as mail_dkim.py has it."""

import subprocess
from pathlib import Path


def opendkim_passes(keys: Path, message: bytes) -> bool:
    """Whether a signature of `message` is good."""
    path, config = keys.parent / "message", keys.parent / "opendkim.conf"
    path.write_bytes(message.replace(b"\r\n", b"\n"))
    config.write_text(f"Mode v\nTestPublicKeys {keys}\nSyslog no\n")
    command = ["/usr/sbin/opendkim", "-x", str(config), "-v", "-t", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    told = run.stdout + run.stderr
    assert "verification (" in told
    return ") succeeded" in told
