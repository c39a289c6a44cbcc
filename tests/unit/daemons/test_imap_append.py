"""APPEND of several messages takes all or none (RFC 3502)."""

from pathlib import Path

import pytest

from mailraven.daemons import imap_append
from unit.daemons.imap_house import ImapHouse, play

LARGE = b"Subject: large\r\n\r\n" + b"x" * (imap_append.MEMORY_LIMIT * 2 // 3) + b"\r\n"


def literals(*messages: bytes) -> bytes:
    return b"".join([b" {%d+}\r\n%b" % (len(message), message) for message in messages])


def test_messages_too_large_for_memory_together_wait_on_disk(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        client = await house.client()
        assert b"1:3] appended" in await client.ask(b"a APPEND Sent" + literals(LARGE, LARGE, b"x"))
        said = await client.ask(b"b STATUS Sent (MESSAGES SIZE)")
        assert b"MESSAGES 3 SIZE %d" % (2 * len(LARGE) + 1) in said
        assert not list((house.maildir / ".Sent" / "tmp").iterdir())
        client.writer.close()

    play(tmp_path, story)


def test_a_client_that_leaves_midway_has_added_nothing(tmp_path: Path) -> None:
    spilled: list[Path] = []

    async def story(house: ImapHouse) -> None:
        client, other = await house.client(), await house.client()
        client.send(b"a APPEND Sent" + literals(LARGE, LARGE) + b" {100}")
        await client.said(b"+ OK")
        spilled.extend((house.maildir / ".Sent" / "tmp").iterdir())
        client.writer.close()
        assert b"MESSAGES 0" in await other.ask(b"a STATUS Sent (MESSAGES)")
        other.writer.close()

    play(tmp_path, story)
    assert len(spilled) == 1
    assert not spilled[0].exists()


def test_messages_of_one_append_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_append, "MESSAGE_LIMIT", 3)

    async def story(house: ImapHouse) -> None:
        client = await house.client()
        assert b"OK" in await client.ask(b"a APPEND Sent" + literals(b"x", b"x", b"x"))
        assert b"NO [LIMIT]" in await client.ask(b"b APPEND Sent" + literals(*[b"x"] * 5))
        assert b"MESSAGES 3" in await client.ask(b"c STATUS Sent (MESSAGES)")
        client.writer.close()

    play(tmp_path, story)


def test_urls_of_one_append_name_a_bounded_sum_of_octets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_append, "TOTAL_LIMIT", 100)

    async def story(house: ImapHouse) -> None:
        client = await house.client()
        assert b"OK" in await client.ask(b"a APPEND Sent" + literals(b"x" * 120))  # a single one
        one = b' CATENATE (URL "/Sent/;UID=1/;PARTIAL=0.40")'
        assert b"OK" in await client.ask(b"b APPEND Sent" + one * 2)
        assert b"NO [LIMIT]" in await client.ask(b"c APPEND Sent" + one * 3)
        assert b"MESSAGES 3" in await client.ask(b"d STATUS Sent (MESSAGES)")
        client.writer.close()

    play(tmp_path, story)
