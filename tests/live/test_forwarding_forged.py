"""What an alias sends on in our name: nothing that merely says it is ours.

The far end asks SPF for the return address. Where that is ours and we bring the message, SPF says
"pass", and with a From of the same domain so does DMARC: whoever wrote it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import dns.rcode

from mailraven.ops.demo import Demo
from mailraven.queue.spool import Spool
from peers.patience import wait_for
from servers.dns_server import Records, dns_thread
from servers.queue_house import is_empty
from servers.smtp_server import SmtpServer
from transcripts.live import DOMAIN, running
from unit.daemons.smtp_house import LARGE, alice, answer_to, mailbox, new_house, stranger

FORWARD = f"farther@{DOMAIN}"  # goes to far@example.net
TEAM = f"team@{DOMAIN}"  # alice and bob, and far@example.net, too
OURS, UNDECIDED = "127.0.0.5", "127.0.0.6"  # hosts: one that our SPF names; one it asks DNS about
ELSEWHERE = "127.0.0.7"
LATE = "late.example"  # served here, too
ZONE: dict[tuple[str, str], Records] = {
    (DOMAIN, "TXT"): [f'"v=spf1 ip4:{OURS} -all"'],
    (LATE, "TXT"): dns.rcode.SERVFAIL,
    ("mx.example.org", "TXT"): ['"v=spf1 a -all"'],
}


@dataclass(frozen=True)
class Case:
    """A message from that host, and what becomes of it: a refusal, or a return address."""

    host: str
    reverse_path: str
    author: str
    outcome: str


CASES = {
    "forged throughout": Case(ELSEWHERE, f"alice@{DOMAIN}", f"alice@{DOMAIN}", "550 5.7.26 "),
    "forged author": Case(ELSEWHERE, "x@evil.example", f"alice@{DOMAIN}", "x@evil.example"),
    "forged below": Case(ELSEWHERE, "x@evil.example", f"a@hr.{DOMAIN}", "x@evil.example"),
    "one of two": Case(ELSEWHERE, "x@evil.example", f"x@evil.example, a@{DOMAIN}", "x@evil.exam"),
    "forged bounce": Case(ELSEWHERE, "", f"alice@{DOMAIN}", "550 5.7.26 "),
    "from a host of ours": Case(OURS, f"alice@{DOMAIN}", f"alice@{DOMAIN}", f"alice@{DOMAIN}"),
    "of theirs": Case(ELSEWHERE, "x@theirs.example", "x@theirs.example", "SRS0="),
    "real bounce": Case(ELSEWHERE, "", "MAILER-DAEMON@theirs.example", ""),
    "who knows": Case(ELSEWHERE, f"a@{LATE}", f"a@{LATE}", "451 4.7.24 "),
}


@dataclass
class Road:
    """The server here, and the one far away that gets whatever leaves it."""

    house: Demo
    far: SmtpServer

    def outcome(self, case: Case, to: str = FORWARD, body: bytes = b"hello\r\n") -> str:
        """The refusal, or whom the message comes from far away."""
        letter = f"From: {case.author}\r\nSubject: hi\r\n\r\n".encode() + body
        with stranger(self.house, case.host) as smtp:
            answer = answer_to(smtp, case.reverse_path, [to], letter)
        if not answer.startswith("250 "):
            return answer
        wait_for("a message far away", lambda: len(self.far.received) > 0)
        return self.far.received.pop().mail.decode().partition("<")[2].partition(">")[0]


def travel(network: int, tell: Callable[[Road], None]) -> None:
    async def story() -> None:
        async with SmtpServer() as far:
            with new_house(network) as demo, dns_thread(ZONE) as endpoint:
                with (demo.etc / "mailraven.toml").open("a") as config:
                    config.write(f'\n[queue]\nroutes = {{"*" = "{far.address}:{far.port}"}}\n')
                (demo.root / "domains" / LATE).mkdir()
                (demo.root / "domains" / LATE / "domain.toml").touch()
                await asyncio.to_thread(live, demo, far, endpoint)

    def live(demo: Demo, far: SmtpServer, endpoint: str) -> None:
        settings = {
            "inbound_exempt": "",
            "dns_resolvers": endpoint,
            "message_size": "3M",
            "spam_quarantine_score": "900",
            "spam_reject_score": "999",
        }
        with running(demo, "authd", "smtpd", "queued", **settings):
            tell(Road(demo, far))

    asyncio.run(story())


def test_nothing_forged_gets_a_return_address_of_ours() -> None:
    def tell(road: Road) -> None:
        found = {name: road.outcome(case) for name, case in CASES.items()}
        wrong = {
            name: found[name]
            for name, case in CASES.items()
            if not found[name].startswith(case.outcome) or bool(found[name]) != bool(case.outcome)
        }
        assert not wrong

    travel(41, tell)


def test_large_messages_are_no_way_around() -> None:
    def tell(road: Road) -> None:
        for name in ("forged throughout", "forged author", "of theirs"):
            assert road.outcome(CASES[name], body=LARGE).startswith(CASES[name].outcome)

    travel(42, tell)


def test_who_keeps_a_copy_here_gets_what_is_not_sent_on() -> None:
    def tell(road: Road) -> None:
        case = CASES["forged throughout"]
        letter = f"From: {case.author}\r\n\r\nhello\r\n".encode()
        with stranger(road.house, case.host) as smtp:
            assert answer_to(smtp, case.reverse_path, [TEAM], letter).startswith("250 ")
        assert len(mailbox(road.house, "bob")) == 1
        assert is_empty(Spool(road.house.root / "spool"))
        assert not road.far.received

    travel(43, tell)


def test_who_logs_in_is_sent_on_as_he_is() -> None:
    def tell(road: Road) -> None:
        letter = f"From: alice@{DOMAIN}\r\n\r\nhello\r\n".encode()
        with alice(road.house) as smtp:
            assert answer_to(smtp, f"alice@{DOMAIN}", [FORWARD], letter).startswith("250 ")
        wait_for("a message far away", lambda: len(road.far.received) > 0)
        assert f"<alice@{DOMAIN}>".encode() in road.far.received[0].mail

    travel(44, tell)
