"""Milters that stall, talk nonsense or close, at every stage: the session goes on."""

import asyncio
from pathlib import Path

import pytest

from mailraven.daemons.milter_links import Station, Stations
from mailraven.daemons.milter_talk import AWAY, CONTINUE, Greeting, Letter, Talk
from mailraven.milter.answers import AddField, Answer, Change, ReplaceBody, Reply
from mailraven.milter.frames import frame
from mailraven.milter.settings import Milter
from servers.milter import CLOSE, GO_ON, STALL, ScriptedMilter, offer, scripted

GREETING = Greeting("mx.example.net", "192.0.2.1", 4321, "mx.example.net", {"j": "mx.example.org"})
LETTER = Letter(b"Subject: hi\r\n", b"hello\r\n")
MACROS = {"i": "4f1c9"}


def talk_to(milter: ScriptedMilter, *, fail_open: bool = False, timeout: float = 5.0) -> Talk:
    return Talk(Station(Milter("test", milter.address, timeout, fail_open)))


async def message(talk: Talk, letter: Letter = LETTER) -> tuple[list[Change], list[Answer]]:
    """One transaction with one recipient."""
    answers = [await talk.mail(GREETING, b"<a@example.net>\0", MACROS)]
    answers.append(await talk.rcpt(b"<b@example.org>\0", MACROS))
    changes, last = await talk.message(letter, MACROS)
    return changes, [*answers, last]


@pytest.mark.parametrize("fail_open", [True, False])
@pytest.mark.parametrize("command", [b"O", b"C", b"H", b"M", b"R", b"T", b"L", b"N", b"B", b"E"])
@pytest.mark.parametrize(
    "badness", [STALL, CLOSE, frame(b"?"), b"\xff" * 40, b"\0\0\0\0", frame(b"h", b"X\0y")]
)
def test_a_bad_milter_costs_its_time_limit_and_its_word(
    command: bytes, badness: bytes, fail_open: bool
) -> None:
    with scripted({command: badness}) as milter:
        talk = talk_to(milter, fail_open=fail_open, timeout=0.1)
        changes, answers = asyncio.run(message(talk))
        assert changes == []
        assert answers[-1] == (CONTINUE if fail_open else AWAY)
        assert talk.station.is_suspended()


def test_changes_before_a_failure_do_not_count() -> None:
    with scripted({b"E": frame(b"h", b"X-A\0one\0") + frame(b"?")}) as milter:
        talk = talk_to(milter, fail_open=True)
        assert asyncio.run(message(talk))[0] == []


def test_progress_does_not_make_the_time_limit_longer() -> None:
    with scripted({b"E": frame(b"p") * 1000}) as milter:
        talk = talk_to(milter, timeout=0.2)
        assert asyncio.run(message(talk))[1][-1] == AWAY


def test_nobody_waits_for_one_that_has_failed() -> None:
    async def two_sessions(talk: Talk) -> Answer:
        await message(talk)
        other = Talk(talk.station)
        return await other.mail(GREETING, b"<>\0", MACROS)

    with scripted({b"O": CLOSE}) as milter:
        assert asyncio.run(two_sessions(talk_to(milter))) == AWAY
        assert milter.connections == 1


def test_after_a_while_one_session_tries_and_a_success_is_for_all() -> None:
    async def try_again(talk: Talk) -> Answer:
        await message(talk)
        talk.station.suspended_until = 1.0  # long ago
        assert not talk.station.is_suspended()
        assert talk.station.is_suspended()  # for the others
        talk.station.suspended_until = 1.0
        milter.script = {}
        await message(talk)
        assert not talk.station.is_suspended()
        return (await message(talk))[1][-1]

    with scripted({b"M": CLOSE}) as milter:
        assert asyncio.run(try_again(talk_to(milter))) == CONTINUE


def test_one_connection_serves_one_client_after_another() -> None:
    async def clients(station: Station) -> None:
        for _ in range(3):
            talk = Talk(station)
            await message(talk)
            await message(talk)
            talk.leave()

    with scripted() as milter:
        asyncio.run(clients(Station(Milter("test", milter.address, reuse=True))))
        assert milter.connections == 1
        once = b"MRTLNBE"
        assert milter.commands.startswith(b"OCH" + once + once + b"KCH" + once)


def test_a_connection_is_not_used_again_where_that_is_not_known(tmp_path: Path) -> None:
    async def client(station: Station) -> None:
        talk = Talk(station)
        await message(talk)
        talk.leave()
        await asyncio.sleep(0)

    with scripted({b"O": offer(version=4)}) as milter:
        station = Station(Milter("test", milter.address, reuse=True))
        asyncio.run(client(station))
        asyncio.run(client(station))
        assert milter.connections == 2


def test_a_connection_that_ended_meanwhile_is_opened_anew() -> None:
    async def twice(station: Station) -> list[Answer]:
        talk = Talk(station)
        await message(talk)
        talk.leave()
        milter.hang_up()
        return (await message(Talk(station)))[1]

    with scripted() as milter:
        assert (
            asyncio.run(twice(Station(Milter("test", milter.address, reuse=True))))
            == [CONTINUE] * 3
        )


def test_one_that_forgets_a_connection_is_asked_on_a_new_one_from_then_on() -> None:
    # as Debian's libmilter does after QUIT_NC
    async def clients(station: Station) -> list[Answer]:
        answers: list[Answer] = []
        for _ in range(3):
            talk = Talk(station)
            answers += (await message(talk))[1]
            talk.leave()
        assert not station.is_suspended()
        return answers

    with scripted({b"K": STALL}) as milter:
        station = Station(Milter("test", milter.address, 2.0, reuse=True))
        assert asyncio.run(clients(station)) == [CONTINUE] * 9
        assert milter.connections == 3


def test_a_client_that_begins_again_aborts_the_message() -> None:
    async def begin_twice(talk: Talk) -> None:
        await talk.mail(GREETING, b"<a@example.net>\0", MACROS)
        await message(talk)

    with scripted() as milter:
        asyncio.run(begin_twice(talk_to(milter)))
        assert milter.commands == b"OCHMAMRTLNBE"


def test_one_that_refuses_the_client_is_asked_once() -> None:
    with scripted({b"C": frame(b"y", b"554 5.7.1 not you\0")}) as milter:
        talk = talk_to(milter)

        async def twice() -> list[Answer]:
            return [await talk.mail(GREETING, b"<>\0", MACROS) for _ in range(2)]

        assert asyncio.run(twice()) == [Answer("reject", Reply(554, "5.7.1 not you"))] * 2
        assert milter.commands == b"OC"


def test_a_refused_recipient_is_one_of_many() -> None:
    with scripted({b"R": frame(b"r"), b"E": frame(b"a")}) as milter:
        _, answers = asyncio.run(message(talk_to(milter)))
        assert [answer.word for answer in answers] == ["continue", "reject", "accept"]


def test_one_that_has_seen_enough_gets_no_more_of_the_body(tmp_path: Path) -> None:
    file = tmp_path / "message"
    file.write_bytes(b"Subject: hi\r\n\r\n" + b"x" * 200_000)
    letter = Letter(b"Subject: hi\r\n", file, 15)
    with scripted({b"B": frame(b"s")}) as milter:
        asyncio.run(message(talk_to(milter), letter))
        assert milter.commands == b"OCHMRTLNBE"


def test_a_large_message_comes_in_pieces_and_whole(tmp_path: Path) -> None:
    body = bytes(range(256)) * 12_000
    file = tmp_path / "message"
    file.write_bytes(b"Subject: hi\r\n\r\n" + body)
    for letter in (Letter(b"", body), Letter(b"", file, 15)):
        with scripted() as milter:
            asyncio.run(message(talk_to(milter), letter))
            pieces = milter.data_of(b"B")
            assert b"".join(pieces) == body
            assert max(map(len, pieces)) == 65535


def test_only_configured_stages_are_told() -> None:
    with scripted() as milter:
        station = Station(Milter("test", milter.address, stages=("mail", "body")))
        asyncio.run(message(Talk(station)))
        assert milter.commands == b"OMBE"


def test_a_new_body_comes_in_pieces() -> None:
    frames = frame(b"b", b"new ") + frame(b"p") + frame(b"b", b"body") + frame(b"h", b"X\0y\0")
    with scripted({b"E": frames + GO_ON}) as milter:
        changes, _ = asyncio.run(message(talk_to(milter)))
        assert changes == [ReplaceBody(b"new "), ReplaceBody(b"body"), AddField(b"X", b"y")]


def test_a_milter_that_is_configured_no_more_is_let_go() -> None:
    stations = Stations()
    one, two = Milter("one", "127.0.0.1:1"), Milter("two", "127.0.0.1:2", ways=("submission",))
    assert [found.milter for found in stations.of([one, two], "inbound")] == [one]
    first = stations.of([one], "inbound")
    assert stations.of([one, two], "inbound") == first
    assert stations.suspended() == ""
