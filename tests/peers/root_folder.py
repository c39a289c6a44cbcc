"""A root folder for a mail server from Debian that cannot be installed beside another one.

It has the server's own files, the libraries that they load, and users of its own; chroot(8) makes
its paths the real ones.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

UNPACKED = Path(__file__).parents[2] / ".venv" / "peers"  # by tests/unpack-debian
LIBRARY = re.compile(r"(/\S+) \(0x")
FILES = ("etc", "tmp", "var/run", "var/spool", "dev")


def make_root(folder: Path, package: str, programs: tuple[str, ...], users: dict[str, int]) -> None:
    """Lay out `folder` with a shell, `programs` of a `package`, and `users` by name."""
    for name in FILES:
        (folder / name).mkdir(parents=True)
    (folder / "tmp").chmod(0o1777)
    (folder / "dev" / "null").touch(0o666)  # a file will do, and needs no privilege
    (folder / "dev" / "null").chmod(0o666)
    unpacked = UNPACKED / package
    for source, name in [(Path("/bin/sh"), "bin/sh"), *((unpacked / one, one) for one in programs)]:
        _copy(source, folder / name)
        for library in _libraries(source):
            _copy(Path(library), folder / library.lstrip("/"))
    rows = {"root": 0, **users}
    passwd = [f"{name}:x:{uid}:{uid}::/:/bin/false\n" for name, uid in rows.items()]
    group = [f"{name}:x:{uid}:\n" for name, uid in rows.items()]
    (folder / "etc" / "passwd").write_text("".join(passwd))
    (folder / "etc" / "group").write_text("".join(group))
    (folder / "etc" / "hosts").write_text("127.0.0.1 localhost\n")


def _libraries(program: Path) -> list[str]:
    done = subprocess.run(["ldd", program], check=True, capture_output=True, text=True)
    return LIBRARY.findall(done.stdout)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copy(source, target)


def give_certificate(folder: Path, host: str, owner: int) -> None:
    """etc/mx.pem for `host`, signed by its own RSA key etc/mx-key.pem, which `owner` reads."""
    key = folder / "etc/mx-key.pem"
    files = ["-keyout", key, "-out", folder / "etc/mx.pem"]
    subject = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-days", "30"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    os.chown(key, owner, owner)
    key.chmod(0o600)


def in_root(folder: Path, *command: str) -> list[str]:
    """The command line that runs `command` with `folder` as its root."""
    return ["chroot", str(folder), *command]
