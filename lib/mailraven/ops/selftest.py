"""One message on the whole way that mail of users takes, and what those who get it will think.

An account of its own is made, logs in and submits; the queue signs and delivers to a reflector on
this machine, by a route that only such a test can have. Then the message is judged as a stranger's
server would, with each address that our mail may come from.
"""

import asyncio
import secrets
import smtplib
import socket
import ssl
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mailraven.config.schema import Config
from mailraven.config.units import split_endpoint
from mailraven.ops.accounts import add_account, remove_account
from mailraven.ops.control_client import ask
from mailraven.ops.dns_findings import Finding, broken, note, ok
from mailraven.ops.errors import OperationError
from mailraven.ops.names import directory_of
from mailraven.ops.passwords import generate_password
from mailraven.ops.reflected import judge
from mailraven.ops.reflector import Reflected, Reflector
from mailraven.ops.story import sentence
from mailraven.ops.trace import Search, tell, time_of

PREFIX = "selftest-"
TIMEOUT = 30.0  # seconds for one step of the submission
LOOK = 0.5  # seconds between two looks at the story
FAILURES = ("deferred", "bounced")
SLOW = 5.0  # seconds that nobody should wait on an idle server
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # not to listen on: to connect to
BODY = "This message was sent by mailraven selftest deliver.\r\n"


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that smtpd has taken; `trace` is what the client heard."""

    sender: str
    recipient: str
    trace: str
    at: float


def deliver(config: Config, domain: str, patience: float) -> list[Finding]:
    """Send a message as somebody of `domain`, and all findings; `patience` is in seconds. Raises
    OperationError when it cannot even be tried."""
    name = f"t{secrets.token_hex(6)}.selftest.invalid"
    with tempfile.TemporaryDirectory() as folder, Reflector(Path(folder)) as reflector:
        request: dict[str, object] = {"domain": name, "endpoint": reflector.endpoint}
        answer = ask(config.paths.run, "queued", {"op": "selftest", **request})
        if "error" in answer:
            raise OperationError(f"queued: {answer['error']}")
        with _account(config, domain) as (address, password):
            findings, sent = submit(config, address, password, f"reflector@{name}")
            if sent is None:
                return findings
            came = _awaited(config, reflector, sent, patience)
    if came is None:
        return [*findings, _lost(config, sent)]
    return [*findings, _arrived(sent, came), *asyncio.run(judge(config, came, sent.sender))]


@contextmanager
def _account(config: Config, domain: str) -> Iterator[tuple[str, str]]:
    """An account with its password, for as long as it takes; nothing of it stays."""
    for local in directory_of(config).accounts(domain):
        if local.startswith(PREFIX):  # of a test that was killed
            with suppress(OperationError):
                remove_account(config, f"{local}@{domain}", delete_mail=True)
    address, password = f"{PREFIX}{secrets.token_hex(4)}@{domain}", generate_password()
    add_account(config, address, password)
    try:
        yield address, password
    finally:
        remove_account(config, address, delete_mail=True)


def submit(
    config: Config, address: str, password: str, recipient: str
) -> tuple[list[Finding], Sent | None]:
    """Hand the message in as a mail program does; None when it is not taken."""
    smtp, findings = config.smtp, list[Finding]()
    port = next(iter((*smtp.submissions, *smtp.submission)), "")
    if not port:
        why = "No port is configured on which users can send."
        return [broken("SUBMIT", "smtp.submissions", "", '["0.0.0.0:465"]', why)], None
    for verify in (True, False):
        try:
            with closing(_session(config, port, verify=verify)) as session:
                session.login(address, password)
                trace = _send(session, address, recipient)
        except ssl.SSLCertVerificationError as error:
            why = "Mail programs warn their users, or refuse to send."
            wanted = f"a certificate for {config.hostname} of an authority that others trust"
            findings.append(broken("TLS", port, error.verify_message, wanted, why))
        except (OSError, smtplib.SMTPException) as error:
            findings.append(broken("SUBMIT", port, str(error), "250", "Users cannot send."))
            break
        else:
            sent = Sent(address, recipient, trace, time.time())
            return [*findings, ok("SUBMIT", port, f"{address} sent {trace}")], sent
    return findings, None


def _session(config: Config, endpoint: str, *, verify: bool) -> smtplib.SMTP:
    """A session with TLS, its certificate held against our own name. Raises OSError,
    SMTPException."""
    host, port = split_endpoint(endpoint)
    context = ssl.create_default_context()
    if config.tls.ca is not None and config.tls.ca.exists():
        context.load_verify_locations(config.tls.ca)
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    session = smtplib.SMTP(local_hostname="selftest.invalid", timeout=TIMEOUT)
    session.sock = socket.create_connection((ANY.get(host, host), port), TIMEOUT)
    try:
        if endpoint not in config.smtp.submissions:
            _expect(session.getreply())
            session.ehlo()
            _expect(session.docmd("STARTTLS"))
            session.file = None  # it has read the last line in plaintext
        session.sock = context.wrap_socket(session.sock, server_hostname=config.hostname)
        if endpoint in config.smtp.submissions:
            _expect(session.getreply())
        session.ehlo_resp = None
        session.ehlo()
    except BaseException:
        session.close()
        raise
    return session


def _send(session: smtplib.SMTP, sender: str, recipient: str) -> str:
    """The message on its way; its trace. Raises OSError, SMTPException."""
    # Without Date and Message-ID, which are smtpd's to add (RFC 6409 §8).
    header = f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: self-test\r\n\r\n"
    _expect(session.mail(sender))
    _expect(session.rcpt(recipient))
    return _expect(session.data(header + BODY)).split()[-1]


def _expect(reply: tuple[int, bytes]) -> str:
    """The text of a good reply. Raises SMTPResponseException."""
    code, text = reply
    if code >= 400:
        raise smtplib.SMTPResponseException(code, text)
    return text.decode("utf-8", "replace")


def _arrived(sent: Sent, came: Reflected) -> Finding:
    seconds = came.arrived - sent.at
    shown = f"delivered {max(seconds, 0):.1f} s after it was taken"
    if seconds > SLOW:
        why = "The queue is busy, or waits for something."
        return note("QUEUE", sent.trace, shown, f"{SLOW:g} s", why)
    return ok("QUEUE", sent.trace, shown)


def _awaited(config: Config, reflector: Reflector, sent: Sent, patience: float) -> Reflected | None:
    """The message, as soon as it comes; None when the queue has met something else."""
    while time.time() - sent.at < patience:
        came = reflector.next_message(LOOK)
        if came is not None:
            return came
        if _last_words(config, sent, only=FAILURES):
            break
    return reflector.next_message(LOOK)


def _last_words(config: Config, sent: Sent, only: Collection[object] = ()) -> str:
    """The last line of the story, or the last of `only` these events; "" where there is none."""
    try:
        story = tell(config, Search(sent.trace))[0]
    except OperationError:
        return ""
    lines = [line for line in story.lines if not only or line.get("event") in only]
    last = max(lines, key=time_of, default=None)
    return sentence(last, story.trace) if last is not None else ""


def _lost(config: Config, sent: Sent) -> Finding:
    """Why nothing came, as far as the log knows."""
    said = _last_words(config, sent, FAILURES) or _last_words(config, sent) or "nothing is known"
    return broken("QUEUE", sent.trace, said, "delivered", "Mail that is taken does not go out.")
