"""Rotation of DKIM keys, with a name server whose zone the test writes."""

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailraven.config.schema import Config, Paths, Queue
from mailraven.dns.resolver import Resolver
from mailraven.ops.dkim_dns import judge
from mailraven.ops.dkim_keys import DkimRecord, dkim_records, make_dkim_keys
from mailraven.ops.dkim_rotation import Turn, folder_of, forget, keys_of, retire, rotate
from mailraven.ops.errors import OperationError
from mailraven.queue.dkim_sign import load_keys
from servers.dns_server import DnsServer, Manners, Records

DOMAIN = "example.org"
START = datetime.now(UTC)
DAYS = timedelta(days=1)
ANY_AGE = timedelta(0)


class Home:
    """A domain with keys, and its zone; `days` have gone by."""

    def __init__(self, root: Path, keys: Path) -> None:
        self.config = Config(paths=Paths(data=root), queue=Queue(dkim_overlap=14 * 86400))
        self.folder = folder_of(self.config, DOMAIN)
        shutil.copytree(keys, self.folder)
        self.zone: dict[tuple[str, str], Records] = {}
        self.publish()

    def publish(self) -> None:
        """What the records of all keys say."""
        for record in dkim_records(self.folder):
            text = " ".join(f'"{record.text[at : at + 200]}"' for at in range(0, 600, 200))
            self.zone[(f"{record.selector}._domainkey.{DOMAIN}", "TXT")] = [text]

    def rotate(self, days: int, oldest: timedelta = ANY_AGE) -> Turn:
        async def turn() -> Turn:
            async with DnsServer(self.zone, Manners()) as server:
                resolver = Resolver((server.endpoint,), 5.0)
                return await rotate(self.config, DOMAIN, resolver, oldest, START + days * DAYS)

        return asyncio.run(turn())

    def signing(self) -> set[str]:
        """What queued signs with."""
        return {key.selector for key in load_keys(self.config.paths.domains, DOMAIN)}

    def published(self) -> set[str]:
        """What `domain dns` prints."""
        return {record.selector for record in dkim_records(self.folder)}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first keys of every domain here: to make an RSA key takes a tenth of a second."""
    folder = tmp_path_factory.mktemp("keys") / "dkim"
    make_dkim_keys(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path, keys: Path) -> Home:
    return Home(tmp_path, keys)


def test_no_key_signs_before_the_dns_shows_it(home: Home) -> None:
    old = home.signing()
    turn = home.rotate(1)
    assert len(turn.made) == 2
    assert set(turn.waiting) == set(turn.made)
    assert home.signing() == old
    assert home.published() == old | set(turn.made)
    assert home.rotate(2).made == []
    assert home.signing() == old


def test_the_old_keys_sign_no_more_and_stay_published_for_the_overlap(home: Home) -> None:
    old = home.signing()
    new = set(home.rotate(1).made)
    home.publish()
    turn = home.rotate(2)
    assert set(turn.activated) == new
    assert home.signing() == new
    assert set(turn.kept) == old
    assert {round((end - START) / DAYS) for end in turn.kept.values()} == {16}
    long = 1000 * DAYS
    assert home.rotate(15, long).removed == []
    assert home.published() == old | new
    assert set(home.rotate(17, long).removed) == old
    assert home.published() == home.signing() == new


def test_one_key_may_be_shown_before_the_other(home: Home) -> None:
    old = home.signing()
    new = set(home.rotate(1).made)
    home.publish()
    late = next(one for one in new if one.startswith("ed"))
    shown = home.zone.pop((f"{late}._domainkey.{DOMAIN}", "TXT"))
    turn = home.rotate(2)
    assert set(turn.waiting) == {late}
    assert home.signing() == {*turn.activated, *(one for one in old if one.startswith("ed"))}
    home.zone[(f"{late}._domainkey.{DOMAIN}", "TXT")] = shown
    home.rotate(3)
    assert home.signing() == new


def test_young_keys_are_left_alone(home: Home) -> None:
    assert home.rotate(100, 180 * DAYS) == Turn()
    assert len(home.rotate(181, 180 * DAYS).made) == 2


def test_rotations_of_one_month_have_selectors_of_their_own(home: Home) -> None:
    seen = home.signing()
    for day in (1, 2):
        made = set(home.rotate(day).made)
        assert len(made) == 2
        assert not made & seen
        seen |= made
        home.publish()
        home.rotate(day)
        assert home.signing() == made


def test_a_domain_without_keys_gets_some(home: Home) -> None:
    for path in home.folder.iterdir():
        path.unlink()
    home.rotate(1)
    home.publish()
    home.rotate(1)
    assert len(home.signing()) == 2


def test_a_rotation_that_stopped_half_way_goes_on(home: Home) -> None:
    old = {path: path.read_text() for path in home.folder.glob("*.toml")}
    home.rotate(1)
    home.publish()
    new = set(home.rotate(2).activated)
    for path, text in old.items():
        path.write_text(text)  # killed before the old ones were told
    assert home.signing() == new | {path.stem for path in old}
    home.rotate(3, 1000 * DAYS)
    assert home.signing() == new


def test_keys_that_a_person_put_there_are_not_touched(home: Home) -> None:
    (home.folder / "mine.toml").write_text('algorithm = "rsa-sha256"\nactive = false\n')
    pem = next(home.folder.glob("rsa*.pem")).read_bytes()
    (home.folder / "mine.pem").write_bytes(pem)
    home.rotate(1)
    home.publish()
    home.rotate(2)
    home.rotate(400, 1000 * DAYS)
    assert {key.selector: key.state for key in keys_of(home.folder)}["mine"] == "off"


def test_a_key_can_be_retired_only_when_another_one_signs(home: Home) -> None:
    first, second = sorted(home.signing())
    assert (retire(home.config, DOMAIN, first, START) - START) == 14 * DAYS
    assert home.signing() == {second}
    with pytest.raises(OperationError, match="alone signs"):
        retire(home.config, DOMAIN, second, START)
    with pytest.raises(OperationError, match="signs with no key"):
        retire(home.config, DOMAIN, first, START)


def test_a_key_that_signs_cannot_be_forgotten(home: Home) -> None:
    first, second = sorted(home.signing())
    with pytest.raises(OperationError, match="retire it first"):
        forget(home.config, DOMAIN, first)
    retire(home.config, DOMAIN, first, START)
    forget(home.config, DOMAIN, first)
    assert home.published() == {second}


RECORD = DkimRecord("s1", "v=DKIM1; k=rsa; p=AAAA")


@pytest.mark.parametrize(
    ("texts", "word"),
    [
        ((b"v=DKIM1; k=rsa; p=AAAA",), "shown"),
        ((b"p=AA AA; v=DKIM1",), "shown"),
        ((b"v=DKIM1; p=BBBB",), "other"),
        ((b"v=DKIM1; k=ed25519; p=AAAA",), "other"),
        ((b"v=DKIM1; p=",), "other"),
        ((b"v=DKIM1; k=rsa; p=AAAA", b"v=DKIM1; p=BBBB"), "other"),
        ((b"hello",), "other"),
        ((), "missing"),
    ],
)
def test_what_the_dns_shows(texts: tuple[bytes, ...], word: str) -> None:
    assert judge("s1._domainkey.example.org", texts, RECORD).word == word


def test_a_name_server_that_fails_holds_the_rotation(home: Home) -> None:
    made = home.rotate(1).made
    for selector in made:
        home.zone[(f"{selector}._domainkey.{DOMAIN}", "TXT")] = None
    config = home.config

    async def turn() -> Turn:
        async with DnsServer(home.zone, Manners()) as server:
            resolver = Resolver((server.endpoint,), 0.1)
            return await rotate(config, DOMAIN, resolver, ANY_AGE, START + 2 * DAYS)

    waiting = asyncio.run(turn()).waiting
    assert {seen.word for seen in waiting.values()} == {"unknown"}
