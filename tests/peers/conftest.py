"""One MailRaven for all tests of a worker, a Postfix to exchange mail with, and accounts."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from peers.house import PLAIN_USER, USERS, Account, House, running_house
from peers.postfix import DOMAIN, PORT, Postfix, running_postfix

LOG_LINES = 40  # of the server's log below a failed test


@pytest.fixture(scope="session")
def addresses(worker_id: str) -> tuple[str, str]:
    """Two addresses of 127/8, for MailRaven and Postfix, that no other test process uses."""
    worker = int(worker_id.removeprefix("gw")) if worker_id != "master" else 100
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    return f"127.{2 * worker + 2}.{high}.{low}", f"127.{2 * worker + 3}.{high}.{low}"


@pytest.fixture(scope="session")
def ground() -> Iterator[Path]:
    """A folder that other users may enter, as Postfix's must; pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="mailraven-peers."))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def mailraven(ground: Path, addresses: tuple[str, str]) -> Iterator[House]:
    """A running server that knows the way to Postfix."""
    environ = {
        "MAILRAVEN_QUEUE_ROUTES": f"{DOMAIN}={addresses[1]}:{PORT}",
        # A demo on loopback is lax about this; what the tests talk to must be as in production.
        "MAILRAVEN_SMTP_PLAINTEXT_AUTH": "false",
        "MAILRAVEN_IMAP_PLAINTEXT_AUTH": "false",
    }
    with running_house(ground / "house", addresses[0], environ) as house:
        yield house


@pytest.fixture(scope="session")
def postfix(ground: Path, addresses: tuple[str, str], mailraven: House) -> Iterator[Postfix]:
    """A running Postfix that knows the way to MailRaven."""
    hop = f"[{mailraven.host}]:{mailraven.smtp}"
    plain_user = mailraven.account(PLAIN_USER).address
    routes = {mailraven.domain: f"starttls:{hop}", plain_user: f"plain:{hop}"}
    with running_postfix(ground / "postfix", addresses[1], routes) as peer:
        yield peer


_numbers = itertools.count(PLAIN_USER + 1)


@pytest.fixture
def account(mailraven: House) -> Account:
    """An account that no other test uses."""
    number = next(_numbers)
    assert number < USERS
    return mailraven.account(number)


@pytest.fixture
def other(mailraven: House) -> Account:
    """A second account that no other test uses."""
    return mailraven.account(next(_numbers))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What the server said during a test that failed, beside what the peer said."""
    report = yield
    house = item.funcargs.get("mailraven") if isinstance(item, pytest.Function) else None
    if report.failed and isinstance(house, House):
        lines = house.log.read_text(errors="replace").splitlines()
        report.sections.append(("MailRaven's log", "\n".join(lines[-LOG_LINES:])))
    return report
