"""Mail of strangers that an alias sends on: Postfix to us to Exim and back, and the other way."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from peers import exim as exim_peer
from peers import mail_dkim, mail_spf
from peers import postfix as postfix_peer
from peers.exim import Exim
from peers.house import House
from peers.messages import EIGHT_BIT, body_of, compose, dkim_record, parse
from peers.postfix import Postfix
from unit.senderauth.signed import pem, rsa_key

pytestmark = pytest.mark.xdist_group("receivers")

SELECTOR = "theirs"


@dataclass(frozen=True, slots=True)
class Way:
    """From a stranger by an alias of ours to somebody far away."""

    house: House
    stranger: Postfix | Exim
    sender: str
    far: Postfix | Exim
    user: str
    far_domain: str
    keys: Path

    @property
    def domain(self) -> str:
        return self.sender.partition("@")[2]

    def alias(self, local: str) -> str:
        """The alias of ours that sends on to that one."""
        return f"to-{local}-at-{self.far_domain.partition('.')[0]}@{self.house.domain}"

    def send(self, local: str, subject: str) -> str:
        """Send a signed message by an alias to somebody far away; the alias."""
        to = self.alias(local)
        how = ("relaxed/relaxed", self.domain, SELECTOR, str(self.keys.parent / "key.pem"))
        message = compose(self.sender, to, subject)
        self.stranger.send(mail_dkim.signed(self.keys, message, *how), self.sender, to)
        return to

    def zone(self) -> str:
        """What the DNS has: for our domain what `domain dns` prints, and where our host is."""
        own = self.house.command("domain", "dns", self.house.domain)
        others = f'$ORIGIN .\n{self.domain}. IN TXT "v=spf1 a:mx.{self.domain} -all"\n'
        host = f"mx.{self.house.domain}. IN A {self.house.host}\n"
        host += f'mx.{self.house.domain}. IN TXT "v=spf1 a -all"\n'
        return own + others + host


@pytest.fixture(params=["postfix to exim", "exim to postfix"])
def way(
    request: pytest.FixtureRequest, mailraven: House, postfix: Postfix, exim: Exim, tmp_path: Path
) -> Iterator[Way]:
    (tmp_path / "key.pem").write_bytes(pem(rsa_key()))
    ends = {
        "postfix": (postfix, "paula", postfix_peer.DOMAIN),
        "exim": (exim, "erna", exim_peer.DOMAIN),
    }
    (peer, local, domain), (far, user, far_domain) = (
        ends[name] for name in request.param.split(" to ")
    )
    keys = tmp_path / "keys"
    text = dkim_record((tmp_path / "key.pem").read_bytes()).decode()
    keys.write_text(f"{SELECTOR}._domainkey.{domain} {text}\n")
    made = Way(mailraven, peer, f"{local}@{domain}", far, user, far_domain, keys)
    aliases = mailraven.root / "domains" / mailraven.domain / "aliases"
    before = aliases.read_text()
    people = (user, "lost", "unknown")
    lines = (f"{made.alias(one).partition('@')[0]}: {one}@{far_domain}\n" for one in people)
    aliases.write_text(before + "".join(lines))
    yield made
    aliases.write_text(before)


def return_path(message: bytes) -> str:
    """Whom the receiver would send a bounce to."""
    return str(parse(message)["Return-Path"]).strip("<>")


def test_forwarded_message_proves_who_wrote_it_and_who_sent_it(way: Way) -> None:
    subject = f"sent on to {way.user}"
    way.send(way.user, subject)
    message = way.far.await_message(way.user, subject)
    assert body_of(message) == EIGHT_BIT
    path = return_path(message)
    assert re.fullmatch(rf"SRS0=\w+=\w+={re.escape(way.domain)}=\w+@{way.house.domain}", path)
    assert parse(message)["From"] == way.sender
    # At the far end: the author's own signature, and SPF of ours (RFC 6376, RFC 7208).
    wire = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert mail_dkim.verdicts(way.keys, wire)[0] == "pass"
    zone, client, helo = way.zone(), way.house.host, f"mx.{way.house.domain}"
    assert mail_spf.verdict(zone, path, client, helo) == "pass"
    assert mail_spf.verdict_of_helo(zone, client, helo) == "pass"
    assert mail_spf.verdict(zone, way.sender, client, helo) == "fail"  # as it would without SRS


def test_bounce_of_the_far_end_comes_back_to_the_author(way: Way) -> None:
    """To an account that is lost behind the far server, which has taken the message by then."""
    subject = f"lost behind {way.far_domain}"
    way.send("lost", subject)
    user = way.sender.partition("@")[0]
    bounce = way.stranger.await_message(user, subject)
    report = parse(bounce)
    assert report.get_content_type() == "multipart/report"
    assert return_path(bounce) == ""
    by = " ".join(" ".join(report.get_all("Received", [])).split())
    assert f"by mx.{way.house.domain}" in by and f"mx.{way.far_domain}" in by
    assert b"message/delivery-status" in bounce and f"lost@{way.far_domain}".encode() in bounce


def test_refusal_of_the_far_end_is_told_to_the_author_by_us(way: Way) -> None:
    subject = f"refused by {way.far_domain}"
    alias = way.send("unknown", subject)
    report = parse(way.stranger.await_message(way.sender.partition("@")[0], subject))
    fields = report.get_payload(1).get_payload(1)
    assert fields["Action"] == "failed"
    assert fields["Status"].startswith("5.1.1")
    assert fields["Original-Recipient"] == f"rfc822; {alias}"  # RFC 3461 §6.2.7
    by = " ".join(" ".join(report.get_all("Received", [])).split())
    assert f"mx.{way.far_domain}" not in by


def test_return_address_takes_bounces_alone(way: Way) -> None:
    subject = f"asks {way.user}"
    way.send(way.user, subject)
    path = return_path(way.far.await_message(way.user, subject))
    answer = compose(f"{way.user}@{way.far_domain}", path, "an answer")
    way.far.send(answer, f"{way.user}@{way.far_domain}", path)
    report = way.far.await_message(way.user, "an answer")
    assert b"only bounces go to this address" in report
