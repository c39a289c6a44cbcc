"""swaks hands mail in at port 25 and at the submission ports."""

from pathlib import Path

import pytest

from peers.command import run
from peers.house import Account, House
from peers.messages import parse

STRANGER = "stranger@elsewhere.example"


def swaks(house: House, port: int, tmp_path: Path, *options: str) -> str:
    verified = ["--tls-verify", "--tls-ca-path", str(house.ca)]
    tls = verified if any(option.startswith("-tls") for option in options) else []
    server = ["--server", house.host, "--port", str(port)]
    return run("swaks", *server, *tls, *options, "--body", "text", home=tmp_path)


@pytest.mark.parametrize("tls", [[], ["-tls"]], ids=["plain", "starttls"])
@pytest.mark.req("FR-004")
def test_swaks_delivers_at_port_25(
    mailraven: House, account: Account, tmp_path: Path, tls: list[str]
) -> None:
    envelope = ["--from", STRANGER, "--to", account.address]
    subject = f"swaks {len(tls)}"
    swaks(mailraven, mailraven.smtp, tmp_path, *envelope, "--h-Subject", subject, *tls)
    assert parse(account.await_message(subject))["Return-Path"] == f"<{STRANGER}>"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("tls", ["-tls", "-tlsc"], ids=["starttls", "implicit"])
def test_swaks_submits(
    mailraven: House, account: Account, other: Account, tmp_path: Path, tls: str, mechanism: str
) -> None:
    port = mailraven.submission if tls == "-tls" else mailraven.submissions
    login = ["-a", mechanism, "-au", account.address, "-ap", account.password]
    envelope = ["--from", account.address, "--to", other.address]
    swaks(mailraven, port, tmp_path, *envelope, *login, tls, "--h-Subject", "by swaks")
    assert " with ESMTPSA" in parse(other.await_message("by swaks"))["Received"]


def test_port_25_relays_for_nobody(mailraven: House, tmp_path: Path) -> None:
    envelope = ["--from", STRANGER, "--to", "someone@third.example"]
    with pytest.raises(AssertionError, match=r"<\*\* 5\d\d 5\.7\.1"):
        swaks(mailraven, mailraven.smtp, tmp_path, *envelope)


def test_a_submission_needs_a_login(mailraven: House, account: Account, tmp_path: Path) -> None:
    envelope = ["--from", account.address, "--to", account.address]
    with pytest.raises(AssertionError, match=r"<\S+ 530 5\.7\.0"):
        swaks(mailraven, mailraven.submission, tmp_path, *envelope, "-tls")
