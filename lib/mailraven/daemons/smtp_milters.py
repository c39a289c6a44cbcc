"""The milters of one SMTP session: asked in order at MAIL, RCPT and the end of the message.

A refusal raises what the client hears; everything else that they want is gathered in `Filtered`.
Each effect leaves a note for the record of the message.
"""

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace

from mailraven.daemons.milter_talk import Greeting, Letter, Macros, Talk
from mailraven.daemons.smtp_delivery import Transaction
from mailraven.mail.errors import PermanentError, TemporaryError
from mailraven.milter import steps
from mailraven.milter.answers import (
    DEFERRED,
    REJECTED,
    AddField,
    AddRecipient,
    Answer,
    Change,
    ChangeField,
    ChangeSender,
    DeleteRecipient,
    FieldChange,
    InsertField,
    Quarantine,
    ReplaceBody,
)
from mailraven.milter.header_changes import changed
from mailraven.milter.settings import Milter
from mailraven.observe import log
from mailraven.policy.spam_headers import LOOK_ALIKES
from mailraven.policy.verdict import Reason
from mailraven.senderauth.results import ReverseResult
from mailraven.smtp.events import Mail, Rcpt

REVERSE_SECONDS = 2.0  # longest wait for the name of the client, which CONNECT tells
NOTES_LIMIT = 50  # in one record
CHANGES_TOLD = 20  # of one milter
POINTS_LIMIT = 100.0
TEXT_LIMIT = 80  # characters of a value in a note
NUMBER = re.compile(rb"[+-]?[0-9]{1,6}(?:\.[0-9]{1,6})?")


@dataclass(slots=True)
class Filtered:
    """What the milters want of a message. `discarded_by` is the name of one, or ""."""

    letter: Letter
    is_changed: bool = False
    added: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    reverse_path: str | None = None
    quarantine: str = ""
    discarded_by: str = ""
    reasons: list[Reason] = field(default_factory=list)


@dataclass(slots=True)
class Filters:
    """All milters of one connection. `reverse` is under way from MAIL on; `is_judged` says whether
    fields of our own verdict are written, so that nobody else's may be."""

    talks: list[Talk]
    peer: tuple[str, int]
    is_judged: bool
    reverse: asyncio.Task[ReverseResult] | None = None
    notes: list[dict[str, object]] = field(default_factory=list)
    _macros: Macros = field(default_factory=dict)

    async def mail(self, transaction: Transaction) -> None:
        """MAIL came. Raises TemporaryError, PermanentError."""
        self.notes = transaction.notes
        self._macros = {"i": transaction.trace, **_of_sender(transaction)}
        greeting = await self._greeting(transaction)
        data = steps.path_data(transaction.mail.reverse_path, _said_with(transaction.mail))
        for talk in self.talks:
            self._heed(talk, "mail", await talk.mail(greeting, data, self._macros))

    async def rcpt(self, event: Rcpt, path: str) -> None:
        """RCPT came. Raises TemporaryError, PermanentError."""
        macros = {**self._macros, "{rcpt_addr}": path, "{rcpt_host}": path.rpartition("@")[2]}
        notify = ",".join(sorted(event.parameters.notify))
        data = steps.path_data(path, [f"NOTIFY={notify}"] if notify else [])
        for talk in self.talks:
            self._heed(talk, "rcpt", await talk.rcpt(data, macros))

    async def message(self, letter: Letter) -> Filtered:
        """The message is whole; `letter` as it is to be filed. Raises TemporaryError and
        PermanentError."""
        filtered = Filtered(letter)
        for talk in self.talks:
            if not talk.discards:
                changes, answer = await talk.message(filtered.letter, self._macros)
                self._take(talk, changes, filtered)
                filtered.reasons += self._points_for(talk, answer)
            if talk.discards:
                filtered.discarded_by = talk.station.milter.name
                break
        return filtered

    def leave(self) -> None:
        """The client has gone."""
        for talk in self.talks:
            talk.leave()

    # -- what they say -----------------------------------------------------------------------------

    async def _greeting(self, transaction: Transaction) -> Greeting:
        origin, name = transaction.origin, ""
        if self.reverse is not None:
            done, _ = await asyncio.wait([self.reverse], timeout=REVERSE_SECONDS)
            with suppress(asyncio.CancelledError):
                result = self.reverse.result() if done else None
                name = result.name if result and result.word == "pass" else ""
        return Greeting(name, *self.peer, origin.helo, _of_session(transaction, name))

    def _heed(self, talk: Talk, step: str, answer: Answer) -> None:
        """Tell the client of a refusal."""
        if answer.word == "continue" or answer.word == "skip":
            return
        reply = answer.reply
        self._note(talk, {"at": step, "answer": answer.word, "reply": _words(answer)})
        if answer.word == "reject":
            told = reply or REJECTED
            raise PermanentError(told.code, told.text)
        if answer.word == "tempfail":
            told = reply or DEFERRED
            raise TemporaryError(told.code, told.text)

    def _points_for(self, talk: Talk, answer: Answer) -> list[Reason]:
        """Points instead of a refusal of the message, where that is wanted."""
        milter = talk.station.milter
        if not (answer.word == "reject" and milter.reject_points and self.is_judged):
            self._heed(talk, "message", answer)
            return []
        words = _words(answer) or ""
        self._note(talk, {"at": "message", "answer": "points", "reply": words})
        return [Reason(f"milter-{milter.name}", milter.reject_points, f"it says {words}")]

    def _note(self, talk: Talk, what: dict[str, object]) -> None:
        name = talk.station.milter.name
        facts = {key: value for key, value in what.items() if value}
        if len(self.notes) < NOTES_LIMIT:
            self.notes.append({"name": name, **facts})
        level = "info" if what.get("answer") != "accept" else "debug"
        trace = self._macros.get("i")
        log.event("milter", level=level, trace=trace, milter=name, did=_one_line(facts))

    def _take(self, talk: Talk, changes: list[Change], filtered: Filtered) -> None:
        """Keep account of what one of them changes; the next one sees it."""
        if not changes:
            return
        milter, letter = talk.station.milter, filtered.letter
        fields = [one for one in changes if isinstance(one, AddField | InsertField | ChangeField)]
        filtered.reasons += _points_of(milter, fields)
        fields = [one for one in fields if not self._is_ours(one)]
        header = changed(letter.header, fields, keeps_blank=talk.keeps_blank)
        body = [one.data for one in changes if isinstance(one, ReplaceBody)]
        filtered.letter = Letter(header, b"".join(body)) if body else replace(letter, header=header)
        filtered.is_changed |= bool(body or fields)
        for one in changes:
            _envelope_change(one, filtered)
        told = list(dict.fromkeys(map(_told, changes)))
        self._note(talk, {"at": "message", "changes": told[:CHANGES_TOLD]})

    def _is_ours(self, one: FieldChange) -> bool:
        return self.is_judged and one.name.lower() in LOOK_ALIKES


def _envelope_change(one: Change, filtered: Filtered) -> None:
    match one:
        case AddRecipient(address):
            filtered.added.append(address)
        case DeleteRecipient(address):
            filtered.deleted.append(address)
        case ChangeSender(address):
            filtered.reverse_path = address
        case Quarantine(reason):
            filtered.quarantine = reason or "no reason given"


def _points_of(milter: Milter, fields: list[FieldChange]) -> list[Reason]:
    """What the field of its score says; the last one counts."""
    if not milter.score_field:
        return []
    for one in reversed(fields):
        number = NUMBER.search(one.value)
        if one.name.decode().lower() == milter.score_field.lower() and number:
            points = round(float(number[0]) * milter.score_factor, 2)
            points = max(-POINTS_LIMIT, min(POINTS_LIMIT, points))
            words = f"{milter.score_field}: {_text(one.value)}"
            return [Reason(f"milter-{milter.name}", points, words)]
    return []


def _of_session(transaction: Transaction, name: str) -> Macros:
    """Macros by the names that sendmail has given them."""
    origin, hostname = transaction.origin, transaction.house.config.hostname
    macros = {
        "j": hostname,
        "v": "MailRaven",
        "{daemon_name}": hostname,
        "{client_name}": name or "unknown",
        "{client_ptr}": name or "unknown",
        "{client_addr}": origin.peer or "local",
    }
    version, cipher = origin.tls
    return {**macros, "{tls_version}": version, "{cipher}": cipher} if version else macros


def _of_sender(transaction: Transaction) -> Macros:
    path, account = transaction.mail.reverse_path, transaction.origin.account
    macros = {"{mail_addr}": path, "{mail_host}": path.rpartition("@")[2]}
    if account is not None:
        macros |= {"{auth_type}": "PLAIN", "{auth_authen}": account.address}
    return macros


def _said_with(mail: Mail) -> list[str]:
    parameters = mail.parameters
    found = [f"SIZE={parameters.size}"] if parameters.size is not None else []
    if parameters.body != "7BIT":
        found.append(f"BODY={parameters.body}")
    return [*found, "SMTPUTF8"] if parameters.smtputf8 else found


def _words(answer: Answer) -> str | None:
    return f"{answer.reply.code} {answer.reply.text}" if answer.reply else None


def _one_line(facts: dict[str, object]) -> str:
    changes = facts.get("changes")
    listed = [str(one) for one in changes] if isinstance(changes, list) else []
    words = [str(facts[key]) for key in ("answer", "reply") if key in facts]
    return ", ".join([" ".join(words), *listed] if words else listed)


def _told(one: Change) -> str:
    match one:
        case AddField(name, value) | InsertField(_, name, value):
            return f"adds {name.decode()}: {_text(value)}"
        case ChangeField(_, name, value):
            verb = "changes" if value else "removes"
            return f"{verb} {name.decode()}: {_text(value)}".rstrip(": ")
        case AddRecipient(address):
            return f"adds recipient {address}"
        case DeleteRecipient(address):
            return f"removes recipient {address}"
        case ChangeSender(address):
            return f"changes the sender to <{address}>"
        case Quarantine(reason):
            return f"quarantines: {reason}"
    return "replaces the body"


def _text(value: bytes) -> str:
    return " ".join(value.decode("utf-8", "replace").split())[:TEXT_LIMIT]
