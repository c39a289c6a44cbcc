"""Failures as an operator meets them: what the queue, the log and the bounce say of each.

Each has a mail host of far.example of its own; the name server's AD bit is the test's word.
"""

import asyncio
import io
import json
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import dns.rcode
import pytest

from mailraven.cli.main import main
from servers.authority import Holder, authority, server_context, tlsa
from servers.dns_server import DnsServer, Manners, Records
from servers.policy_host import PolicyHost, policy
from servers.queue_house import MESSAGE, QueueHouse
from servers.smtp_server import FULL, SmtpServer

ROOT = authority("Known CA")
GOOD, WRONG = ROOT.sign("mx.far.example"), ROOT.sign("other.example")
WEB = ROOT.sign("mta-sts.far.example")
SECURE = frozenset({"far.example", "mx.far.example"})


async def silent(
    server: SmtpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await reader.read()


@dataclass(frozen=True)
class Failure:
    """What is wrong with far.example, and what is said of it: the last answer, and the advice.

    `host` is "silent", "closed" (the port), "missing" or "unresolved" (the domain) if it is not
    well; `says` are replies by verb. With `comes_back` the sender hears of it at once, with the
    advice if it `helps_senders`.
    """

    answer: str
    advice: str
    comes_back: bool = False
    helps_senders: bool = True
    host: str = "well"
    says: Mapping[str, bytes] = field(default_factory=dict)
    hello: bytes = FULL
    tls: Holder | None = None
    sts: bool = False
    tlsa: tuple[str, ...] = ()
    settings: str = ""


BLOCKED = "5.7.1 Client host [192.0.2.1] blocked using bl.example; see https://bl.example/q"
FAILURES = {
    "unknown user": Failure(
        "550 5.1.1 <bob@far.example>: user unknown",
        "There is no such mailbox",
        comes_back=True,
        says={"RCPT": b"550 5.1.1 <bob@far.example>: user unknown"},
    ),
    "full mailbox": Failure(
        "452 4.2.2 mailbox is full",
        "only they can make room",
        says={"RCPT": b"452 4.2.2 mailbox is full"},
    ),
    "greylisted": Failure(
        "451 4.7.1 Greylisted, come back in 300 seconds",
        "Greylisting: strangers are to come back",
        says={"RCPT": b"451 4.7.1 Greylisted, come back in 300 seconds"},
    ),
    "TLS demanded, but not offered": Failure(
        "TLS is required, but not offered",
        "Our configuration demands TLS there (queue.tls",
        settings='tls = {"far.example" = "required"}',
    ),
    "certificate wrong under MTA-STS": Failure(
        "TLS failed: Hostname mismatch, certificate is not valid for 'mx.far.example'",
        "Their MTA-STS policy demands what their mail server does not do",
        tls=WRONG,
        sts=True,
    ),
    "DANE mismatch": Failure(
        "no certificate of the server matches the TLSA records (DANE of mx.far.example)",
        "Their TLSA records in the DNS and the certificate of their server do not belong together",
        tls=GOOD,
        tlsa=(tlsa(WRONG),),
    ),
    "NXDOMAIN": Failure(
        "far.example does not exist",
        "most likely a slip of the pen",
        comes_back=True,
        host="missing",
    ),
    "SERVFAIL": Failure("name servers failed", "Name servers fail", host="unresolved"),
    "connection refused": Failure("connection refused", "Nothing listens there", host="closed"),
    "blocked by a list": Failure(
        BLOCKED,
        "Our address is on a block list",
        comes_back=True,
        helps_senders=False,
        says={"RCPT": f"554 {BLOCKED}".encode()},
    ),
    "message too large": Failure(
        "the message has 52 octets, that server takes 10",
        "The message is larger than that server takes",
        comes_back=True,
        hello=b"250-mx\r\n250 SIZE 10\r\n",
    ),
    "time-out": Failure(
        "timed out (greeting)",
        "Their server took the connection and then fell silent",
        host="silent",
    ),
}


@dataclass
class Seen:
    """What `mailraven queue list` and `show` say of the message, or the bounce that came back."""

    listed: str = ""
    shown: str = ""
    bounce: str = ""


def command(root: Path, *words: str) -> str:
    """What `mailraven queue` prints."""
    with redirect_stdout(io.StringIO()) as said:
        assert main(["--etc", str(root / "etc"), "queue", *words]) == 0
    return said.getvalue()


def zone(failure: Failure, port: int) -> dict[tuple[str, str], Records]:
    if failure.host == "missing":
        return {("example", "NS"): ["ns.example."]}
    if failure.host == "unresolved":
        return {("far.example", "MX"): dns.rcode.SERVFAIL}
    found: dict[tuple[str, str], Records] = {
        ("far.example", "MX"): ["10 mx.far.example."],
        ("mx.far.example", "A"): ["127.0.0.1"],
        ("mta-sts.far.example", "A"): ["127.0.0.1"],
        (f"_{port}._tcp.mx.far.example", "TLSA"): list(failure.tlsa),
    }
    if failure.sts:
        found["_mta-sts.far.example", "TXT"] = ['"v=STSv1; id=1"']
    return found


def house(
    root: Path, failure: Failure, mail: int, names: DnsServer, others: tuple[int, int]
) -> QueueHouse:
    """`others` are the ports of the policy host and of the sender's server."""
    (root / "ca.pem").write_bytes(ROOT.pem())
    patience = "2s" if failure.host == "silent" else "60s"
    settings = (
        f'port = {mail}\npolicy_port = {others[0]}\nroutes = {{"ours.example" = '
        f'"127.0.0.1:{others[1]}"}}\ncommand_timeout = "{patience}"\n{failure.settings}'
    )
    rest = (
        f'[tls]\nca = "{root}/ca.pem"\n'
        f'[dns]\nresolvers = ["{names.endpoint}"]\ntimeout = "20s"\ndnssec = "trusted"'
    )
    return QueueHouse(root, settings, rest)


def look(root: Path, failure: Failure) -> Seen:
    """Send a message to bob@far.example, and look at what becomes of it."""
    seen = Seen()

    async def whole() -> None:
        async with AsyncExitStack() as stack:
            ours = await stack.enter_async_context(SmtpServer())
            mail = SmtpServer(
                {verb: [reply + b"\r\n"] for verb, reply in failure.says.items()},
                hello=failure.hello,
                tls=server_context(failure.tls, root) if failure.tls else None,
                instead=silent if failure.host == "silent" else None,
            )
            if failure.host == "closed":
                closed = stack.enter_context(socket.socket())
                closed.bind(("127.0.0.1", 0))  # nobody else can get it, and nobody listens
                mail.port = closed.getsockname()[1]
            else:
                await stack.enter_async_context(mail)
            web = PolicyHost(server_context(WEB, root), policy("enforce", "mx.far.example"))
            await stack.enter_async_context(web)
            manners = Manners(authenticated=SECURE | {f"_{mail.port}._tcp.mx.far.example"})
            names = DnsServer(zone(failure, mail.port), manners)
            await stack.enter_async_context(names)
            queue = house(root, failure, mail.port, names, (web.port, ours.port))
            await stack.enter_async_context(queue)
            id = queue.submit("bob@far.example", content=[MESSAGE])
            if failure.comes_back:
                await queue.until(lambda: len(ours.received) == 1)
                seen.bounce = ours.received[0].data.decode()
                return
            await queue.deferred(id)
            seen.listed, seen.shown = command(root, "list"), command(root, "show", id)

    asyncio.run(whole())
    return seen


@pytest.mark.parametrize("name", FAILURES)
def test_queue_log_and_bounce_say_what_went_wrong(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    failure = FAILURES[name]
    seen = look(tmp_path, failure)
    lines = map(json.loads, capfd.readouterr().err.splitlines())
    [logged] = [line for line in lines if line.get("to") == "bob@far.example"]
    assert failure.answer in logged["answer"]
    if failure.comes_back:
        assert (logged["event"], logged["level"]) == ("bounced", "info")
        assert failure.advice in logged["advice"]
        assert failure.answer in unfolded(seen.bounce)
        assert (failure.advice in unfolded(seen.bounce)) is failure.helps_senders
    else:
        assert (logged["event"], logged["level"]) == ("deferred", "warn")
        assert failure.answer[:40] in seen.listed
        assert failure.answer in seen.shown
        assert failure.advice in seen.shown


def unfolded(text: str) -> str:
    return " ".join(text.replace("=\r\n", "").split())
