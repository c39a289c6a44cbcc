"""What clients do with mail teaches: moves into and out of Junk, keywords, answers; not Trash."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from mailraven.daemons import imap_lessons
from mailraven.policy.lessons import Claims
from mailraven.spam.jobs import waiting_jobs
from mailraven.spam.learned_file import Lessons, read_lessons
from mailraven.spam.learner import apply_jobs
from unit.daemons.imap_house import Client, ImapHouse, play
from unit.policy.letters import letter


@dataclass(frozen=True, slots=True)
class Pupil:
    """alice, her client, and what is learned once her jobs are done."""

    client: Client
    root: Path

    async def put(self, mailbox: str, data: bytes, flags: bytes = b"") -> None:
        head = b"put APPEND %b (%b) {%d+}\r\n" % (mailbox.encode(), flags, len(data))
        assert b"put OK" in await self.client.ask(head + data)

    async def does(self, *lines: bytes) -> Lessons:
        """The lessons after these commands, all of which must be OK."""
        for line in lines:
            assert b"\nx OK" in await self.client.ask(b"x " + line), line
        apply_jobs(self.root, 17)
        assert waiting_jobs(self.root) == []
        return read_lessons(self.root)


async def pupil(house: ImapHouse) -> Pupil:
    return Pupil(await house.client(), house.maildir.parent)


def claims(lessons: Lessons) -> list[Claims]:
    return [said for said, _ in lessons.claims.values()]


@pytest.mark.req("FR-017", "EC2")
def test_moving_into_junk_teaches_spam_and_moving_back_undoes_it(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        alice = await pupil(house)
        await alice.put("INBOX", letter("cheap watches"))
        await alice.put("INBOX", letter("lunch at noon"))
        taught = await alice.does(b"SELECT INBOX", b"MOVE 1 Junk")
        assert (taught.learned.spam, taught.learned.good) == (1, 0)
        assert claims(taught) == [("ms",)]
        undone = await alice.does(b"SELECT Junk", b"MOVE 1 INBOX")
        assert undone.learned == Lessons().learned
        assert undone.claims == {}

    play(tmp_path, story)


@pytest.mark.req("FR-017")
def test_moving_out_of_junk_teaches_good_mail_and_moving_back_undoes_it(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        (house.maildir / ".Junk" / "new" / "1700.M1P2.mx").write_bytes(letter())
        alice = await pupil(house)
        assert claims(await alice.does(b"SELECT Junk", b"UID MOVE 1 Archive")) == [("mg",)]
        assert claims(await alice.does(b"SELECT Archive", b"MOVE 1 Junk")) == []

    play(tmp_path, story)


@pytest.mark.req("FR-017")
def test_trash_teaches_nothing(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        (house.maildir / ".Junk" / "new" / "1700.M1P2.mx").write_bytes(letter("a"))
        alice = await pupil(house)
        await alice.put("INBOX", letter("b"))
        await alice.put("Trash", letter("c"), b"\\Flagged")
        assert claims(await alice.does(b"SELECT Junk", b"MOVE 1 Trash")) == []
        assert claims(await alice.does(b"SELECT INBOX", b"MOVE 1 Trash")) == []
        assert claims(await alice.does(b"SELECT Trash", b"MOVE 2 INBOX")) == []
        assert claims(await alice.does(b"STORE 1:* +FLAGS (\\Answered)")) == []

    play(tmp_path, story)


def test_what_went_from_junk_to_trash_is_still_spam_until_it_leaves_trash(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        alice = await pupil(house)
        await alice.put("INBOX", letter())
        to_junk = await alice.does(b"SELECT INBOX", b"MOVE 1 Junk")
        to_trash = await alice.does(b"SELECT Junk", b"MOVE 1 Trash")
        assert to_trash == to_junk and claims(to_trash) == [("ms",)]
        assert claims(await alice.does(b"SELECT Trash", b"MOVE 1 INBOX")) == []

    play(tmp_path, story)


def test_copy_and_expunge_teach_as_move_does(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        alice = await pupil(house)
        await alice.put("INBOX", letter())
        away = [b"STORE 1 +FLAGS.SILENT (\\Deleted)", b"EXPUNGE"]
        there = await alice.does(b"SELECT INBOX", b"COPY 1 Junk", *away)
        assert claims(there) == [("ms",)]
        assert claims(await alice.does(b"SELECT Junk", b"COPY 1 INBOX", *away)) == []

    play(tmp_path, story)


def test_append_teaches_in_junk_only(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        alice = await pupil(house)
        await alice.put("Junk", letter("a"))
        await alice.put("INBOX", letter("b"))
        await alice.put("Archive", letter("c"))
        assert claims(await alice.does()) == [("ms",)]

    play(tmp_path, story)


@pytest.mark.req("FR-017")
@pytest.mark.parametrize("word", [b"$Junk", b"Junk", b"junk"])
def test_keywords_for_junk_teach_until_they_are_gone(tmp_path: Path, word: bytes) -> None:
    async def story(house: ImapHouse) -> None:
        alice = await pupil(house)
        await alice.put("INBOX", letter())
        said = await alice.does(b"SELECT INBOX", b"STORE 1 +FLAGS (%b)" % word)
        assert claims(said) == [("ws",)]
        assert claims(await alice.does(b"STORE 1 -FLAGS.SILENT (%b)" % word)) == []

    play(tmp_path, story)


@pytest.mark.parametrize("word", [b"$NotJunk", b"NonJunk"])
def test_keywords_for_good_mail_teach(tmp_path: Path, word: bytes) -> None:
    async def story(house: ImapHouse) -> None:
        alice = await pupil(house)
        await alice.put("INBOX", letter())
        said = await alice.does(b"SELECT INBOX", b"STORE 1 FLAGS (\\Seen %b)" % word)
        assert claims(said) == [("wg",)]
        assert claims(await alice.does(b"STORE 1 FLAGS (\\Seen)")) == []

    play(tmp_path, story)


def test_as_thunderbird_marks_and_moves_junk_and_takes_it_back(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        alice = await pupil(house)
        await alice.put("INBOX", letter(), b"NonJunk")
        spam = [b"UID STORE 1 -FLAGS (NonJunk)", b"UID STORE 1 +FLAGS (Junk)"]
        said = await alice.does(b"SELECT INBOX", *spam, b"UID MOVE 1 Junk")
        assert (said.learned.spam, said.learned.good) == (1, 0)
        good = [b"UID STORE 1 -FLAGS (Junk)", b"UID STORE 1 +FLAGS (NonJunk)"]
        said = await alice.does(b"SELECT Junk", *good, b"UID MOVE 1 INBOX")
        assert (said.learned.spam, said.learned.good) == (0, 1)

    play(tmp_path, story)


def test_what_is_answered_flagged_or_filed_is_good_mail(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        alice = await pupil(house)
        for number in range(4):
            await alice.put("INBOX", letter(f"letter {number}"))
        first = await alice.does(b"SELECT INBOX", b"STORE 1 +FLAGS (\\Answered \\Seen)")
        assert claims(first) == [("ag",)]
        assert claims(await alice.does(b"STORE 2 +FLAGS (\\Seen)")) == [("ag",)]
        assert claims(await alice.does(b"STORE 2 +FLAGS (\\Flagged)")) == [("ag",)] * 2
        assert claims(await alice.does(b"STORE 2 -FLAGS (\\Flagged)")) == [("ag",)]
        filed = await alice.does(b"MOVE 3 Archive")
        assert claims(filed) == [("ag",), ("kg",)]
        assert filed.learned.good == 2
        assert claims(await alice.does(b"SELECT Archive", b"MOVE 1 INBOX")) == [("ag",)]

    play(tmp_path, story)


def test_a_person_who_answers_spam_and_then_moves_it_to_junk_teaches_spam(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        alice = await pupil(house)
        await alice.put("INBOX", letter())
        await alice.does(b"SELECT INBOX", b"STORE 1 +FLAGS (\\Answered)")
        said = await alice.does(b"MOVE 1 Junk")
        assert (said.learned.spam, said.learned.good) == (1, 0)
        back = await alice.does(b"SELECT Junk", b"MOVE 1 INBOX")
        assert (back.learned.spam, back.learned.good) == (0, 1)

    play(tmp_path, story)


def test_the_name_that_a_client_gave_to_junk_does_not_matter(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        alice = await pupil(house)
        await alice.put("INBOX", letter())
        lines = [b"RENAME Junk Rubbish", b"CREATE Junk", b"SELECT INBOX", b"COPY 1 Rubbish"]
        assert claims(await alice.does(*lines)) == [("ms",)]

    play(tmp_path, story)


def test_jobs_find_messages_whose_flags_have_changed_and_pass_over_those_gone(
    tmp_path: Path,
) -> None:
    async def story(house: ImapHouse) -> None:
        alice = await pupil(house)
        for number in range(2):
            await alice.put("INBOX", letter(f"letter {number}"))
        later = [b"STORE 1:2 +FLAGS (\\Seen \\Deleted)", b"UID EXPUNGE 2"]
        said = await alice.does(b"SELECT INBOX", b"MOVE 1:2 Junk", b"SELECT Junk", *later)
        assert claims(said) == [("ms",)]

    play(tmp_path, story)


def test_a_command_that_cannot_teach_is_done_all_the_same(tmp_path: Path) -> None:
    async def story(house: ImapHouse) -> None:
        alice = await pupil(house)
        (tmp_path / "spam").write_text("no folder")
        await alice.put("INBOX", letter())
        assert b"x OK" in await alice.client.ask(b"x SELECT INBOX")
        assert b"x OK" in await alice.client.ask(b"x MOVE 1 Junk")

    play(tmp_path, story)


def test_one_command_teaches_a_bounded_number_of_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_lessons, "PATH_LIMIT", 3)

    async def story(house: ImapHouse) -> None:
        alice = await pupil(house)
        for number in range(5):
            await alice.put("INBOX", letter(f"letter {number}"))
        assert len(claims(await alice.does(b"SELECT INBOX", b"MOVE 1:* Junk"))) == 3

    play(tmp_path, story)


def test_learning_can_be_switched_off(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()

    async def story(house: ImapHouse) -> None:
        alice = await pupil(house)
        text = (tmp_path / "etc" / "mailraven.toml").read_text()
        (tmp_path / "etc" / "mailraven.toml").write_text(text + "[spam]\nlearning = false\n")
        house.service.watcher.reload()
        await alice.put("INBOX", letter())
        assert claims(await alice.does(b"SELECT INBOX", b"MOVE 1 Junk")) == []

    play(tmp_path, story)
