"""One MailRaven for all tests of a worker, servers to exchange mail with, and accounts."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from peers import exim as exim_peer
from peers import opensmtpd as opensmtpd_peer
from peers import postfix as postfix_peer
from peers.exim import Exim, running_exim
from peers.house import PLAIN_USER, USERS, Account, House, running_house
from peers.opensmtpd import OpenSmtpd, running_opensmtpd
from peers.postfix import Postfix, running_postfix

LOG_LINES = 40  # of the server's log below a failed test


@dataclass(frozen=True, slots=True)
class Addresses:
    """Of 127/8, for MailRaven and its peers, that no other test process uses."""

    house: str
    postfix: str
    exim: str
    opensmtpd: str


@pytest.fixture(scope="session")
def addresses(worker_id: str) -> Addresses:
    worker = int(worker_id.removeprefix("gw")) if worker_id != "master" else 60
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    return Addresses(*(f"127.{4 * worker + 2 + number}.{high}.{low}" for number in range(4)))


@pytest.fixture(scope="session")
def ground() -> Iterator[Path]:
    """A folder that other users may enter, as Postfix's must; pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="mailraven-peers."))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def mailraven(ground: Path, addresses: Addresses) -> Iterator[House]:
    """A running server that knows the way to its peers."""
    routes = (
        f"{postfix_peer.DOMAIN}={addresses.postfix}:{postfix_peer.PORT}",
        f"{exim_peer.DOMAIN}={addresses.exim}:{exim_peer.PORT}",
        f"{opensmtpd_peer.DOMAIN}={addresses.opensmtpd}:{opensmtpd_peer.PORT}",
    )
    environ = {
        "MAILRAVEN_QUEUE_ROUTES": ",".join(routes),
        # A demo on loopback is lax about this; what the tests talk to must be as in production.
        "MAILRAVEN_SMTP_PLAINTEXT_AUTH": "false",
        "MAILRAVEN_IMAP_PLAINTEXT_AUTH": "false",
    }
    with running_house(ground / "house", addresses.house, environ) as house:
        yield house


@pytest.fixture(scope="session")
def postfix(ground: Path, addresses: Addresses, mailraven: House) -> Iterator[Postfix]:
    """A running Postfix that knows the way to MailRaven."""
    hop = f"[{mailraven.host}]:{mailraven.smtp}"
    plain_user = mailraven.account(PLAIN_USER).address
    routes = {mailraven.domain: f"starttls:{hop}", plain_user: f"plain:{hop}"}
    with running_postfix(
        ground / "postfix", addresses.postfix, routes, mailraven.root / "tls"
    ) as peer:
        yield peer


@pytest.fixture(scope="session")
def exim(ground: Path, addresses: Addresses, mailraven: House) -> Iterator[Exim]:
    """A running Exim that knows the way to MailRaven."""
    hop = (mailraven.host, mailraven.smtp)
    tls = mailraven.root / "tls"
    with running_exim(ground / "exim", addresses.exim, hop, tls) as peer:
        yield peer


@pytest.fixture(scope="session")
def opensmtpd(ground: Path, addresses: Addresses, mailraven: House) -> Iterator[OpenSmtpd]:
    """A running OpenSMTPD that knows the way to MailRaven."""
    hop = (mailraven.host, mailraven.smtp)
    with running_opensmtpd(ground / "opensmtpd", addresses.opensmtpd, hop) as peer:
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
