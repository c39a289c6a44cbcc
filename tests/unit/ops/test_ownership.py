"""What root types is done with the rights of the daemons' user, in the daemons' folders."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailraven.cli.main import main
from mailraven.config.load import load
from mailraven.files.lock import lock_file
from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.ops.accounts import add_account
from mailraven.ops.domains import add_domain
from mailraven.queue.spool import Spool

OWNER = 12345 if os.geteuid() == 0 else os.geteuid()
SECRET = "what only root may read or write"


@dataclass
class House:
    """A server whose data belong to OWNER, and a file that does not."""

    root: Path
    secret: Path

    @property
    def spool(self) -> Spool:
        """The spool, whose folders are not made yet."""
        return Spool(self.root / "data" / "spool")

    def run(self, *words: str) -> int:
        """A command of root."""
        return main(["--etc", str(self.root / "etc"), *words])

    def give_away(self) -> None:
        """All data to OWNER."""
        for path in (self.root / "data", *(self.root / "data").rglob("*")):
            os.chown(path, OWNER, OWNER, follow_symlinks=False)

    def strange(self) -> list[Path]:
        """Data that do not belong to OWNER."""
        found = (self.root / "data").rglob("*")
        return [one for one in found if one.lstat().st_uid != OWNER]

    def submit(self) -> QueueId:
        """A message in the spool."""
        envelope = Envelope("a@example.org", (Recipient("b@far.example"),), TraceId("t"))
        self.spool.prepare()
        id = self.spool.submit(envelope, [b"Subject: hi\r\n\r\n"])
        self.give_away()
        return id

    @property
    def is_untouched(self) -> bool:
        """Whether the file that is not the daemons' is as it was."""
        status = self.secret.stat()
        is_same = status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o600
        return is_same and self.secret.read_text() == SECRET


@pytest.fixture
def house() -> Iterator[House]:
    # pytest's own folders are closed to everybody else.
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "etc").mkdir()
        (root / "etc" / "mailraven.toml").write_text(
            f'hostname = "mx.example.org"\npaths = {{ data = "{root}/data", run = "{root}/run" }}\n'
        )
        config = load(root / "etc", {})
        add_domain(config, "example.org")
        add_account(config, "a@example.org", "correct horse battery")
        secret = root / "secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        house = House(root, secret)
        house.give_away()
        yield house


@pytest.mark.parametrize(
    "words",
    [
        ("queue", "list"),
        ("queue", "hold", "--all", "--yes"),
        ("suppression", "add", "gone@far.example"),
        ("brake", "on", "a@example.org"),
        ("dkim", "rotate", "example.org"),
    ],
)
def test_what_a_command_makes_is_the_daemons(house: House, words: tuple[str, ...]) -> None:
    house.run(*words)
    assert house.strange() == []


@pytest.mark.parametrize("verb", ["hold", "fail"])
def test_wish_is_not_written_through_a_link(house: House, verb: str) -> None:
    id = house.submit()
    assert house.spool.take(id, "incoming")
    trap = house.spool.root / "wishes" / f".{id}.{os.getpid()}~"
    trap.symlink_to(house.secret)
    with lock_file(house.spool.root / "queued.lock"):  # a queued works there
        house.run("queue", verb, id)
    assert house.is_untouched


def test_suppression_is_not_written_through_a_link(house: House) -> None:
    folder = house.spool.root / "suppressed"
    folder.mkdir(parents=True)
    (folder / "far.example").symlink_to(house.secret)
    house.give_away()
    with suppress(OSError):
        house.run("suppression", "add", "gone@far.example")
    if os.geteuid() != OWNER:
        assert house.is_untouched


def test_who_typed_it_is_still_told(house: House) -> None:
    assert house.run("suppression", "add", "gone@far.example") == 0
    (day,) = (house.root / "data" / "audit").glob("*.jsonl")
    line = day.read_text().splitlines()[-1]
    assert '"operation":"suppression-add"' in line and '"actor":"12345"' not in line
