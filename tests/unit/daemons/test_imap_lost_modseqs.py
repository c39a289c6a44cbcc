"""Who may know of changes that a power loss took neither overwrites nor misses (RFC 7162)."""

from pathlib import Path

from unit.daemons.imap_house import ImapHouse, play
from unit.daemons.test_imap_columns import deliver


def test_a_client_from_a_lost_stretch_changes_nothing_unseen(tmp_path: Path) -> None:
    """§3.1.3: what it was told of a message may not be so any more."""

    async def story(house: ImapHouse) -> None:
        await deliver(house, "a", "b")
        client = await house.client()
        await client.ask(b"a SELECT INBOX")
        inbox = await house.store.open(house.maildir, "INBOX")
        inbox.state.lose(10, 1000)
        await client.ask(b"b STORE 1 +FLAGS.SILENT (\\Flagged)")
        for number in (b"11", b"999"):
            said = await client.ask(b"c STORE 1:2 (UNCHANGEDSINCE " + number + b") +FLAGS (\\Seen)")
            assert b"c OK [MODIFIED 1:2]" in said
        said = await client.ask(b"d STORE 1:2 (UNCHANGEDSINCE 1000) +FLAGS (\\Seen)")
        assert b"d OK stored" in said
        await house.store.close(inbox)
        client.writer.close()

    play(tmp_path, story)


def test_a_search_by_modseq_from_a_lost_stretch_finds_all(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        await deliver(house, "a", "b")
        client = await house.client()
        await client.ask(b"a SELECT INBOX")
        inbox = await house.store.open(house.maildir, "INBOX")
        inbox.state.lose(10, 1000)
        for number in (b"11", b"12", b"1000"):
            assert b"* SEARCH 1 2 (MODSEQ " in await client.ask(b"b SEARCH MODSEQ " + number)
        assert b"* SEARCH\r\n" in await client.ask(b"b SEARCH MODSEQ 1001")
        assert b"* SEARCH\r\n" in await client.ask(b"b SEARCH MODSEQ 10")
        await house.store.close(inbox)
        client.writer.close()

    play(tmp_path, story)
