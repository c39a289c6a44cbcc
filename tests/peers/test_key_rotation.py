"""New DKIM keys for old ones: whatever is on its way is verified by others, at any moment.

The DNS has at each step what `domain dns` printed, no sooner than we were told to publish it.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import dns.zone
import pytest

from peers import mail_dkim
from peers.exim import Exim
from peers.house import Account, House
from peers.messages import compose, parse
from peers.opendkim import opendkim_passes
from peers.patience import wait_for
from servers.dns_server import Records, dns_thread

pytestmark = pytest.mark.xdist_group("receivers")

DOMAIN = "rotating.example"
PASSES = {"rsa-sha256 pass", "ed25519-sha256 pass"}
Keys = dict[str, str]  # record by name


@dataclass
class Rotation:
    """A domain of the house, and the DNS as it is now."""

    house: House
    exim: Exim
    folder: Path
    zone: dict[tuple[str, str], Records] = field(default_factory=dict)
    endpoint: str = ""
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def printed(self) -> Keys:
        """The keys that `domain dns` wants to have published."""
        text = self.house.command("domain", "dns", DOMAIN)
        zone = dns.zone.from_text(text, origin=DOMAIN, relativize=False, check_origin=False)
        return {
            str(name).rstrip("."): b"".join(record.strings).decode()
            for name, _, record in zone.iterate_rdatas("TXT")
            if "_domainkey" in str(name)
        }

    def publish(self) -> Keys:
        """Let the DNS have what is printed; it."""
        keys = self.printed()
        self.zone.clear()
        for name, text in keys.items():
            parts = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
            self.zone[(name, "TXT")] = [parts]
        return keys

    def rotate(self, *, waits: bool = False, overlap: str = "14d") -> str:
        settings = {"dns_resolvers": self.endpoint, "queue_dkim_overlap": overlap}
        return self.house.command("dkim", "rotate", DOMAIN, fails=waits, **settings)

    def send(self, subject: str) -> bytes:
        """A message as it arrives far away."""
        sender = Account(replace(self.house, domain=DOMAIN), f"zoe@{DOMAIN}")
        to = f"erna@{self.exim.domain}"
        sender.submit(compose(sender.address, to, subject), to)
        return self.exim.await_message("erna", subject)

    def send_by_new_keys(self, old: Keys) -> bytes:
        """The first message that the `old` keys have not signed: queued looks for keys now and
        then."""

        def look() -> bytes | None:
            message = self.send(f"signed by the new keys {next(self.numbers)}")
            return None if any(signers(message, old)) else message

        return wait_for("new keys", look)

    def verdicts(self, message: bytes, keys: Keys, question: str) -> tuple[bool, bool, bool]:
        """Whether Exim, OpenDKIM and Mail::DKIM find it good by these records.

        Exim must find both signatures good, the others know RSA alone.
        """
        self.exim.verify(b"X-Question: " + question.encode() + b"\r\n" + message, self.to, keys)
        answered = parse(self.exim.await_message("emil", f"X-Question: {question}"))
        by_exim = set(answered.get_all("X-DKIM", [])) >= PASSES
        file = self.folder / "keys"
        file.write_text("".join(f"{name} {text}\n" for name, text in keys.items()))
        wire = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        by_perl = mail_dkim.verdicts(file, wire)[0] == "pass"
        return by_exim, opendkim_passes(file, message), by_perl

    @property
    def to(self) -> str:
        return f"emil@{self.exim.domain}"


def signers(message: bytes, keys: Keys) -> list[str]:
    """Those of `keys` that have signed a message."""
    return [name for name in keys if f"s={name.partition('.')[0]};".encode() in message]


@pytest.fixture
def rotation(mailraven: House, exim: Exim, tmp_path: Path) -> Iterator[Rotation]:
    mailraven.add_domain(DOMAIN, {"zoe": ""})
    made = Rotation(mailraven, exim, tmp_path)
    with dns_thread(made.zone) as made.endpoint:
        yield made


GOOD, BAD = (True,) * 3, (False,) * 3


def test_mail_of_before_during_and_after_is_verified_by_others(rotation: Rotation) -> None:
    at_first = rotation.publish()
    before = rotation.send("signed before")
    told = rotation.rotate(waits=True)
    assert set(rotation.printed()) > set(at_first)
    assert all(name in told for name in set(rotation.printed()) - set(at_first))
    meanwhile = rotation.send("signed while the DNS has only the old keys")
    assert set(signers(meanwhile, rotation.printed())) == set(at_first)
    assert rotation.verdicts(meanwhile, at_first, "meanwhile, old keys") == GOOD

    overlap = rotation.publish()
    told = rotation.rotate()
    assert "signs with" in told and "Leave" in told
    during = rotation.send_by_new_keys(at_first)
    for name, message in {"before": before, "meanwhile": meanwhile, "during": during}.items():
        assert rotation.verdicts(message, overlap, f"{name}, all keys") == GOOD
    # Had they signed any sooner, or were the old ones gone, others would find no key.
    assert rotation.verdicts(during, at_first, "during, old keys") == BAD

    told = wait_for("the end of the overlap", lambda: _told_to_remove(rotation))
    at_last = rotation.publish()
    assert set(at_last) == set(overlap) - set(at_first)
    assert all(name in told for name in at_first)
    after = rotation.send("signed after all")
    for name, message in {"during": during, "after": after}.items():
        assert rotation.verdicts(message, at_last, f"{name}, new keys") == GOOD
    assert rotation.verdicts(before, at_last, "before, new keys") == BAD


def _told_to_remove(rotation: Rotation) -> str:
    """What is said once no mail with the old signatures can be on its way: after a second here."""
    said = rotation.house.command(
        "dkim",
        "rotate",
        "--if-older",
        "365d",
        DOMAIN,
        dns_resolvers=rotation.endpoint,
        queue_dkim_overlap="1s",
    )
    return said if "may be taken out of the DNS" in said else ""
