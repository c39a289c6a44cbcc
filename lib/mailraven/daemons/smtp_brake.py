"""The brake in smtpd: a message of an account that may be in the wrong hands is taken and held.

Nobody is refused: who is at work must not learn that he was noticed, and who is not loses nothing.
The owner and the postmaster are told once, when the brake is put on.
"""

import asyncio
import time
from email.utils import formatdate
from functools import partial

from mailraven.config.directory import Account
from mailraven.config.schema import Config
from mailraven.daemons.smtp_checks import Checks
from mailraven.daemons.smtp_delivery import Transaction
from mailraven.daemons.smtp_house import House
from mailraven.daemons.smtp_message import Incoming
from mailraven.daemons.smtp_routing import postmaster_domain
from mailraven.limits.brake import HELD, TEXT_LIMIT, fingerprint, put_on, sum_up, why_on
from mailraven.mail.envelope import NULL_REVERSE_PATH, Envelope, Recipient
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.observe import log
from mailraven.observe.trace import new_trace
from mailraven.policy.brake import Thresholds
from mailraven.queue.selection import is_like


def hold_of(config: Config, account: Account | None) -> str:
    """Why mail of an account is held, known at MAIL; "" for others."""
    if account is None or not config.brake.enabled:
        return ""
    return HELD if why_on(account.home) else ""


async def weigh(checks: Checks, transaction: Transaction, incoming: Incoming) -> None:
    """Count a message that has come whole, and hold it if the account did too much that is new."""
    account, house = transaction.origin.account, transaction.house
    if account is None or transaction.hold or not house.config.brake.enabled:
        return
    if incoming.file is not None and not transaction.is_for_queue():
        return  # it is in a Maildir; what is as large and goes nowhere else is no flood
    try:
        why = _weighed(checks, transaction, account, incoming)
        if checks.brakes.is_long(account.home):
            await asyncio.to_thread(sum_up, account.home)
        if why is not None:
            transaction.hold = HELD
            tell = partial(_tell, house, account, why)
            if await asyncio.to_thread(put_on, account.home, why, tell):
                log.event("brake-on", level="warn", account=account.address, why=why)
    except (OSError, TemporaryError, PermanentError) as error:
        log.event("brake-failed", level="warn", account=account.address, error=str(error))


def _weighed(
    checks: Checks, transaction: Transaction, account: Account, incoming: Incoming
) -> str | None:
    brake = transaction.house.config.brake
    if any(is_like(account.address, one) for one in brake.exempt):
        return None
    folder, known = account.home, checks.known.people(account.home)
    transaction.known = known
    away = [routed.path for routed in transaction.routed if routed.remote == (routed.path,)]
    new = sum(path.lower() not in known for path in away)
    text = fingerprint(incoming.beginning(TEXT_LIMIT)) if incoming.file is None else ""
    rules = Thresholds(brake.new_recipients, brake.same_text, brake.bounces, brake.growth)
    return checks.brakes.weigh(folder, (len(transaction.routed), new, text), rules)


def _tell(house: House, account: Account, why: str) -> None:
    """Leave a message to the owner and the postmaster. Raises OSError, PermanentError."""
    hostname, now = house.config.hostname, time.time()
    domain = account.address.rpartition("@")[2]
    people = [account.address]
    for one in dict.fromkeys((domain, postmaster_domain(house.directory, hostname))):
        people.append(f"postmaster@{one}")
    trace = new_trace()
    envelope = Envelope(
        NULL_REVERSE_PATH,
        tuple(Recipient(one, notify=frozenset({"NEVER"})) for one in people),
        trace,
        account=f"MAILER-DAEMON@{hostname}",
        received_at=now,
    )
    header = (
        f"From: Mail Delivery System <MAILER-DAEMON@{hostname}>\r\n"
        f"To: {', '.join(f'<{one}>' for one in people)}\r\n"
        f"Subject: Mail of {account.address} is held\r\n"
        f"Date: {formatdate(now)}\r\n"
        f"Message-ID: <{trace}.brake@{hostname}>\r\n"
        "Auto-Submitted: auto-generated\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n"
    )
    text = TEXT.format(account=account.address, hostname=hostname, why=why)
    house.spool.submit(envelope, [header.encode(), text.replace("\n", "\r\n").encode()])


TEXT = """\
This is the mail server {hostname}.

The account {account} began to send mail as it never did before:
{why}.

That is how it looks when somebody else has got hold of its password. Mail that it
sends is taken and kept from now on, and goes nowhere until a person has looked.
Nothing is lost.

If it was you: tell the administrator, who lets it go by

    mailraven brake release {account}

If it was not: change the password now, and have what is held deleted by

    mailraven account passwd {account}
    mailraven brake purge {account}

What is held:

    mailraven queue list --account {account} --status held
"""
