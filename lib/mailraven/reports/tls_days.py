"""What is to be reported of TLS on the way out, in flat files below data/reports/tls. RFC 8460

    2026-11-22.jsonl   {"policy": {...}, "result": "", "mx": "mx.example.org", ..., "count": 3}
    2026-11-22.sent    the domains whose report of that day has been sent

Sessions are counted in memory and written down now and then, so that a session costs no write; a
crash costs the count of a minute. Days are UTC.
"""

from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import msgspec

from mailraven.reports.day_files import append, day_of, lines
from mailraven.senderauth.tls_report import PolicyFacts

KINDS_LIMIT = 2000  # kinds of session that are counted in memory
INFORMATION_LIMIT = 200  # characters


class Session(msgspec.Struct, frozen=True):
    """A kind of session: `result` is "" or of RFC 8460 §4.3; `policy` is PolicyFacts in JSON."""

    policy: str
    result: str
    mx: str
    address: str
    source: str = ""
    information: str = ""


class _Line(msgspec.Struct, frozen=True):
    session: Session
    count: int


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Line)
_policies = msgspec.json.Decoder(PolicyFacts)


def policy_of(session: Session) -> PolicyFacts:
    """The policy that a session followed."""
    return _policies.decode(session.policy)


class TlsLedger:
    """Counts sessions; `flush` writes them down below `folder`. `clock` gives Unix seconds."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._clock = clock
        self._counts: Counter[tuple[date, Session]] = Counter()

    def note(self, policy: PolicyFacts, to: tuple[str, str], result: str, why: str = "") -> None:
        """Count a session with the MX and address `to`; `result` is "" when all went well."""
        mx, address = to
        # What went well needs no address in the report: less to keep.
        session = Session(
            _encoder.encode(policy).decode(),
            result,
            mx if result else "",
            address if result else "",
            information=why[:INFORMATION_LIMIT],
        )
        key = day_of(self._clock()), session
        if key in self._counts or len(self._counts) < KINDS_LIMIT:
            self._counts[key] += 1

    def flush(self) -> None:
        """Write down what was counted. Raises OSError; then it is tried again the next time."""
        counts, self._counts = self._counts, Counter()
        try:
            for day in {day for day, _ in counts}:
                found = [_Line(one, n) for (when, one), n in counts.items() if when == day]
                octets = b"".join(_encoder.encode(one) + b"\n" for one in found)
                append(self._folder / f"{day}.jsonl", octets)
        except OSError:
            self._counts.update(counts)
            raise


def sessions_on(folder: Path, day: date) -> dict[str, Counter[Session]]:
    """The sessions of a day by the domain whose policy was followed. Raises OSError."""
    found: dict[str, Counter[Session]] = {}
    for line in lines(folder / f"{day}.jsonl", _decoder):
        try:
            domain = policy_of(line.session).policy_domain
        except msgspec.DecodeError:
            continue
        found.setdefault(domain, Counter())[line.session] += line.count
    return found
