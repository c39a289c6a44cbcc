"""queued under DANE, MTA-STS, REQUIRETLS and queue.tls: what is delivered, and what rather waits.

The name server's AD bit is the test's word here (dns.dnssec = "trusted"); tests/peers has a signed
zone.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import dns.rcode
import pytest

from mailraven.queue.entry import Answer
from servers.authority import Holder, authority, server_context, tlsa
from servers.dns_server import DnsServer, Manners, Records
from servers.policy_host import PolicyHost, policy
from servers.queue_house import MESSAGE, QueueHouse
from servers.smtp_server import FULL, SmtpServer

ROOT = authority("Known CA")
GOOD, WRONG = ROOT.sign("mx.far.example"), ROOT.sign("other.example")
EXPIRED, UNKNOWN = ROOT.sign("mx.far.example", days=-1), authority("X").sign("mx.far.example")
WEB, WRONG_WEB = ROOT.sign("mta-sts.far.example"), ROOT.sign("www.far.example")
ALL = frozenset({"far.example", "mx.far.example", "_25._tcp.mx.far.example"})


@dataclass
class Far:
    """far.example: its mail host, its name server, its policy host."""

    mail: SmtpServer
    names: DnsServer
    web: PolicyHost
    queue: QueueHouse

    async def answer(self) -> Answer:
        """What the queue says of a message that waits."""
        entry = await self.queue.deferred(self.queue.submit("bob@far.example"))
        answer = entry.recipients[0].answer
        assert answer is not None
        assert not self.mail.received
        return answer

    async def deliver(self) -> bool:
        """Deliver a message; whether it went over TLS."""
        self.queue.submit("bob@far.example")
        await self.queue.until(lambda: len(self.mail.received) == 1)
        await self.queue.empty()
        return self.mail.received[0].tls


@dataclass
class Setting:
    """How far.example is: certificates, records, names whose answers are authentic."""

    mail: Holder | None = GOOD
    web: Holder = WEB
    sts: bytes | None = None
    tlsa: Records = field(default_factory=list)
    secure: frozenset[str] = frozenset()
    lines: str = ""
    web_status: str = "200 OK"
    script: dict[str, list[bytes | None]] = field(default_factory=dict)
    hello: bytes = FULL


def story(root: Path, setting: Setting, tell: Callable[[Far], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with AsyncExitStack() as stack:
            context = server_context(setting.mail, root) if setting.mail else None
            script = {verb: list(said) for verb, said in setting.script.items()}  # it is used up
            mail = SmtpServer(script, tls=context, hello=setting.hello)
            await stack.enter_async_context(mail)
            web = PolicyHost(server_context(setting.web, root), setting.sts or b"")
            web.status = setting.web_status
            await stack.enter_async_context(web)
            secure = frozenset(name.replace("_25.", f"_{mail.port}.") for name in setting.secure)
            names = DnsServer(zone(setting, mail.port), Manners(ttl=1, authenticated=secure))
            await stack.enter_async_context(names)
            queue = house(root, mail, names, web, setting.lines)
            await stack.enter_async_context(queue)
            await tell(Far(mail, names, web, queue))

    asyncio.run(whole())


def zone(setting: Setting, port: int) -> dict[tuple[str, str], Records]:
    found: dict[tuple[str, str], Records] = {
        ("far.example", "MX"): ["10 mx.far.example."],
        ("mx.far.example", "A"): ["127.0.0.1"],
        ("mta-sts.far.example", "A"): ["127.0.0.1"],
        (f"_{port}._tcp.mx.far.example", "TLSA"): setting.tlsa,
    }
    if setting.sts is not None:
        found["_mta-sts.far.example", "TXT"] = ['"v=STSv1; id=1"']
    return found


def house(
    root: Path, mail: SmtpServer, names: DnsServer, web: PolicyHost, lines: str
) -> QueueHouse:
    root.mkdir(exist_ok=True)
    (root / "ca.pem").write_bytes(ROOT.pem())
    settings = f'port = {mail.port}\npolicy_port = {web.port}\ncommand_timeout = "20s"\n{lines}'
    rest = (
        f'[tls]\nca = "{root}/ca.pem"\n'
        f'[dns]\nresolvers = ["{names.endpoint}"]\ntimeout = "5s"\ndnssec = "trusted"'
    )
    return QueueHouse(root, settings, rest)


ENFORCED = Setting(sts=policy("enforce", "mx.far.example"))
WITHDRAWN: dict[str, list[bytes | None]] = {"STARTTLS": [b"454 4.7.0 not now\r\n"]}


def test_enforced_policy_is_met_by_a_valid_certificate(tmp_path: Path) -> None:
    async def tell(far: Far) -> None:
        assert await far.deliver()
        assert far.web.asked[0].startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\n")
        kept = tmp_path / "cache" / "mta-sts" / "far.example"
        await far.queue.until(kept.exists)
        assert "mode: enforce" in kept.read_text()

    story(tmp_path, ENFORCED, tell)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"mail": WRONG}, "Hostname mismatch"),
        ({"mail": EXPIRED}, "certificate has expired"),
        ({"mail": UNKNOWN}, "self-signed certificate"),
        ({"mail": None}, "TLS is required, but not offered"),
        ({"script": WITHDRAWN}, "454 4.7.0 not now"),
        ({"sts": policy("enforce", "*.other.example")}, "mx.far.example is no host of the policy"),
    ],
)
def test_enforced_policy_that_is_not_met_holds_the_message_and_says_so(
    tmp_path: Path, change: dict[str, object], why: str
) -> None:
    async def tell(far: Far) -> None:
        answer = await far.answer()
        assert why in answer.text
        assert "MTA-STS of far.example" in answer.text
        assert not any(command.startswith(b"MAIL") for command in far.mail.commands)

    story(tmp_path, replace(ENFORCED, **change), tell)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"mail": WRONG},
        {"mail": None},
        {"sts": policy("testing", "*.other.example")},
    ],
)
def test_policy_in_testing_delivers_all_the_same(tmp_path: Path, change: dict[str, object]) -> None:
    async def tell(far: Far) -> None:
        assert await far.deliver() is (far.mail.tls is not None)

    setting = Setting(sts=policy("testing", "mx.far.example"))
    story(tmp_path, replace(setting, **change), tell)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"web": WRONG_WEB},
        {"web": authority("X").sign("mta-sts.far.example")},
        {"web": ROOT.sign("mta-sts.far.example", days=-1)},
        {"web_status": "404 Not Found"},
        {"web_status": "301 Moved"},
        {"sts": b"version: STSv2\r\n"},
        {"sts": b"x" * 100_000},
    ],
)
def test_policy_that_cannot_be_had_and_never_was_is_none(
    tmp_path: Path, change: dict[str, object]
) -> None:
    async def tell(far: Far) -> None:
        assert await far.deliver()

    story(tmp_path, replace(replace(ENFORCED, mail=UNKNOWN), **change), tell)  # type: ignore[arg-type]


@pytest.mark.parametrize("attack", ["record gone", "DNS fails", "new id, no policy"])
def test_policy_that_is_kept_holds_when_it_cannot_be_had(tmp_path: Path, attack: str) -> None:
    async def first(far: Far) -> None:
        assert await far.deliver()
        await far.queue.until((tmp_path / "cache" / "mta-sts" / "far.example").exists)

    async def then(far: Far) -> None:
        answers: dict[str, Records] = {
            "record gone": [],
            "DNS fails": dns.rcode.SERVFAIL,
            "new id, no policy": ['"v=STSv1; id=2"'],
        }
        far.names.zone["_mta-sts.far.example", "TXT"] = answers[attack]
        assert "MTA-STS of far.example" in (await far.answer()).text

    story(tmp_path, ENFORCED, first)
    later = tmp_path / "later"  # as after a restart
    shutil.copytree(tmp_path / "cache", later / "cache")
    story(later, replace(ENFORCED, mail=WRONG, web=WRONG_WEB), then)


def test_silent_policy_host_holds_up_nobody_else(tmp_path: Path) -> None:
    async def tell(far: Far) -> None:
        far.web.silent = True
        far.names.zone["near.example", "MX"] = ["10 mx.far.example."]
        far.queue.submit("bob@far.example")
        await far.queue.until(lambda: len(far.web.asked) == 1)
        far.queue.submit("bob@near.example")
        await far.queue.until(lambda: len(far.mail.received) == 1)
        assert b"near.example" in far.mail.received[0].rcpt[0]

    story(tmp_path, ENFORCED, tell)


DANE = Setting(mail=UNKNOWN, tlsa=[tlsa(UNKNOWN)], secure=ALL)


def test_dane_authenticates_a_certificate_that_nobody_signed(tmp_path: Path) -> None:
    async def tell(far: Far) -> None:
        assert await far.deliver()

    story(tmp_path, DANE, tell)


def test_dane_goes_before_mta_sts(tmp_path: Path) -> None:
    async def tell(far: Far) -> None:
        assert await far.deliver()

    story(tmp_path, replace(DANE, sts=policy("enforce", "*.other.example")), tell)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tlsa": [tlsa(GOOD)]}, "no certificate of the server matches the TLSA records"),
        ({"mail": None}, "TLS is required, but not offered"),
        ({"script": WITHDRAWN}, "454 4.7.0 not now"),
        ({"tlsa": dns.rcode.SERVFAIL}, "name servers failed"),
        ({"tlsa": None}, "no name server answered"),
    ],
)
def test_dane_that_fails_holds_the_message(
    tmp_path: Path, change: dict[str, object], why: str
) -> None:
    async def tell(far: Far) -> None:
        answer = await far.answer()
        assert why in answer.text
        assert "DANE of mx.far.example" in answer.text

    story(tmp_path, replace(DANE, **change), tell)  # type: ignore[arg-type]


@pytest.mark.parametrize("unsigned", ["far.example", "mx.far.example", "_25._tcp.mx.far.example"])
def test_records_without_dnssec_are_no_dane(tmp_path: Path, unsigned: str) -> None:
    async def tell(far: Far) -> None:
        assert await far.deliver()

    story(tmp_path, replace(DANE, tlsa=[tlsa(GOOD)], secure=ALL - {unsigned}), tell)


def test_unusable_records_still_demand_tls(tmp_path: Path) -> None:
    async def encrypted(far: Far) -> None:
        assert await far.deliver()

    async def plain(far: Far) -> None:
        assert "TLSA records" in (await far.answer()).text

    unusable = [tlsa(GOOD).replace("3 1 1", "1 1 1")]
    story(tmp_path / "a", replace(DANE, tlsa=unusable), encrypted)
    story(tmp_path / "b", replace(DANE, tlsa=unusable, mail=None), plain)


@pytest.mark.parametrize(
    ("word", "mail", "outcome"),
    [
        ("none", GOOD, "plain"),
        ("opportunistic", None, "plain"),
        ("opportunistic", WRONG, "TLS"),
        ("required", WRONG, "TLS"),
        ("required", None, "waits"),
        ("verified", GOOD, "TLS"),
        ("verified", WRONG, "waits"),
    ],
)
def test_word_for_a_domain_overrides(
    tmp_path: Path, word: str, mail: Holder | None, outcome: str
) -> None:
    async def tell(far: Far) -> None:
        if outcome == "waits":
            await far.answer()
        else:
            assert await far.deliver() is (outcome == "TLS")

    story(tmp_path, Setting(mail, lines=f'tls = {{"far.example" = "{word}"}}'), tell)


REQUIRETLS = FULL.replace(b"250-DSN", b"250-REQUIRETLS\r\n250-DSN")


@pytest.mark.parametrize(
    ("setting", "is_delivered"),
    [
        (replace(ENFORCED, hello=REQUIRETLS), True),
        (replace(DANE, hello=REQUIRETLS), True),
        (Setting(hello=REQUIRETLS, secure=frozenset({"far.example"})), True),
        (Setting(hello=REQUIRETLS), False),
        (Setting(hello=REQUIRETLS, sts=policy("testing", "mx.far.example")), False),
        (ENFORCED, False),
    ],
)
def test_requiretls_needs_hosts_that_dnssec_or_mta_sts_vouch_for(
    tmp_path: Path, setting: Setting, is_delivered: bool
) -> None:
    async def tell(far: Far) -> None:
        local = SmtpServer(unix=str(far.queue.lmtp), lmtp=True)
        async with local:
            far.queue.make_local("ours.example")
            far.queue.submit("bob@far.example", require_tls=True)
            await far.queue.until(lambda: bool(far.mail.received or local.received))
            assert bool(far.mail.received) is is_delivered
            if not is_delivered:
                assert b"5.7.30" in local.received[0].data

    story(tmp_path, setting, tell)


WAIVED = b"TLS-Required: No\r\n" + MESSAGE


@pytest.mark.parametrize(
    ("setting", "is_encrypted"),
    [
        (replace(ENFORCED, mail=WRONG), True),
        (replace(ENFORCED, mail=EXPIRED), True),
        (replace(ENFORCED, mail=None), False),
        (replace(ENFORCED, sts=policy("enforce", "*.other.example")), True),
        (replace(DANE, tlsa=[tlsa(GOOD)]), True),
        (replace(DANE, mail=None), False),
    ],
)
def test_sender_may_waive_what_the_recipient_asks_for(
    tmp_path: Path, setting: Setting, is_encrypted: bool
) -> None:
    # RFC 8689 §4.2.2
    async def tell(far: Far) -> None:
        far.queue.submit("bob@far.example", content=[WAIVED])
        await far.queue.until(lambda: len(far.mail.received) == 1)
        assert far.mail.received[0].tls is is_encrypted
        assert far.mail.received[0].data.endswith(WAIVED)
        count = len(far.mail.received)
        await far.queue.deferred(far.queue.submit("bob@far.example"))  # who does not waive it
        assert len(far.mail.received) == count

    story(tmp_path, setting, tell)


def test_sender_cannot_waive_what_the_operator_asks_for(tmp_path: Path) -> None:
    async def tell(far: Far) -> None:
        entry = await far.queue.deferred(far.queue.submit("bob@far.example", content=[WAIVED]))
        assert entry.tls_optional and not far.mail.received

    story(tmp_path, Setting(WRONG, lines='tls = {"far.example" = "verified"}'), tell)


def test_bounce_of_a_message_with_requiretls_goes_out_all_the_same(tmp_path: Path) -> None:
    # RFC 8689 §5
    async def tell(far: Far) -> None:
        far.queue.submit("bob@far.example", sender="", require_tls=True)
        await far.queue.until(lambda: len(far.mail.received) == 1)
        assert b"REQUIRETLS" not in far.mail.received[0].mail

    story(tmp_path, Setting(), tell)


def test_message_with_requiretls_reaches_accounts_of_ours(tmp_path: Path) -> None:
    async def tell(far: Far) -> None:
        async with SmtpServer(unix=str(far.queue.lmtp), lmtp=True) as local:
            far.queue.make_local("ours.example")
            far.queue.submit("carol@ours.example", require_tls=True)
            await far.queue.until(lambda: bool(local.received))
            assert b"carol@ours.example" in local.received[0].rcpt[0]

    story(tmp_path, Setting(), tell)
