"""What smtpd writes down for the DMARC reports of the day."""

import time
from pathlib import Path

from mailraven.observe import log
from mailraven.policy.verdict import Action
from mailraven.reports.dmarc_days import collect
from mailraven.senderauth.feedback import row_of
from mailraven.senderauth.results import Policy, SenderResults

_DONE: dict[Action, Policy] = {"accept": "none", "quarantine": "quarantine", "reject": "reject"}
_HARDNESS: dict[Policy, int] = {"none": 0, "quarantine": 1, "reject": 2}


def collect_report(folder: Path, results: SenderResults | None, action: Action) -> None:
    """Note a message of a domain that asks for reports; `action` is what was done with it.

    What was done for other reasons than DMARC is not reported (RFC 7489 §7.2).
    """
    if results is None:
        return
    row = row_of(results, min(_DONE[action], results.dmarc.disposition, key=_HARDNESS.__getitem__))
    if row is None or results.dmarc.published is None:
        return
    try:
        collect(folder, results.dmarc.published, row, time.time())
    except OSError as error:
        log.event("dmarc-report", level="warn", error=error.strerror)
