"""What smtpd writes down about each message, and about each one that it refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mailraven.daemons.smtp_delivery import Transaction
from mailraven.daemons.smtp_routing import Routed
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.mail.headers import decode_words, first, split_message
from mailraven.observe import log
from mailraven.policy.decision import mildest
from mailraven.policy.score import Assessment
from mailraven.policy.verdict import Action, Reason, Thresholds, Verdict
from mailraven.spam.records import TEXT_LIMIT

PEOPLE_LIMIT = 100  # recipients in one record
REASON_LIMIT = 100
LOG_RECIPIENTS = 20  # recipients named in one line of the log
HEADER_LIMIT = 64 << 10  # octets of a header that are looked at

Failure = TemporaryError | PermanentError


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of the copy of one account, or of those that go elsewhere."""

    routed: Routed
    verdict: Verdict
    thresholds: Thresholds
    action: Action  # what is done, which may be milder than the verdict

    @property
    def to(self) -> str:
        """Who gets it."""
        accounts = self.routed.accounts
        return accounts[0].address if accounts else ", ".join(self.routed.remote)


def named(message: bytes) -> dict[str, object]:
    """Message-ID and Subject for a person to know a message by."""
    header, _ = split_message(message[:HEADER_LIMIT])
    found: dict[str, object] = {}
    for key, name in (("message_id", b"message-id"), ("subject", b"subject")):
        value = first(header, name)
        if value is not None:
            found[key] = short(decode_words(value[: 4 * TEXT_LIMIT]))
    return found


def short(text: str) -> str:
    """A text of a peer, cut off, with nothing that JSON could not hold."""
    return text[:TEXT_LIMIT].encode("utf-8", "replace").decode()


def judged(
    outcomes: Sequence[Outcome], assessment: Assessment, failure: Failure | None
) -> dict[str, object]:
    """What a record says of a message that was judged. `reasons` are those for everybody, each of
    `people` has the further ones."""
    action = mildest(outcome.action for outcome in outcomes)
    common = (*assessment.content, *assessment.others)
    return {
        "at": "message",
        "action": "defer" if isinstance(failure, TemporaryError) else action,
        "score": min((outcome.verdict.score for outcome in outcomes), default=None),
        "reasons": _reasons(common),
        "people": [_person(outcome, common) for outcome in outcomes[:PEOPLE_LIMIT]],
        "reply": f"{failure.code} {failure.text}" if failure else None,
    }


def _person(outcome: Outcome, common: Sequence[Reason]) -> Mapping[str, object]:
    own = [reason for reason in outcome.verdict.reasons if reason not in common]
    return {
        "to": outcome.to,
        "action": outcome.action,
        "score": outcome.verdict.score,
        "quarantine": outcome.thresholds.quarantine,
        "reject": outcome.thresholds.reject,
        "reasons": _reasons(own),
    }


def _reasons(reasons: Sequence[Reason]) -> list[dict[str, object]]:
    weightiest = sorted(reasons, key=lambda reason: -abs(reason.points))[:REASON_LIMIT]
    return [
        {"rule": short(one.rule), "points": one.points, "text": short(_without_words(one.text))}
        for one in weightiest
    ]


def _without_words(text: str) -> str:
    """What a model says, but for the words of the message that it names: they may be private."""
    return text.partition(", mostly for: ")[0]


def log_accepted(transaction: Transaction, session: str, size: int) -> None:
    """The line of the log for a message of that size."""
    if not log.wants("info"):
        return
    origin = transaction.origin
    log.event(
        "accept",
        trace=transaction.trace,
        session=session,
        from_=transaction.mail.reverse_path,
        to=[routed.path for routed in transaction.routed[:LOG_RECIPIENTS]],
        recipients=len(transaction.routed),
        size=size,
        peer=origin.peer or "local",
        via=origin.kind,
        protocol=origin.protocol,
        account=origin.account.address if origin.account else None,
        tls=" ".join(origin.tls).strip() or None,
        message_id=transaction.message_id or None,
        envid=transaction.mail.parameters.envid,
        score=transaction.score,
        filed=transaction.filed or None,
    )
