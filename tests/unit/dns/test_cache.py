"""How long answers of the DNS are kept, and how many."""

import pytest

from mailraven.dns.answers import Answer
from mailraven.dns.cache import FAILED_SECONDS, LONGEST, LONGEST_MISSING, Cache, Failures

FOUND = Answer(("192.0.2.1",))
EMPTY: Answer[str] = Answer(())


def test_an_answer_lives_as_long_as_it_says() -> None:
    cache = Cache()
    cache.put(("a.example", "A"), FOUND, 60, 1000.0)
    assert cache.get(("a.example", "A"), 1059.9) is FOUND
    with pytest.raises(KeyError):
        cache.get(("a.example", "A"), 1060.0)
    assert len(cache) == 0


@pytest.mark.parametrize(
    ("answer", "longest"), [(FOUND, LONGEST), (EMPTY, LONGEST_MISSING), (None, LONGEST_MISSING)]
)
def test_no_answer_is_kept_for_ever(answer: Answer[str] | None, longest: float) -> None:
    cache = Cache()
    cache.put(("a.example", "A"), answer, 2**31, 0.0)
    assert cache.get(("a.example", "A"), longest - 1) is answer
    with pytest.raises(KeyError):
        cache.get(("a.example", "A"), longest)


def test_a_time_to_live_of_zero_is_not_kept() -> None:
    # RFC 1035 §3.2.1
    cache = Cache()
    cache.put(("a.example", "A"), FOUND, 60, 0.0)
    cache.put(("a.example", "A"), FOUND, 0, 1.0)
    assert len(cache) == 0


def test_the_least_recently_used_goes_first() -> None:
    cache = Cache(count=2)
    for name in ("a", "b"):
        cache.put((name, "A"), FOUND, 60, 0.0)
    cache.get(("a", "A"), 1.0)
    cache.put(("c", "A"), FOUND, 60, 1.0)
    with pytest.raises(KeyError):
        cache.get(("b", "A"), 1.0)
    assert cache.get(("a", "A"), 1.0) is FOUND


def test_large_answers_push_out_more_than_one() -> None:
    cache = Cache(size=1000)
    for number in range(10):
        cache.put((f"{number}", "TXT"), Answer((b"x" * 90,)), 60, 0.0)
    cache.put(("large", "TXT"), Answer((b"x" * 900,)), 60, 0.0)
    assert len(cache) == 2


def test_an_answer_larger_than_the_cache_is_not_kept() -> None:
    cache = Cache(size=100)
    cache.put(("large", "TXT"), Answer((b"x" * 900,)), 60, 0.0)
    assert len(cache) == 0


def test_a_failure_is_forgotten_soon_and_the_oldest_first() -> None:
    # RFC 2308 §7
    failures = Failures(count=2)
    for second, name in enumerate(("a.example", "b.example", "c.example")):
        failures.put((name, "A"), "silence", float(second))
    assert len(failures) == 2
    assert failures.get(("a.example", "A"), 2.0) is None
    assert failures.get(("b.example", "A"), 1.0 + FAILED_SECONDS - 0.1) == "silence"
    assert failures.get(("b.example", "A"), 1.0 + FAILED_SECONDS) is None
    assert len(failures) == 1
