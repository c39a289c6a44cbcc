"""The brake on accounts: years of ordinary mail played again, and thefts of several kinds."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailraven.policy.brake import DAY, HOUR, History, Thresholds, fold, lines_of, why_stop

RULES = Thresholds()
START = 1_700_000_000 // DAY * DAY


@dataclass
class Account:
    """An account as smtpd sees it: whom it wrote to is known from then on."""

    history: History = field(default_factory=History)
    known: set[str] = field(default_factory=set)

    def sends(self, at: int, recipients: Iterable[str], text: str) -> str | None:
        people = set(recipients)
        self.history.sent(at, len(people), len(people - self.known), text)
        self.known |= people
        return why_stop(self.history, RULES, at)


def strangers(count: int, name: str = "x") -> list[str]:
    return [f"{name}{number}@example.net" for number in range(count)]


def letters(days: Iterable[int], chance: random.Random) -> Iterator[tuple[int, list[str], str]]:
    """Some 15 letters a working day to a growing circle of 400 people, now and then a new one."""
    circle = strangers(400, "friend")
    for day in days:
        if day % 7 >= 5:
            continue
        for number in range(chance.randint(5, 25)):
            at = START + day * DAY + 9 * HOUR + number * 1200
            size = chance.choice((1, 1, 1, 1, 2, 3, 8))
            reach = min(len(circle), 20 + day * 2)
            yield at, chance.sample(circle[:reach], size), f"letter-{day}-{number}"


def test_two_years_of_ordinary_letters_never_trip_it() -> None:
    account = Account()
    for at, people, text in letters(range(730), random.Random(1)):
        assert account.sends(at, people, text) is None


def test_a_weekly_newsletter_to_people_who_are_known_never_trips_it() -> None:
    """200 readers, some 30 new ones each week at first, 3 later; one message for each of them."""
    account = Account()
    readers: list[str] = []
    for week in range(104):
        readers += strangers(30 if week < 6 else 3, f"reader-{week}-")
        for number, reader in enumerate(readers):
            at = START + week * 7 * DAY + 10 * HOUR + number
            assert account.sends(at, [reader], f"issue-{week}") is None
    assert len(readers) > 400


def test_the_same_newsletter_in_one_message_never_trips_it() -> None:
    account = Account(known=set(strangers(200)))
    for week in range(52):
        at = START + week * 7 * DAY
        assert account.sends(at, strangers(200 + week), f"issue-{week}") is None


def test_what_grows_slowly_is_what_the_account_usually_does() -> None:
    account = Account()
    for month in range(12):
        count = int(40 * 1.5**month)
        people = strangers(count, f"customer-{month}-")
        for number, one in enumerate(people):
            at = START + month * 28 * DAY + number * 60
            assert account.sends(at, [one], f"order-{month}-{number}") is None


def test_one_text_for_strangers_is_stopped_soon_even_in_an_old_account() -> None:
    account = Account()
    for at, people, text in letters(range(100), random.Random(2)):
        account.sends(at, people, text)
    usual = account.history.usual_new(START + 100 * DAY)
    sent = stopped_after(account, START + 100 * DAY, lambda number: "same")
    assert sent <= max(RULES.same_text, RULES.growth * usual) + 1 <= 101


def test_strangers_are_too_many_even_if_each_gets_a_text_of_its_own() -> None:
    assert stopped_after(Account(), START, str) == RULES.new_recipients + 1


def test_a_flood_over_midnight_does_not_make_itself_usual() -> None:
    assert stopped_after(Account(), START + DAY - 90, str) == RULES.new_recipients + 1


def stopped_after(account: Account, begin: int, text: "object") -> int:
    """How many strangers, one a second, get mail until the brake is put on."""
    assert callable(text)
    for number, stranger in enumerate(strangers(1000, "victim")):
        if account.sends(begin + number, [stranger], text(number)) is not None:
            return number + 1
    raise AssertionError("it never was")


def test_many_addresses_that_do_not_exist_are_stopped() -> None:
    account = Account(known=set(strangers(60)))
    account.sends(START, strangers(60), "a")
    account.history.bounced(START + 5, RULES.bounces)
    assert why_stop(account.history, RULES, START + 6) is None
    account.history.bounced(START + 5, 1)
    why = why_stop(account.history, RULES, START + 6)
    assert why == "21 of 60 recipients of a day do not exist"


def test_an_old_list_with_some_dead_addresses_is_fine() -> None:
    account = Account(known=set(strangers(200)))
    account.sends(START, strangers(200), "a")
    account.history.bounced(START, 45)
    assert why_stop(account.history, RULES, START + 6) is None


def test_what_a_person_has_looked_at_counts_no_more() -> None:
    account = Account()
    stopped_after(account, START, str)
    account.history.excuse(START + 500, is_usual=True)
    assert why_stop(account.history, RULES, START + 501) is None
    assert account.history.usual_new(START + 2 * DAY) == RULES.new_recipients + 1


def test_spam_that_was_purged_is_not_what_the_account_usually_does() -> None:
    account = Account()
    stopped_after(account, START, str)
    account.history.excuse(START + 500, is_usual=False)
    assert account.history.usual_new(START + 2 * DAY) == 0


def test_letters_wear_off_after_a_day() -> None:
    history = History()
    history.sent(START, 90, 90, "a")
    history.sent(START + DAY, 90, 90, "b")
    assert history.last_day(START + DAY).new == 90


def test_memory_is_bounded_however_many_texts_there_are() -> None:
    history = History()
    for number in range(5000):
        history.sent(START + number * 300, 1, 0, str(number))
    assert len(history.texts) <= 300
    assert len(history.hours) <= 25 and len(history.days) <= 31


LINE = st.one_of(
    st.text(),
    st.sampled_from(["sent 5 1 1 a", "sent 5 1", "bounced x", "day 1 2 3", "text a 1", "hour", ""]),
    st.builds("sent {} {} {} {}".format, st.integers(), st.integers(), st.integers(), st.text()),
)


@given(st.lists(LINE))
def test_whatever_the_file_says_is_a_history(lines: list[str]) -> None:
    history = History()
    fold(history, iter(lines))
    why_stop(history, RULES, START)


@pytest.mark.parametrize("seed", range(5))
def test_sums_say_what_the_messages_said(seed: int) -> None:
    chance = random.Random(seed)
    history = History()
    for _ in range(500):
        people = chance.randint(1, 40)
        at = START + chance.randint(0, 3 * DAY)
        history.sent(at, people, chance.randint(0, people), chance.choice("abc-"))
        history.bounced(at, chance.randint(0, 2))
    again = History()
    fold(again, lines_of(history))
    assert again == history
