"""What people say of messages counts for their senders: whose word, under which name, how much."""

import time
from pathlib import Path

import pytest

from mailraven.policy.lessons import Claims
from mailraven.policy.reputation import HALF_LIFE, MOST, Past, reason_of
from mailraven.spam.jobs import Job, add_job
from mailraven.spam.learned_file import Lessons, parse, render
from mailraven.spam.learner import apply_jobs
from mailraven.spam.reputation import Reputations
from mailraven.spam.sender_key import key_of_stored
from mailraven.spam.voices import VOICE_LIMIT, VOICES, read_voices, tell_voices, voices_of

pytestmark = pytest.mark.req("FR-017", "EC2")

NOW = 1_800_000_000
OURS = b"Authentication-Results: mx.example.org;\r\n\t"


def stored(results: bytes, author: bytes = b"x@example.net", extra: bytes = b"") -> bytes:
    return (
        b"Return-Path: <b@bounce.example>\r\nDelivered-To: bob@example.org\r\n"
        b"Received: from a.example ([192.0.2.77])\r\n\tby mx.example.org with ESMTP id 4f1c9;\r\n"
        b"\tSun, 22 Nov 2026 22:14:26 +0000\r\n" + results + b"X-Spam-Score: 1.0\r\n"
        b"X-Spam-Status: No, score=1.0 required=4.5 action=accept\r\n" + extra + b"From: <" + author
    ) + b">\r\nSubject: hi\r\n\r\nhello\r\n"


@pytest.mark.parametrize(
    ("results", "key"),
    [
        (b"spf=fail;\r\n\tdkim=none; dmarc=pass header.from=example.net\r\n", "example.net"),
        (b"spf=none; dkim=pass header.d=example.net header.s=a; dmarc=none\r\n", "example.net"),
        (b'spf=none; dkim=pass (x; y) header.d="example.net"\r\n', "example.net"),
        (b"spf=pass smtp.mailfrom=bounce.example; dmarc=none\r\n", "bounce.example"),
        (b"spf=pass smtp.helo=a.example; dmarc=none\r\n", "192.0.2.0/24"),
        (b"spf=fail smtp.mailfrom=bounce.example; dmarc=fail\r\n", "192.0.2.0/24"),
        (b"spf=none smtp.mailfrom=bounce.example; dkim=pass header.d=net\r\n", "192.0.2.0/24"),
    ],
)
def test_the_sender_is_whom_our_results_prove_else_the_network(results: bytes, key: str) -> None:
    assert key_of_stored(stored(OURS + results)) == key


@pytest.mark.parametrize(
    "extra",
    [
        OURS + b"dmarc=pass header.from=example.net\r\n",  # below the fields of the verdict
        b"Authentication-Results: evil.example; dmarc=pass header.from=example.net\r\n",
    ],
)
def test_results_that_a_stranger_wrote_prove_nothing(extra: bytes) -> None:
    plain = stored(b"", extra=b"X-Filler: 1\r\nX-Filler: 2\r\n" + extra)
    assert key_of_stored(plain) == "192.0.2.0/24"
    foreign = extra.replace(b"mx.example.org", b"other.example")
    assert key_of_stored(stored(foreign)) == "192.0.2.0/24"


def test_what_never_came_from_outside_has_no_sender() -> None:
    assert key_of_stored(b"From: x@example.net\r\n\r\nhello\r\n") == ""
    assert key_of_stored(b"") == ""


def said(*claims: Claims, key: str = "example.net", at: int = NOW) -> Lessons:
    found = Lessons()
    for number, one in enumerate(claims):
        found.claims[f"{number:032}"] = (one, at)
        found.senders[f"{number:032}"] = key
    return found


def test_only_what_a_person_says_counts_and_no_account_has_many_voices() -> None:
    assert voices_of(said(("ms",), ("cg",), ("ag",), ("fs",), ("kg",)), NOW) == {
        "example.net": Past(1, 1, NOW)
    }
    assert voices_of(said(*[("ws",)] * 50), NOW)["example.net"].spam == VOICE_LIMIT
    assert voices_of(said(("ms",), at=int(NOW - 4 * HALF_LIFE)), NOW) == {}
    assert voices_of(said(("ms",), key=""), NOW) == {}


def test_the_sender_of_a_lesson_is_kept_in_the_file() -> None:
    one = said(("ms",), ("cg",))
    del one.senders[f"{1:032}"]
    assert parse(render(one)).senders == one.senders
    assert parse(render(one)).claims == one.claims


def test_voices_of_many_accounts_are_summed_and_one_s_own_replaced(tmp_path: Path) -> None:
    for account in ("alice@example.org", "bob@example.org"):
        assert tell_voices(tmp_path, account, {"example.net": Past(2, 0, NOW)})
        assert not tell_voices(tmp_path, account, {"example.net": Past(2, 0, NOW)})
    assert read_voices(tmp_path, NOW)["example.net"].spam == 12
    assert read_voices(tmp_path, NOW + HALF_LIFE)["example.net"].spam == pytest.approx(6)
    assert tell_voices(tmp_path, "bob@example.org", {})
    assert read_voices(tmp_path, NOW)["example.net"].spam == 6


def test_broken_lines_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "spam").mkdir()
    broken = b"\xff\nexample.net alice 1 1\na b 1e9 0 1\na b -1 0 1\na b 1 0 nan\n"
    (tmp_path / VOICES).write_bytes(broken + b"a b 2 0 1800000000\n")
    assert read_voices(tmp_path, NOW) == {"a": Past(6, 0, NOW)}


def test_what_people_say_is_told_and_bounded() -> None:
    reason = reason_of("example.net", Past(good=40), Past(spam=1e6))
    assert reason is not None
    assert 0 < reason.points <= MOST
    assert "what people here said counts as 1000000 spam and 0 good" in reason.text


def test_a_move_into_junk_reaches_the_reputation_and_back_out_takes_it_back(tmp_path: Path) -> None:
    folder = tmp_path / "mail" / "example.org" / "bob"
    folder.mkdir(parents=True)
    path = folder / "1700.M1P2.mx:2,S"
    path.write_bytes(stored(OURS + b"dmarc=pass header.from=example.net\r\n"))
    seen = Reputations(tmp_path / "spam" / "reputation")

    def points_after(change: str) -> float:
        add_job(tmp_path, Job(folder=str(folder), changes=[change], paths=[str(path)]))
        now = time.time()
        apply_jobs(tmp_path, int(now))
        seen.merge()
        past, heard = seen.past("example.net", now), seen.said("example.net", now)
        reason = reason_of("example.net", past, heard)
        return reason.points if reason else 0.0

    assert points_after("moved-in") > 0
    assert points_after("moved-out") == 0
    assert points_after("moved-out") < 0
