"""Mail that goes out by a real Postfix and a real Exim, which ask for TLS and a log-in.

Who sends decides which of them: a domain has one, one of its accounts another.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from peers import exim as exim_peer
from peers import postfix as postfix_peer
from peers.exim import SUBMISSIONS, Exim
from peers.house import Account, House
from peers.mail_server import FAR, PORT, SUBMISSION
from peers.messages import EIGHT_BIT, body_of, compose, parse, valid_signatures
from peers.patience import wait_for
from peers.postfix import UNSAFE, Postfix

pytestmark = pytest.mark.xdist_group("receivers")

DOMAIN = "office.example"
TO = f"somebody@{FAR}"
ACCOUNTS = {  # smarthost by account; anna has that of the domain
    "anna": "",
    "emma": "exim",
    "ella": "exim-at-once",
    "nobody": "stranger",
    "plain": "unsafe",
    "doubt": "untrusted",
    "wrong-p": "wrong-postfix",
    "wrong-e": "wrong-exim",
}


@dataclass(frozen=True, slots=True)
class Office:
    """The house with the domain whose mail goes out by smarthosts."""

    house: House

    def submit(self, name: str, subject: str) -> Account:
        account = Account(replace(self.house, domain=DOMAIN), f"{name}@{DOMAIN}")
        account.submit(compose(account.address, TO, subject), TO)
        return account

    def secret(self, name: str) -> Path:
        return self.house.root / "secrets" / name

    def waits(self, name: str, words: str) -> str:
        """What the queue tells of the mail of an account once it is put off with `words`."""
        listed = wait_for(words, lambda: self._listed(name, words))
        return self.house.queue("show", listed.split()[0])

    def _listed(self, name: str, words: str) -> str | None:
        lines = self.house.queue("list", "--from", f"{name}@{DOMAIN}").splitlines()
        return next((line for line in lines if words in line), None)

    def retry(self, name: str) -> None:
        self.house.queue("retry", "--from", f"{name}@{DOMAIN}", "--yes")


@pytest.fixture(scope="module")
def office(mailraven: House, postfix: Postfix, exim: Exim) -> Iterator[Office]:
    made = Office(mailraven)
    hosts = {
        "postfix": (postfix.address, SUBMISSION, postfix_peer.USER),
        "exim": (exim.address, SUBMISSION, exim_peer.LOGIN),
        "exim-at-once": (exim.address, SUBMISSIONS, exim_peer.LOGIN),
        "stranger": (exim.address, SUBMISSION, ""),
        "unsafe": (postfix.address, UNSAFE, postfix_peer.USER),
        "untrusted": (postfix.address, PORT, postfix_peer.USER),
        # Another user, for sessions are shared by those who log in as the same one.
        "wrong-postfix": (postfix.address, SUBMISSION, postfix_peer.OTHER_USER),
        "wrong-exim": (exim.address, SUBMISSION, exim_peer.OTHER_LOGIN),
    }
    made.secret("").mkdir()
    for name, (address, _, _) in hosts.items():
        right = postfix_peer.PASSWORD if address == postfix.address else exim_peer.PASSWORD
        made.secret(name).write_text("wrong\n" if name.startswith("wrong") else f"{right}\n")
    tables = []
    for name, (address, port, user) in hosts.items():
        login = f'user = "{user}"\npassword_file = "{made.secret(name)}"\n' if user else ""
        tables.append(f'[queue.smarthosts.{name}]\nhost = "{address}:{port}"\n{login}')
    mailraven.add_domain(
        DOMAIN, {name: f'smarthost = "{host}"\n' for name, host in ACCOUNTS.items()}
    )
    (mailraven.root / "domains" / DOMAIN / "domain.toml").write_text('smarthost = "postfix"\n')
    config = mailraven.root / "etc/mailraven.toml"
    before = config.read_text()
    config.write_text(before + "\n".join(["", *tables]))
    mailraven.command("reload")
    yield made
    config.write_text(before)


def test_domain_logs_in_to_postfix_by_scram(office: Office, postfix: Postfix) -> None:
    office.submit("anna", "by postfix")
    message = postfix.await_message("paula", "by postfix")
    received = " ".join(parse(message).get_all("Received", [])[0].split())
    assert f"(Authenticated sender: {postfix_peer.USER})" in received
    assert "with ESMTPSA" in received
    assert "sasl_method=SCRAM-SHA-256" in postfix.log()
    assert body_of(message) == EIGHT_BIT


@pytest.mark.parametrize(
    ("name", "how"), [("emma", "plain"), ("ella", "login")], ids=["STARTTLS", "TLS at once"]
)
def test_account_logs_in_to_exim_instead(office: Office, exim: Exim, name: str, how: str) -> None:
    office.submit(name, f"by exim {how}")
    message = exim.await_message("erna", f"by exim {how}")
    assert parse(message)["X-Log-In"] == f"{how} {exim_peer.LOGIN}"
    assert "with esmtpsa (TLS1.3)" in " ".join(parse(message).get_all("Received", [])[0].split())
    assert body_of(message) == EIGHT_BIT


@pytest.mark.parametrize(
    ("name", "host"), [("wrong-p", "wrong-postfix"), ("wrong-e", "wrong-exim")]
)
def test_wrong_password_keeps_mail_until_it_is_put_right(
    office: Office, postfix: Postfix, exim: Exim, name: str, host: str
) -> None:
    """RFC 4954 §4: 535 is about us, not about the message."""
    sender = office.submit(name, f"mended {name}")
    told = office.waits(name, "535")
    assert "does not take our user or password" in " ".join(told.split())
    assert sender.messages() == []
    peer, user = (postfix, "paula") if name == "wrong-p" else (exim, "erna")
    right = postfix_peer.PASSWORD if name == "wrong-p" else exim_peer.PASSWORD
    assert right not in told and "wrong\n" not in told
    office.secret(host).write_text(f"{right}\n")
    office.retry(name)
    assert peer.await_message(user, f"mended {name}")


def test_mail_stays_when_a_log_in_is_wanted_that_nobody_configured(office: Office) -> None:
    sender = office.submit("nobody", "not logged in")
    told = " ".join(office.waits("nobody", "530 5.7.0 log in first").split())
    assert "wants a log-in" in told
    assert sender.messages() == []


@pytest.mark.parametrize(
    ("name", "why", "port"),
    [
        ("plain", "TLS is required, but not offered", UNSAFE),
        ("doubt", "self-signed certificate", PORT),
    ],
)
def test_no_password_without_verified_tls(
    office: Office, postfix: Postfix, name: str, why: str, port: int
) -> None:
    before = postfix.log().lower().count("sasl")
    sender = office.submit(name, f"kept {name}")
    told = office.waits(name, why)
    assert f":{port}" in told
    assert sender.messages() == []
    assert postfix.log().lower().count("sasl") == before


def test_own_signature_survives_both(office: Office, postfix: Postfix, exim: Exim) -> None:
    keys = office.house.root / "domains" / DOMAIN / "dkim"
    for name, peer, user in (("anna", postfix, "paula"), ("emma", exim, "erna")):
        office.submit(name, f"signed {name}")
        message = peer.await_message(user, f"signed {name}")
        assert valid_signatures(message, keys) == len(list(keys.glob("*.pem"))) > 0
