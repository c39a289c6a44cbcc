"""`mailraven report dmarc send | show` and `mailraven report tls send | show`."""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from mailraven.cli.common import load_config, say, say_json, table
from mailraven.cli.config import Commands
from mailraven.observe.trace import new_trace
from mailraven.ops.errors import OperationError
from mailraven.ops.reports import Sent, received_reports, send_dmarc
from mailraven.ops.tls_reports import TlsReports
from mailraven.senderauth.feedback import Feedback
from mailraven.senderauth.tls_report import TlsReport


def add_parser(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command group `report`."""
    group = commands.add_parser("report", help="DMARC and TLS reports")
    kinds = group.add_subparsers(metavar="KIND", required=True)
    dmarc = kinds.add_parser("dmarc", help="who sends mail in whose name")
    verbs = dmarc.add_subparsers(metavar="VERB", required=True)
    send = verbs.add_parser("send", help="mail the reports of a day to those who ask for them")
    send.add_argument("--date", metavar="DAY", help="2026-11-22; yesterday by default, in UTC")
    send.set_defaults(command=_send)
    _add_show(verbs, "what others report of our domains").set_defaults(command=_show_dmarc)
    tls = kinds.add_parser("tls", help="how TLS to us went")
    verbs = tls.add_subparsers(metavar="VERB", required=True)
    send = verbs.add_parser("send", help="tell other domains how our connections to them went")
    send.add_argument("--date", metavar="DAY", help="2026-11-22; yesterday by default, in UTC")
    send.set_defaults(command=_send_tls)
    _add_show(verbs, "what others report of their connections").set_defaults(command=_show_tls)


def _add_show(verbs: "Commands[argparse.ArgumentParser]", text: str) -> argparse.ArgumentParser:
    show = verbs.add_parser("show", help=text)
    show.add_argument("sources", nargs="*", metavar="SOURCE", help="account, file or folder")
    show.add_argument("--json", action="store_true")
    return show


def _send(options: argparse.Namespace) -> int:
    sent = asyncio.run(send_dmarc(load_config(options), _day(options.date), time.time(), new_trace))
    return _say_sent(sent, "messages")


def _send_tls(options: argparse.Namespace) -> int:
    reports = TlsReports(load_config(options), _day(options.date), time.time(), new_trace)
    return _say_sent(asyncio.run(reports.send()), "sessions")


def _say_sent(sent: list[Sent], what: str) -> int:
    for one in sent:
        to = ", ".join(one.to) or f"not sent: {one.problem}"
        say(f"{one.domain}: {one.messages} {what}; {to}")
    return 0


def _day(text: str | None) -> date:
    if text is None:
        return datetime.now(UTC).date() - timedelta(days=1)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise OperationError(f"{text!r} is not a day (write 2026-11-22)") from None


def _show_dmarc(options: argparse.Namespace) -> int:
    feedbacks = list(_feedbacks(options))
    if options.json:
        say_json([_plain(one) for one in feedbacks])
        return 0
    counts: Counter[tuple[str, ...]] = Counter()
    for feedback in feedbacks:
        for row, count in feedback.rows.items():
            passed = "pass" if row.dkim or row.spf else "fail"
            counts[row.author, row.client, passed, row.disposition, feedback.organization] += count
    rows = [[str(count), *_clean(key)] for key, count in counts.most_common()]
    say(table(["MESSAGES", "FROM", "CLIENT", "DMARC", "DISPOSITION", "SEEN BY"], rows))
    return 0


def _feedbacks(options: argparse.Namespace) -> Iterator[Feedback]:
    """Each report once, however often it came."""
    known = set()
    for _, report in received_reports(options.sources, load_config(options)):
        if isinstance(report, Feedback) and (key := (report.organization, report.id)) not in known:
            known.add(key)
            yield report


def _plain(feedback: Feedback) -> dict[str, object]:
    rows = [
        {
            "client": row.client,
            "from": row.author,
            "count": count,
            "dkim": row.dkim,
            "spf": row.spf,
            "disposition": row.disposition,
            "override": row.override,
        }
        for row, count in feedback.rows.items()
    ]
    names = {"organization": feedback.organization, "id": feedback.id, "domain": feedback.domain}
    return {**names, "begin": feedback.begin, "end": feedback.end, "rows": rows}


def _show_tls(options: argparse.Namespace) -> int:
    found = [
        one
        for _, one in received_reports(options.sources, load_config(options))
        if isinstance(one, TlsReport)
    ]
    rows: list[list[str]] = []
    for report in found:
        for one in report.policies:
            failures = Counter(failure.result_type for failure in one.failure_details)
            names = (report.organization_name, one.policy.policy_domain, one.policy.policy_type)
            good, bad = (
                one.summary.total_successful_session_count,
                one.summary.total_failure_session_count,
            )
            rows.append([*_clean((*names, str(good), str(bad), " ".join(failures)))])
    head = ["SEEN BY", "DOMAIN", "POLICY", "GOOD", "FAILED", "WHY"]
    if options.json:
        say_json([dict(zip((name.lower() for name in head), row, strict=True)) for row in rows])
        return 0
    say(table(head, rows))
    return 0


def _clean(words: tuple[str, ...]) -> list[str]:
    """Words of strangers without what could move a terminal's cursor."""
    return ["".join(one if one.isprintable() else "?" for one in word[:100]) for word in words]
