"""How much memory the idle tree takes, and how much one large message adds to smtpd."""

import smtplib
import time
from collections import Counter

from bench.processes import tree
from peers.house import House

LARGE = 50_000_000  # octets
LINE = b"x" * 76 + b"\r\n"
SETTLE = 3.0  # seconds for what the start left over
MIB = 1 << 20


def report(house: House) -> None:
    """Print both figures."""
    time.sleep(SETTLE)
    by_daemon: Counter[str] = Counter()
    for process in tree(house.pid):
        by_daemon[process.daemon] += process.pss()
    print("\n### memory of the idle tree, PSS\n\n| daemon | MiB |\n| --- | --- |")
    for daemon, octets in sorted(by_daemon.items()):
        print(f"| {daemon} | {octets / MIB:.1f} |")
    print(f"| all | {by_daemon.total() / MIB:.1f} |")
    growth = growth_of_smtpd(house)
    print(
        f"\nA message of {LARGE / 1e6:.0f} MB raises smtpd by {growth / MIB:.1f} MiB at its peak."
    )


def growth_of_smtpd(house: House) -> int:
    """The largest rise of any smtpd process, in octets, while the large message comes in."""
    _send(house, LINE)  # what the first message of all loads is not the large one's doing
    before = {}
    for process in tree(house.pid):
        if process.daemon == "smtpd":
            process.forget_peak()
            before[process] = process.resident()
    _send(house, LINE * (LARGE // len(LINE)))
    return max(process.peak() - resident for process, resident in before.items())


def _send(house: House, body: bytes) -> None:
    to = house.account(0).address
    with smtplib.SMTP(house.host, house.smtp) as session:
        session.sendmail("large@sender.example", to, b"Subject: large\r\n\r\n" + body)
