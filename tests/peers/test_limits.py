"""Limits as real clients meet them: swaks at both ports, curl at the mailbox."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from peers.command import run
from peers.conftest import Addresses
from peers.house import House, running_house

ENVIRON = {
    "MAILRAVEN_SMTP_PLAINTEXT_AUTH": "false",
    "MAILRAVEN_LIMITS_EXEMPT": "",
    "MAILRAVEN_LIMITS_MESSAGES": "3/hour",
    "MAILRAVEN_LIMITS_ACCOUNT_MESSAGES": "100/hour",
    "MAILRAVEN_LIMITS_ACCOUNT_NEW_RECIPIENTS": "2/day",
    "MAILRAVEN_LIMITS_IMAP_CONNECTIONS": "5/hour",
}


@pytest.fixture(scope="module")
def strict(ground: Path, addresses: Addresses) -> Iterator[House]:
    """A server that exempts nobody."""
    address = "127.251." + addresses.house.split(".", 2)[2]
    with running_house(ground / "strict", address, ENVIRON) as one:
        yield one


def swaks(house: House, port: int, home: Path, *options: str) -> str:
    server = ["--server", house.host, "--port", str(port), "--body", "text"]
    return run("swaks", *server, *options, home=home)


def limited(house: House) -> list[dict[str, object]]:
    log = house.root.with_suffix(".log").read_text()
    return [line for text in log.splitlines() if (line := json.loads(text))["event"] == "limited"]


@pytest.mark.req("FR-025")
@pytest.mark.req("FR-026")
def test_swaks_hears_450_after_so_many_messages(strict: House, tmp_path: Path) -> None:
    options = ["--local-interface", "127.0.0.2"]  # the server's welcome came from 127.0.0.1
    options += ["--from", "x@elsewhere.example", "--to", strict.account(1).address]
    for _ in range(3):
        swaks(strict, strict.smtp, tmp_path, *options)
    for _ in range(3):
        with pytest.raises(AssertionError, match=r"<\*\* 450 4\.7\.1 limit of 3 messages from"):
            swaks(strict, strict.smtp, tmp_path, *options)
    (line,) = [one for one in limited(strict) if str(one["key"]).startswith("messages ")]
    assert str(line["peer"]).startswith("127.")


def test_swaks_may_write_to_so_many_strangers_only(strict: House, tmp_path: Path) -> None:
    account = strict.account(2)
    login = ["-a", "PLAIN", "-au", account.address, "-ap", account.password, "-tls"]
    login += ["--tls-verify", "--tls-ca-path", str(strict.ca), "--from", account.address]
    to = ",".join(strict.account(n).address for n in (1, 3, 4))
    said = swaks(strict, strict.submission, tmp_path, *login, "--to", to)
    assert "452 4.5.3 limit of 2 new recipients of mail from " + account.address in said
    assert " 250 2.0.0 ok" in said


@pytest.mark.req("FR-021")
def test_curl_is_sent_away_after_so_many_connections(strict: House, tmp_path: Path) -> None:
    account = strict.account(3)
    url = f"imaps://{strict.host}:{strict.imaps}/"
    words = [
        "curl",
        "-sv",
        "--cacert",
        str(strict.ca),
        "-u",
        f"{account.address}:{account.password}",
    ]
    for _ in range(5):
        run(*words, url, home=tmp_path)
    with pytest.raises(AssertionError, match=r"BYE \[UNAVAILABLE\] limit of 5 connections from"):
        run(*words, url, home=tmp_path)
