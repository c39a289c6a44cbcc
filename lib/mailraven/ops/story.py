"""The story of a message in sentences: what each line of the log says to a person.

Lines are as mailraven-log(5) has them; what there is no sentence for is told with its keys.
"""

from collections.abc import Callable, Mapping, Sequence

Line = Mapping[str, object]
PEOPLE_TOLD = 10  # names in one sentence
REASONS_TOLD = 3
_FRAME = ("ts", "time", "level", "component", "event", "trace", "session", "traceback")


def sentence(line: Line, trace: str = "") -> str:
    """What the line says, of the message `trace`. Never raises, whatever the line holds."""
    if "event" not in line:
        return printable(_verdict(line))
    told = _SENTENCES.get(_text(line, "event"))
    if line.get("event") == "report" and trace and line.get("report_trace") == trace:
        told = _born_as_report
    return printable(told(line) if told else _otherwise(line))


def printable(text: str) -> str:
    """Controls of a peer do nothing to a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _accept(line: Line) -> str:
    if _text(line, "via") == "lmtp":
        return f"queued brought it to this machine's mailboxes: {_filed(line)}."
    account, peer = _text(line, "account"), _text(line, "peer")
    who = f"{account}, logged in from {peer}," if account else f"{peer}, not logged in,"
    secured = f" over {_text(line, 'tls')}" if line.get("tls") else ""
    how = f"by {_text(line, 'via')} ({_text(line, 'protocol')}){secured}"
    filed = f" It is filed: {_filed(line)}." if line.get("filed") else ""
    score = f" Its spam score is {_text(line, 'score')}." if "score" in line else ""
    return (
        f"{who} handed in {_text(line, 'size')} octets from {_sender(line)}"
        f" to {_people(line)} {how}; smtpd took it.{score}{filed}"
    )


def _filed(line: Line) -> str:
    filed = line.get("filed")
    if not isinstance(filed, Mapping):
        return "filed"
    named = [f"{one} in {mailbox}" for one, mailbox in list(filed.items())[:PEOPLE_TOLD]]
    more = len(filed) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _reject(line: Line) -> str:
    whom = f" for {_text(line, 'to')}" if line.get("to") else ""
    return (
        f"smtpd refused it at {_text(line, 'at')}{whom}, and told"
        f" {_text(line, 'account')} at {_text(line, 'peer')}: {_text(line, 'reply')}"
    )


def _queued(line: Line) -> str:
    held = f" It is held there: {_text(line, 'held')}." if line.get("held") else ""
    count = _text(line, "recipients")
    people = f"{count} recipients" if count != "1" else "one recipient"
    return f"It was put into the queue as {_text(line, 'queue_id')} for {people}.{held}"


def _relayed(line: Line) -> str:
    return f"{_host(line)} took it for {_text(line, 'to')} {_tls(line)}: {_answer(line)}."


def _delivered(line: Line) -> str:
    if _text(line, "remote").startswith("local["):
        return f"It is in the mailbox of {_text(line, 'to')} here."
    return _relayed(line)


def _expanded(line: Line) -> str:
    return f"{_relayed(line)} It is a list there."


def _deferred(line: Line) -> str:
    return f"{_try(line)} It is tried again."


def _bounced(line: Line) -> str:
    return f"{_try(line)} That is final: {_text(line, 'to')} is given up."


def _try(line: Line) -> str:
    to, stage, answer = _text(line, "to"), _text(line, "stage"), _answer(line)
    if not line.get("remote"):
        return f"No host was reached for {to} ({stage}): {answer}."
    return f"{_host(line)} did not take it for {to} at {stage} {_tls(line)}: {answer}."


def _answer(line: Line) -> str:
    """Word by word."""
    return f'"{_text(line, "answer")}"'


def _host(line: Line) -> str:
    return _text(line, "remote") or "Somebody"


def _tls(line: Line) -> str:
    return f"({_text(line, 'tls')})" if line.get("tls") else "(no TLS)"


def _report(line: Line) -> str:
    return (
        f"{_text(line, 'to') or 'The sender'} was sent a report ({_text(line, 'kind')}):"
        f" message {_text(line, 'report_trace')}, in the queue as {_text(line, 'report_queue_id')}."
    )


def _born_as_report(line: Line) -> str:
    return (
        f"We made it, as the report ({_text(line, 'kind')}) to {_text(line, 'to')} about message"
        f" {_text(line, 'trace')}; in the queue it is {_text(line, 'report_queue_id')}."
    )


def _milter(line: Line) -> str:
    return f"The filter {_text(line, 'milter')} did: {_text(line, 'did')}."


def _dropped(line: Line) -> str:
    return f"The filter {_text(line, 'milter')} had it dropped: nobody gets it."


def _put_off(line: Line) -> str:
    return f"It could not be filed at once: {_text(line, 'error')}; the queue brings it."


def _failed(line: Line) -> str:
    return f"It could be neither filed nor queued, the client was told so: {_text(line, 'error')}."


def _wish(line: Line) -> str:
    return f"The operator's wish ({_text(line, 'verb')}) was fulfilled after the attempt."


def _operator(line: Line) -> str:
    whom = f" for {_people(line)}" if line.get("to") else ""
    where = f" to {_text(line, 'route')}" if line.get("route") else ""
    verb = _text(line, "verb")
    return f"{_text(line, 'actor')}, an operator, had it {_DID.get(verb, verb)}{where}{whom}."


_DID = {
    "retry": "tried again at once",
    "hold": "held in the queue",
    "release": "released",
    "fail": "given up",
    "drop": "dropped, without a word to the sender",
    "route": "sent another way,",
}


def _suppressed(line: Line) -> str:
    who = _text(line, "account")
    whose = "Nobody here" if who == "*" else who
    return f"{whose} can send to {_text(line, 'to')} no more for now: {_answer(line)}."


def _returned(line: Line) -> str:
    kind = "complaint" if line.get("kind") == "complaint" else "report"
    worth = "proved to be about it" if line.get("proved") else "which proves nothing"
    whom = f" about {_text(line, 'to')}" if line.get("to") else ""
    said = f": {_answer(line)}" if line.get("answer") else ""
    return (
        f"A {kind}{whom} came from {_text(line, 'peer') or 'outside'}"
        f" as message {_text(line, 'report_trace')}, {worth}{said}."
    )


def _otherwise(line: Line) -> str:
    facts = [f"{key} {_shown(value)}" for key, value in line.items() if key not in _FRAME]
    return f"{_text(line, 'component')} says {_text(line, 'event')}: {', '.join(facts)}."


_SENTENCES: dict[str, Callable[[Line], str]] = {
    "accept": _accept,
    "reject": _reject,
    "queued": _queued,
    "relayed": _relayed,
    "delivered": _delivered,
    "expanded": _expanded,
    "deferred": _deferred,
    "bounced": _bounced,
    "report": _report,
    "wish": _wish,
    "operator": _operator,
    "suppressed": _suppressed,
    "returned": _returned,
    "milter": _milter,
    "milter-discards": _dropped,
    "delivery-deferred": _put_off,
    "delivery-failed": _failed,
}

# -- records of verdicts --------------------------------------------------------------------------

_DONE = {
    "accept": "accepted",
    "quarantine": "put into quarantine",
    "reject": "refused",
    "refuse": "refused",
    "defer": "put off",
    "discard": "dropped by a filter",
}


def _verdict(record: Line) -> str:
    who = _text(record, "account") or _text(record, "peer") or "this machine"
    what = f"mail of {who} from {_sender(record)} to {_people(record)}"
    reply = f", and {who} heard: {_text(record, 'reply')}" if record.get("reply") else ""
    score = f", score {_text(record, 'score')}" if record.get("score") is not None else ""
    said = f"Verdict on {what}: {_done(record)} at {_text(record, 'at')}{score}{reply}."
    return " ".join([said, *_proofs(record), *map(_person, _tables(record.get("people")))])


def _done(record: Line) -> str:
    action = _text(record, "action")
    return _DONE.get(action, action)


def _proofs(record: Line) -> list[str]:
    auth = record.get("auth")
    if not isinstance(auth, Mapping):
        return []
    wanted = ("spf", "dkim", "dmarc", "arc")
    return [", ".join(f"{one} {_shown(auth.get(one))}" for one in wanted if auth.get(one)) + "."]


def _person(person: Line) -> str:
    reasons = [_text(one, "rule") for one in _tables(person.get("reasons"))[:REASONS_TOLD]]
    why = f" ({', '.join(reasons)})" if reasons else ""
    return f"For {_text(person, 'to')}: {_done(person)}{why}."


def _tables(value: object) -> Sequence[Line]:
    found = value if isinstance(value, list) else []
    return [one for one in found if isinstance(one, Mapping)][:PEOPLE_TOLD]


# -- words ----------------------------------------------------------------------------------------


def _sender(line: Line) -> str:
    return f"<{_text(line, 'from')}>"


def _people(line: Line) -> str:
    to = line.get("to")
    named = [str(one) for one in to[:PEOPLE_TOLD]] if isinstance(to, list) else []
    count = line.get("recipients")
    total = count if isinstance(count, int) else len(to) if isinstance(to, list) else 0
    more = total - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 and named else "") or "nobody yet"


def _text(line: Line, key: str) -> str:
    return _shown(line.get(key))


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
