"""Return addresses of ours for mail that is sent on: there, and back."""

import pytest

from mailraven.mail.address import parse_path
from mailraven.queue.srs import DAY, DAYS, Expired, NotOurs, is_tagged, original, rewritten

NOW = 1_800_000_000.0
KEY, OTHER = b"k" * 32, b"o" * 32


def there(path: str, key: bytes = KEY, now: float = NOW) -> str:
    return rewritten(path, "ours.example", key, now)


@pytest.mark.parametrize(
    "path",
    [
        "alice@far.example",
        "a=b=c@far.example",
        "owner-list+bob=x.example@lists.far.example",
        '"john doe"@far.example',
        r'"a\"b\\c"@far.example',
        "jürgen@far.example",
        "SRS@far.example",
        "srs0@far.example",
    ],
)
def test_bounce_finds_the_way_back(path: str) -> None:
    made = there(path)
    assert made.endswith("@ours.example") and is_tagged(made.rpartition("@")[0].strip('"'))
    assert str(parse_path(made)) == made
    assert original(made, [KEY], NOW) == path


def test_form_is_the_one_that_others_know() -> None:
    made = there("alice@far.example")
    tag, letters, day, domain, local = made.partition("@")[0].split("=")
    assert (tag, len(letters), len(day), domain, local) == ("SRS0", 6, 2, "far.example", "alice")


def test_letters_may_change_their_case_on_the_way() -> None:
    made = there("Alice@far.example")
    assert original(made.lower(), [KEY], NOW) == "alice@far.example"
    assert original(made.upper(), [KEY], NOW) == "ALICE@FAR.EXAMPLE"


def test_domain_of_other_letters_is_written_in_ascii() -> None:
    made = there("bob@bücher.example")
    assert made.isascii()
    assert original(made, [KEY], NOW) == "bob@xn--bcher-kva.example"


@pytest.mark.parametrize("tag", ["SRS0=abc=de=far.example=alice", "srs0+abc=de=far.example=alice"])
def test_second_forwarder_sends_bounces_to_the_first(tag: str) -> None:
    made = there(f"{tag}@first.example")
    assert made.startswith("SRS1=")
    assert original(made, [KEY], NOW).lower() == f"{tag}@first.example".lower()


def test_third_forwarder_leaves_the_second_out() -> None:
    second = rewritten("SRS0=abc=de=far.example=alice@first.example", "second.example", OTHER, NOW)
    third = there(second)
    assert "second.example" not in third
    assert original(third, [KEY], NOW) == "SRS0=abc=de=far.example=alice@first.example"


@pytest.mark.parametrize("local_part", ["SRS1=strange", "SRS1=a=b", "srs1-x"])
def test_what_calls_itself_srs1_and_is_not_is_an_address_like_any_other(local_part: str) -> None:
    made = there(f"{local_part}@first.example")
    assert original(made, [KEY], NOW) == f"{local_part}@first.example"


@pytest.mark.parametrize("days", [0, 1, DAYS])
def test_address_is_good_for_three_weeks(days: int) -> None:
    assert original(there("a@far.example"), [KEY], NOW + days * DAY) == "a@far.example"


@pytest.mark.parametrize("days", [DAYS + 1, 100, 1000])
def test_old_address_is_good_for_nothing(days: int) -> None:
    with pytest.raises(Expired):
        original(there("a@far.example"), [KEY], NOW + days * DAY)


def test_address_that_is_two_cycles_of_days_old_is_old() -> None:
    with pytest.raises(Expired):
        original(there("a@far.example"), [KEY], NOW + 600 * DAY)


def test_secret_that_was_replaced_still_verifies() -> None:
    assert original(there("a@far.example", OTHER), [KEY, OTHER], NOW) == "a@far.example"


@pytest.mark.parametrize(
    "path",
    [
        "alice@ours.example",
        "SRS0@ours.example",
        "SRS0=@ours.example",
        "SRS0=aaaaaa=bb=far.example=victim@ours.example",
        "SRS0=ääääää=bb=far.example=victim@ours.example",
        "SRS1=aaaaaa=far.example==x=y@ours.example",
        "SRS1=aaaaaa@ours.example",
        "SRS2=aaaaaa=bb=far.example=victim@ours.example",
        '"SRS0=aaaaaa=bb=far.example=a b"@ours.example',
    ],
)
def test_address_that_nobody_here_has_made_leads_nowhere(path: str) -> None:
    with pytest.raises(NotOurs):
        original(path, [KEY], NOW)


@pytest.mark.parametrize("part", range(2, 40))
def test_no_letter_can_be_changed(part: int) -> None:
    made = there("alice@far.example")
    other = "x" if made[part + 3].lower() != "x" else "y"
    forged = made[: part + 3] + other + made[part + 4 :]
    if part + 3 < made.index("@"):
        with pytest.raises(NotOurs):
            original(forged, [KEY], NOW)


def test_other_secret_proves_nothing() -> None:
    with pytest.raises(NotOurs):
        original(there("a@far.example", OTHER), [KEY], NOW)
    with pytest.raises(NotOurs):
        original(there("a@far.example"), [], NOW)


@pytest.mark.parametrize(
    "path", ["alice@[192.0.2.1]", "postmaster", "no address", "a@" + "x" * 200 + ".example"]
)
def test_what_fits_into_no_address_stays_as_it_is(path: str) -> None:
    long = path if "xx" not in path else "b" * 60 + path
    assert there(long) == long
