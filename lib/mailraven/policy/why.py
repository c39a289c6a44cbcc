"""A record of a verdict in words: what counted, and what would have changed it.

The form of a record stands atop spam/records.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

SHOWN = 12  # reasons in full; lighter ones are summed up
TOGETHER = 4  # reasons of which it is said that without them all it would have been otherwise
_DONE = {
    "accept": "accepted",
    "quarantine": "put into quarantine",
    "reject": "refused",
    "defer": "put off: the sender was told to come again",
    "refuse": "refused",
    "discard": "taken, and dropped by a filter",
}


class Weight(NamedTuple):
    """A reason as it stands in a record."""

    points: float
    rule: str
    text: str


def lines_of(record: Mapping[str, object]) -> list[str]:
    """The whole record for a person, one line each. Never raises, whatever the record holds."""
    lines = list(_head(record))
    common = _weights(record.get("reasons"))
    for person in _tables(record.get("people")):
        lines += ["", *_person(record, person, common)]
    return list(map(_plain, lines))


def _head(record: Mapping[str, object]) -> Iterator[str]:
    to = record.get("to")
    names = ", ".join(map(str, to)) if isinstance(to, list) else ""
    yield f"{_text(record, 'time')}  message {_text(record, 'trace') or '(none)'}"
    for label, key in (("Message-ID", "message_id"), ("Subject", "subject")):
        if key in record:
            yield f"  {label}: {_text(record, key)}"
    yield f"  from {_text(record, 'from') or '<>'} to {names or 'nobody yet'}"
    yield f"  brought by {_text(record, 'peer') or 'this machine'}, HELO {_text(record, 'helo')}"
    auth = record.get("auth")
    if isinstance(auth, dict):
        yield "  " + ", ".join(f"{key} {_shown(value)}" for key, value in auth.items() if value)
    for milter in _tables(record.get("milters")):
        yield _milter(milter)
    reply = _text(record, "reply")
    action = _DONE.get(_text(record, "action"), _text(record, "action"))
    step = _text(record, "at")
    yield f"  {action} at {step}: {reply}" if reply else f"  {action}"


def _milter(note: Mapping[str, object]) -> str:
    """What one filter did at one step."""
    said = " ".join(filter(None, (_text(note, "answer"), _text(note, "reply"))))
    changes = note.get("changes")
    listed = [str(one) for one in changes] if isinstance(changes, list) else []
    did = "; ".join([said, *listed] if said else listed)
    return f"  milter {_text(note, 'name')} at {_text(note, 'at')}: {did}"


def _person(
    record: Mapping[str, object], person: Mapping[str, object], common: Sequence[Weight]
) -> Iterator[str]:
    score = _number(person.get("score"))
    quarantine, reject = _number(person.get("quarantine")), _number(person.get("reject"))
    action = _text(person, "action")
    yield (
        f"For {_text(person, 'to')}: {_DONE.get(action, action)}; score {score:.1f}"
        f" (quarantine from {quarantine:g}, refusal from {reject:g})"
    )
    weights = sorted([*common, *_weights(person.get("reasons"))], key=lambda one: -abs(one.points))
    for one in weights[:SHOWN]:
        yield f"  {one.points:+7.2f}  {one.rule}: {one.text}"
    rest = weights[SHOWN:]
    if rest:
        yield f"  {sum(one.points for one in rest):+7.2f}  {len(rest)} lighter reasons"
    yield from _changes(score, quarantine, reject, weights)
    if score >= quarantine and action != "accept":
        yield _who_to_allow(record)


def _changes(
    score: float, quarantine: float, reject: float, weights: Sequence[Weight]
) -> Iterator[str]:
    """What would have changed the verdict."""
    against = [one for one in weights if one.points > 0]
    if score < quarantine:
        yield f"  {quarantine - score:.1f} points more, and it had gone to quarantine."
        for one in weights:
            if one.points < 0 and score - one.points >= quarantine:
                yield f"  Without {one.rule} ({one.points:g}) it had gone to quarantine."
        return
    if score >= reject:
        yield from _without(against, score, reject, "it had not been refused")
    yield from _without(against, score, quarantine, "it had been accepted")


def _without(against: Sequence[Weight], score: float, limit: float, outcome: str) -> Iterator[str]:
    alone = [one for one in against if score - one.points < limit]
    if alone:
        for one in alone[:TOGETHER]:
            yield f"  Without {one.rule} ({one.points:.1f} points) {outcome}."
        return
    for count in range(2, min(len(against), TOGETHER) + 1):
        if score - sum(one.points for one in against[:count]) < limit:
            names = ", ".join(one.rule for one in against[:count])
            yield f"  Without {names} together {outcome}."
            return


def _who_to_allow(record: Mapping[str, object]) -> str:
    sender, peer = _text(record, "from"), _text(record, "peer")
    auth = record.get("auth")
    proved = isinstance(auth, dict) and "pass" in (auth.get("spf"), auth.get("dmarc"))
    if sender and proved:
        return f"  An entry to allow {sender} had let it in: the sender is proved."
    if sender:
        return (
            f"  An entry to allow {sender} had not, for nothing proves the sender;"
            f" one for {peer} had."
        )
    return f"  An entry to allow {peer} had let it in."


def _tables(value: object) -> list[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _weights(value: object) -> list[Weight]:
    return [
        Weight(_number(one.get("points")), _text(one, "rule"), _text(one, "text"))
        for one in _tables(value)
    ]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _text(table: Mapping[str, object], key: str) -> str:
    return _plain(_shown(table.get(key)))


def _plain(text: str) -> str:
    """Controls of a peer do nothing to a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return " + ".join(map(str, value))
    return "" if value is None else str(value)
