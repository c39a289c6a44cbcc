"""What counts for whom, in which words a refusal comes, and who is not limited."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailraven.config.load import load
from mailraven.limits.client import LimitClient
from mailraven.limits.desk import Client, LimitDesk, Refusal

NOON = 1_800_000_000.0  # 2027-01-15
ALICE = Client("198.51.100.7", "alice@example.org", "s", "submission")
BOB = Client("198.51.100.7", "bob@example.org", "s", "submission")
STRANGER = Client("192.0.2.1", session="s", via="smtp")


@dataclass(slots=True)
class Desk:
    """A desk that counts in its own process: no limitd listens."""

    root: Path
    settings: dict[str, str]
    now: float = NOON

    def play(self, story: Callable[[LimitDesk], Awaitable[None]]) -> None:
        config = load(self.root, {"MAILRAVEN_PATHS_DATA": str(self.root), **self.settings})

        async def whole() -> None:
            client = LimitClient(self.root / "nobody.sock", lambda: self.now)
            await story(LimitDesk(lambda: config, client, lambda: self.now))

        asyncio.run(whole())

    def allow(self, text: str) -> None:
        (self.root / "limits").mkdir(exist_ok=True)
        (self.root / "limits" / "allow.toml").write_text(text)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    settings = {
        "CONNECTIONS": "3/minute",
        "NETWORK_CONNECTIONS": "5/minute",
        "ACCOUNT_MESSAGES": "2/hour",
        "DOMAIN_MESSAGES": "3/day",
        "ACCOUNT_NEW_RECIPIENTS": "2/day",
    }
    return Desk(tmp_path, {f"MAILRAVEN_LIMITS_{key}": value for key, value in settings.items()})


@pytest.mark.req("FR-021")
def test_an_address_and_its_network_may_connect_so_often(desk: Desk) -> None:
    async def story(limits: LimitDesk) -> None:
        first = [await limits.connection(STRANGER) for _ in range(4)]
        assert [one is None for one in first] == [True, True, True, False]
        neighbours = [await limits.connection(Client(f"192.0.2.{n}")) for n in range(2, 5)]
        assert [one is None for one in neighbours] == [True, True, False]
        assert neighbours[-1] is not None
        assert "connections from the network 192.0.2.0/24" in neighbours[-1].sentence
        assert await limits.connection(Client("192.0.3.1")) is None

    desk.play(story)


@pytest.mark.req("FR-022")
@pytest.mark.req("AS5")
def test_an_account_sends_a_hundred_messages_an_hour(desk: Desk) -> None:
    desk.settings = {}

    async def story(limits: LimitDesk) -> None:
        answers = [await limits.message(ALICE) for _ in range(110)]
        assert [one is None for one in answers] == [True] * 100 + [False] * 10
        assert await limits.message(BOB) is None

    desk.play(story)


@pytest.mark.req("FR-022")
def test_a_domain_sends_no_more_than_its_limit_whoever_sends(desk: Desk) -> None:
    async def story(limits: LimitDesk) -> None:
        assert [await limits.message(ALICE), await limits.message(ALICE)] == [None, None]
        assert await limits.message(BOB) is None
        refusal = await limits.message(BOB)
        assert refusal is not None and "all of example.org per day" in refusal.sentence

    desk.play(story)


def test_only_new_recipients_count_as_new(desk: Desk) -> None:
    async def story(limits: LimitDesk) -> None:
        for path in ("a@x.example", "A@x.example", "b@x.example", "a@x.example"):
            assert await limits.recipient(ALICE, path) is None
        assert await limits.recipient(ALICE, "c@x.example") is not None
        assert await limits.recipient(ALICE, "b@x.example") is None

    desk.play(story)


@pytest.mark.req("FR-023")
@pytest.mark.req("AS5")
def test_a_token_makes_a_thousand_requests_an_hour(desk: Desk) -> None:
    async def story(limits: LimitDesk) -> None:
        answers = [await limits.api_request("t1", STRANGER) for _ in range(1001)]
        assert answers[:1000] == [None] * 1000
        assert isinstance(answers[-1], Refusal) and 0 < answers[-1].retry_after <= 3900
        assert await limits.api_request("t2", STRANGER) is None

    desk.play(story)


@pytest.mark.req("FR-025")
def test_the_sentence_says_which_limit_and_when_it_gives_way(desk: Desk) -> None:
    async def story(limits: LimitDesk) -> None:
        for _ in range(3):
            await limits.connection(STRANGER)
        refusal = await limits.connection(STRANGER)
        assert refusal is not None
        assert refusal.sentence == (
            "limit of 3 connections from 192.0.2.1 per minute reached; try again in "
            f"{refusal.retry_after} seconds"
        )
        desk.now += refusal.retry_after
        assert await limits.connection(STRANGER) is None

    desk.play(story)


@pytest.mark.req("FR-026")
def test_a_flood_of_refusals_is_one_line_a_minute_with_the_client(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    async def story(limits: LimitDesk) -> None:
        for _ in range(100):
            await limits.message(ALICE)
        desk.now += 61
        await limits.message(ALICE)

    desk.play(story)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    limited = [line for line in lines if line["event"] == "limited"]
    assert [line.get("before") for line in limited] == [None, 97]
    assert {(line["account"], line["peer"], line["key"], line["limit"]) for line in limited} == {
        ("alice@example.org", "198.51.100.7", "account_messages alice@example.org", 2)
    }


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", ""])
def test_this_machine_is_exempt_but_not_an_account_on_it(desk: Desk, address: str) -> None:
    async def story(limits: LimitDesk) -> None:
        for _ in range(10):
            assert await limits.connection(Client(address)) is None
        answers = [await limits.message(Client(address, "alice@example.org")) for _ in range(3)]
        assert answers[-1] is not None

    desk.play(story)


def test_nothing_is_limited_when_limits_are_off(desk: Desk) -> None:
    desk.settings["MAILRAVEN_LIMITS_ENABLED"] = "false"

    async def story(limits: LimitDesk) -> None:
        assert {await limits.message(ALICE) for _ in range(10)} == {None}

    desk.play(story)


ENTRY = '[[allow]]\nwho = "{}"\nowner = "o"\nreason = "r"\nexpires = {}\n'


@pytest.mark.req("FR-024")
@pytest.mark.req("EC5")
@pytest.mark.parametrize("who", ["192.0.2.0/28", "192.0.2.1/32"])
def test_an_allowed_network_is_not_limited_until_its_entry_expires(desk: Desk, who: str) -> None:
    desk.allow(ENTRY.format(who, "2027-01-15"))

    async def story(limits: LimitDesk) -> None:
        assert {await limits.connection(STRANGER) for _ in range(50)} == {None}
        desk.now += 86400
        answers = [await limits.connection(STRANGER) for _ in range(4)]
        assert answers[-1] is not None

    desk.play(story)


@pytest.mark.req("EC5")
def test_a_sender_may_have_rates_of_its_own(desk: Desk) -> None:
    rates = '[allow.rates]\naccount_messages = ["3/hour"]\ndomain_messages = []\n'
    desk.allow(ENTRY.format("alice@example.org", "2027-02-01") + rates)

    async def story(limits: LimitDesk) -> None:
        answers = [await limits.message(ALICE) for _ in range(4)]
        assert [one is None for one in answers] == [True, True, True, False]
        assert [await limits.message(BOB), await limits.message(BOB)] == [None, None]

    desk.play(story)


@pytest.mark.req("SEC4")
def test_an_account_in_the_list_counts_only_for_who_is_logged_in(desk: Desk) -> None:
    desk.allow(ENTRY.format("@example.org", "2027-02-01"))

    async def story(limits: LimitDesk) -> None:
        assert {await limits.message(ALICE) for _ in range(10)} == {None}
        answers = [await limits.connection(STRANGER) for _ in range(4)]
        assert answers[-1] is not None

    desk.play(story)


@pytest.mark.req("SEC4")
def test_a_broken_list_leaves_in_force_what_was(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    desk.allow(ENTRY.format("192.0.2.1/32", "2027-02-01"))

    async def story(limits: LimitDesk) -> None:
        assert await limits.connection(STRANGER) is None
        desk.allow(ENTRY.format("0.0.0.0/0", "2027-02-01") + "# and longer")
        desk.now += 2
        assert {await limits.connection(STRANGER) for _ in range(9)} == {None}
        answers = [await limits.connection(Client("198.51.100.1")) for _ in range(4)]
        assert answers[-1] is not None

    desk.play(story)
    assert "limit-allow-refused" in capfd.readouterr().err
