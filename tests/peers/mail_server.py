"""What all mail servers among the peers have in common: a port, a start, an end, maildirs."""

import smtplib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailraven.ops.certificates import ensure_authority, ensure_server_certificate
from peers.patience import PATIENCE, wait_for
from peers.root_folder import in_root

PORT = 30025
SUBMISSION = 30587
FAR = "far.example"  # a domain that nobody has a route to but the peers, as smarthosts


def await_message(maildir: Path, subject: str) -> bytes:
    """The message with the ASCII words `subject`, once it is filed in `maildir`."""
    words = subject.encode()

    def find() -> bytes | None:
        messages = [path.read_bytes() for path in (maildir / "new").glob("*")]
        return next((text for text in messages if words in text), None)

    return wait_for(f"{subject!r} in {maildir}", find)


def hand_in(address: str, message: bytes, sender: str, *to: str, utf8: bool = False) -> None:
    """Give a message by SMTP to the server at `address`, which passes it on."""
    options = ["BODY=8BITMIME", *(["SMTPUTF8"] if utf8 else [])]
    with smtplib.SMTP(address, PORT, timeout=PATIENCE) as session:
        session.sendmail(sender, to, message, mail_options=options)


def give_trusted_certificate(folder: Path, address: str, authority: Path) -> None:
    """smart.pem and smart-key.pem for `address`, signed by the authority in that folder."""
    made = folder / "smart"
    ensure_server_certificate(made, ensure_authority(authority, "made already"), [address])
    (made / "fullchain.pem").rename(folder / "smart.pem")
    (made / "key.pem").rename(folder / "smart-key.pem")


def takes_mail(address: str) -> bool:
    """Whether a server answers there."""
    try:
        with smtplib.SMTP(address, PORT, timeout=PATIENCE) as session:
            return session.noop()[0] == 250
    except OSError:
        return False


@contextmanager
def serving(folder: Path, address: str, *command: str) -> Iterator[None]:
    """A server in the foreground with `folder` as its root; what it says is in `output` there."""
    # Nobody answers there; what a machine may have at 127.0.0.1:53 is not to be asked.
    (folder / "etc/resolv.conf").write_text(f"nameserver {address}\n")
    output = folder / "output"
    with output.open("wb") as said:
        child = subprocess.Popen(
            in_root(folder, *command), stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )

    def is_there() -> bool:
        assert child.poll() is None, output.read_text()
        return takes_mail(address)

    try:
        wait_for(command[0], is_there)
        yield
    finally:
        child.terminate()
        child.wait(PATIENCE)
