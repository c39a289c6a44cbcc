"""The real authd on a tree of its own, asked by the client that the other daemons use."""

import asyncio
import signal
from base64 import b64decode
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mailraven.auth.client import AuthClient, Granted, Refused, ScramDone, Throttled
from mailraven.auth.passwords import DEMO_COST, ScramKeys, make_entry, replace_entry
from mailraven.auth.scram import Exchange
from mailraven.mail.errors import TemporaryError
from unit.auth.test_scram import client_final
from unit.daemon_process import Tree, counted, make_tree, run, running

PASSWORD = "correct horse"
HOME, STRANGER = "198.51.100.7", "192.0.2.66"
ALICE = "alice@example.org"
HASHES = "mailraven_auth_hashes_total"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = make_tree(tmp_path, "[auth]\naccount_failures = 3\naddress_failures = 10\n")
    domain = tree.domains / "example.org"
    (domain / "accounts").mkdir(parents=True)
    (domain / "domain.toml").write_text("")
    for name in ("alice", "bob"):
        (domain / "accounts" / f"{name}.toml").write_text("")
        set_password(tree, name, PASSWORD)
    return tree


def set_password(tree: Tree, name: str, password: str) -> None:
    path = tree.domains / "example.org" / "passwords"
    replace_entry(path, name, make_entry(name, password, DEMO_COST))


def talk(tree: Tree, story: Callable[[AuthClient], Awaitable[None]]) -> None:
    """Run `story` with a client of the tree's authd."""

    async def whole_story() -> None:
        client = AuthClient(tree.socket("authd"))
        try:
            await story(client)
        finally:
            client.close()

    run(whole_story())


@pytest.mark.req("FR-037")
def test_a_thousand_log_ins_with_one_password_cost_one_hash(tree: Tree) -> None:
    async def story(client: AuthClient) -> None:
        many = (client.verify("Alice@Example.org", PASSWORD, HOME, "imap") for _ in range(1000))
        assert set(await asyncio.gather(*many)) == {Granted(ALICE)}

    with running(tree, "authd"):
        talk(tree, story)
        assert counted(tree, "authd", HASHES) == 1


def test_a_guesser_is_throttled_while_the_owner_logs_in_from_elsewhere(tree: Tree) -> None:
    async def story(client: AuthClient) -> None:
        for n in range(3):
            assert await client.verify(ALICE, f"guess {n}", STRANGER, "imap") == Refused()
        for password in ("guess 4", PASSWORD):
            answer = await client.verify(ALICE, password, STRANGER, "imap")
            assert isinstance(answer, Throttled)
            assert answer.retry_after > 0
        assert await client.verify(ALICE, PASSWORD, HOME, "imap") == Granted(ALICE)

    with running(tree, "authd"):
        talk(tree, story)
    failures = [line for line in tree.log("authd") if line["event"] == "login-failed"]
    assert [line["why"] for line in failures] == ["password"] * 3 + ["throttled"] * 2
    assert {(line["account"], line["peer"], line["via"]) for line in failures} == {
        (ALICE, STRANGER, "imap")
    }


def test_guesses_sent_all_at_once_meet_the_same_limit(tree: Tree) -> None:
    async def story(client: AuthClient) -> None:
        many = (client.verify(ALICE, f"guess {n}", STRANGER, "imap") for n in range(50))
        answers = Counter(type(answer) for answer in await asyncio.gather(*many))
        assert answers[Granted] == 0
        assert answers[Refused] <= 4  # the limit, and the one that was judged beside the third

    with running(tree, "authd"):
        talk(tree, story)


def test_a_phone_that_repeats_its_old_password_is_one_failure(tree: Tree) -> None:
    async def story(client: AuthClient) -> None:
        for _ in range(50):
            assert await client.verify(ALICE, "old", HOME, "imap") == Refused()
        assert await client.verify(ALICE, PASSWORD, HOME, "imap") == Granted(ALICE)

    with running(tree, "authd"):
        talk(tree, story)
        assert counted(tree, "authd", HASHES) == 2


def test_a_new_password_holds_at_once_and_the_old_one_no_more(tree: Tree) -> None:
    async def story(client: AuthClient) -> None:
        assert await client.verify(ALICE, PASSWORD, HOME, "imap") == Granted(ALICE)
        set_password(tree, "alice", "battery staple")
        assert await client.verify(ALICE, PASSWORD, HOME, "imap") == Refused()
        assert await client.verify(ALICE, "battery staple", HOME, "imap") == Granted(ALICE)

    with running(tree, "authd"):
        talk(tree, story)


def test_disabled_and_deleted_accounts_are_refused_at_once(tree: Tree) -> None:
    accounts = tree.domains / "example.org" / "accounts"

    async def story(client: AuthClient) -> None:
        assert await client.verify(ALICE, PASSWORD, HOME, "imap") == Granted(ALICE)
        (accounts / "alice.toml").write_text("enabled = false\n")
        assert await client.verify(ALICE, PASSWORD, HOME, "imap") == Refused()
        (accounts / "bob.toml").unlink()
        assert await client.verify("bob@example.org", PASSWORD, HOME, "imap") == Refused()

    with running(tree, "authd"):
        talk(tree, story)


@pytest.mark.parametrize(
    "user",
    ["nobody@example.org", "a@nowhere.example", "alice", "../../x@example.org", "a\0@b", "\ud800"],
)
def test_who_does_not_exist_is_refused_like_a_wrong_password(tree: Tree, user: str) -> None:
    async def story(client: AuthClient) -> None:
        assert await client.verify(user, PASSWORD, HOME, "imap") == Refused()

    with running(tree, "authd"):
        talk(tree, story)
        assert counted(tree, "authd", HASHES) == (0 if user == "\ud800" else 1)


def test_more_passwords_than_the_queue_holds_are_asked_to_come_later(tree: Tree) -> None:
    async def story(client: AuthClient) -> None:
        many = (client.verify(ALICE, f"guess {n}", f"10.0.{n}.1", "imap") for n in range(250))
        answers = await asyncio.gather(*many, return_exceptions=True)
        kinds = Counter(type(answer) for answer in answers)
        assert set(kinds) == {Refused, TemporaryError}
        assert kinds[Refused] >= 100
        assert await client.verify(ALICE, PASSWORD, HOME, "imap") == Granted(ALICE)

    with running(tree, "authd"):
        talk(tree, story)


def test_a_broken_passwords_file_is_temporary_and_named_in_the_log(tree: Tree) -> None:
    path = tree.domains / "example.org" / "passwords"
    path.write_text("bob:x\nalice:broken\n")

    async def story(client: AuthClient) -> None:
        with pytest.raises(TemporaryError):
            await client.verify(ALICE, PASSWORD, HOME, "imap")

    with running(tree, "authd"):
        talk(tree, story)
    errors = [line["error"] for line in tree.log("authd") if line["event"] == "passwords-broken"]
    assert errors == [f"{path}:2: the second field is not an argon2id hash"]


def test_without_authd_log_ins_wait_and_with_it_again_they_work(tree: Tree) -> None:
    async def expect_later(client: AuthClient) -> None:
        with pytest.raises(TemporaryError) as caught:
            await client.verify(ALICE, PASSWORD, HOME, "imap")
        assert (caught.value.code, caught.value.text[:5]) == (454, "4.7.0")

    async def story(client: AuthClient) -> None:
        await expect_later(client)
        for number in (signal.SIGKILL, signal.SIGTERM):
            with running(tree, "authd") as process:
                assert await client.verify(ALICE, PASSWORD, HOME, "imap") == Granted(ALICE)
                process.send_signal(number)
                await asyncio.to_thread(process.wait)
                await expect_later(client)

    talk(tree, story)


def test_where_an_account_is_at_home_survives_a_restart(tree: Tree) -> None:
    async def log_in(client: AuthClient) -> None:
        assert await client.verify(ALICE, PASSWORD, HOME, "imap") == Granted(ALICE)

    async def neighbour_guesses(client: AuthClient) -> None:
        for n in range(20):
            await client.verify(f"u{n}@example.org", "guess", HOME, "imap")
        answer = await client.verify("bob@example.org", PASSWORD, HOME, "imap")
        assert isinstance(answer, Throttled)
        await log_in(client)

    with running(tree, "authd"):
        talk(tree, log_in)
    with running(tree, "authd"):
        talk(tree, neighbour_guesses)


def exchange_of(client_first: bytes, server_first: bytes) -> Exchange:
    """The client's view of an exchange, from the two messages."""
    fields = dict(field.split(b"=", 1) for field in server_first.split(b","))
    keys = ScramKeys(int(fields[b"i"]), b64decode(fields[b"s"]), b"", b"")
    return Exchange(client_first[3:], server_first, fields[b"r"], b"", keys)


@pytest.mark.req("FR-037")
def test_scram_proves_the_password_over_the_socket(tree: Tree) -> None:
    async def story(client: AuthClient) -> None:
        first = b"n,,n=Alice@example.org,r=abc"
        challenge = await client.scram_first("s1", first, HOME, "submission")
        assert isinstance(challenge, bytes)
        final = client_final(exchange_of(first, challenge), b"n,,", PASSWORD)
        done = await client.scram_final("s1", final)
        assert isinstance(done, ScramDone)
        assert done.account == ALICE
        assert done.server_final.startswith(b"v=")
        assert await client.scram_final("s1", final) == Refused()

    with running(tree, "authd"):
        talk(tree, story)


def test_scram_does_not_tell_who_exists_and_wrong_proofs_are_throttled(tree: Tree) -> None:
    async def attempt(client: AuthClient, user: str) -> bytes:
        first = f"n,,n={user},r=abc".encode()
        challenge = await client.scram_first("s", first, STRANGER, "submission")
        assert isinstance(challenge, bytes)
        final = client_final(exchange_of(first, challenge), b"n,,", "wrong")
        assert await client.scram_final("s", final) == Refused()
        return challenge.partition(b",s=")[2]

    async def story(client: AuthClient) -> None:
        salts = {await attempt(client, "nobody@example.org") for _ in range(3)}
        assert len(salts) == 1
        first = b"n,,n=nobody@example.org,r=abc"
        answer = await client.scram_first("s", first, STRANGER, "submission")
        assert isinstance(answer, Throttled)
        answer = await client.scram_first(
            "s", b"n,a=bob@example.org,n=" + ALICE.encode() + b",r=x", HOME, "submission"
        )
        assert answer == Refused()
        assert await client.scram_first("s", b"junk", HOME, "submission") == Refused()

    with running(tree, "authd"):
        talk(tree, story)


def test_scram_asks_strangers_for_as_many_iterations_as_users(tree: Tree) -> None:
    async def story(client: AuthClient) -> None:
        first = b"n,,n=%s,r=abc"
        counts = set()
        for user in (b"alice@example.org", b"nobody@example.org"):
            challenge = await client.scram_first("s", first % user, HOME, "submission")
            assert isinstance(challenge, bytes)
            counts.add(challenge.rpartition(b",i=")[2])
        assert counts == {b"%d" % DEMO_COST.iterations}

    with running(tree, "authd"):
        talk(tree, story)


def test_no_password_ever_reaches_the_log_or_the_disk(tree: Tree) -> None:
    secret = "sehr-geheim-4711"

    async def story(client: AuthClient) -> None:
        set_password(tree, "alice", secret)
        assert await client.verify(ALICE, secret, HOME, "imap") == Granted(ALICE)
        assert await client.verify("bob@example.org", secret, HOME, "imap") == Refused()

    with running(tree, "authd"):
        talk(tree, story)
    for path in tree.root.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes()
    assert any(line["event"] == "login" for line in tree.log("authd"))
