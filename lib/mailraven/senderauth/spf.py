"""SPF: may this client send for that domain? RFC 7208

pyspf evaluates. It asks the DNS as it goes, and waits; so here it is given what is known already,
and where that does not suffice it is stopped, the missing answer is fetched without blocking, and
it begins again. An evaluation takes some 100 µs, and once the answers are in the resolver's cache
there is only one.

A record may be written by an enemy: the limits of RFC 7208 §4.6.4 are pyspf's, those of size are
ours, and nothing he can write makes an exception.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import spf

from mailraven.mail.address import normalise_domain
from mailraven.senderauth.look_ups import NoAnswer, RecordKind
from mailraven.senderauth.results import SpfResult, SpfWord

RECORD_LIMIT = 4096  # octets. RFC 7208 §3.4 advises to stay below 450
TERM_LIMIT = 300  # octets; longer than any name, and pyspf's patterns are quadratic
QUESTIONS_LIMIT = 60  # look-ups of one evaluation: 10 terms, and the hosts behind mx and ptr
LABEL_LIMIT = 63  # octets. RFC 1035 §2.3.4
HOSTS_LIMIT = 10  # of an mx or ptr term. RFC 7208 §4.6.4
VOID_LIMIT = 2  # look-ups that find nothing. RFC 7208 §4.6.4

_WORDS: dict[str, SpfWord] = {
    "pass": "pass",
    "fail": "fail",
    "softfail": "softfail",
    "neutral": "neutral",
    "none": "none",
    "temperror": "temperror",
    "permerror": "permerror",
}


@dataclass(frozen=True, slots=True)
class Session:
    """What the client said: its address, the name in HELO, and the reverse-path, "" if null."""

    client: str
    helo: str
    reverse_path: str


class Needed(NamedTuple):
    """A question whose answer decides."""

    name: str
    kind: RecordKind


Records = tuple[str | bytes | tuple[int, str], ...]
# Known records as the resolver gives them; None where they must be asked for. Raises NoAnswer.
LookUp = Callable[[str, RecordKind], Records | None]


def evaluate(
    session: Session, identity: Literal["mailfrom", "helo"], look_up: LookUp
) -> SpfResult | Needed:
    """The result for an identity, or the question that must be answered first.

    A null reverse-path has the domain of HELO (RFC 7208 §2.4).
    """
    subject_ = subject(session, identity)
    domain, identity = subject_.domain, subject_.identity
    if not _is_domain(domain):  # RFC 7208 §4.3
        return SpfResult("none", domain, identity)
    query = _Query(session, subject_, look_up)
    word, problem = query.answer()
    if query.needed is not None:
        return query.needed
    mechanism = query.mechanism if word not in ("temperror", "permerror", "none") else ""
    return SpfResult(word, domain, identity, str(mechanism or ""), problem)


class Subject(NamedTuple):
    """Who is checked; without a local part it is postmaster. RFC 7208 §4.3"""

    identity: Literal["mailfrom", "helo"]
    local_part: str
    domain: str


def subject(session: Session, identity: Literal["mailfrom", "helo"]) -> Subject:
    """Who is checked for an identity: after a null reverse-path, the client as HELO names it."""
    local_part, at, domain = session.reverse_path.rpartition("@")
    if identity == "helo" or not at or not domain:
        return Subject("helo", "postmaster", normalise_domain(session.helo))
    return Subject("mailfrom", local_part or "postmaster", normalise_domain(domain))


def _is_domain(domain: str) -> bool:
    labels = domain.split(".")
    return (
        len(labels) > 1
        and domain.isascii()
        and domain.isprintable()
        and len(domain) <= 253
        and all(0 < len(label) <= LABEL_LIMIT for label in labels)
        and not domain.startswith("[")
        and not labels[-1].isdigit()
    )


class _Stop(Exception):
    """An answer is missing."""


class _Query(spf.query):  # type: ignore[misc]  # the way in that pyspf offers
    """pyspf's evaluation with our look-ups."""

    def __init__(self, session: Session, who: Subject, look_up: LookUp) -> None:
        sender = f"{who.local_part}@{who.domain}"
        super().__init__(i=session.client, s=sender, h=session.helo, strict=True)
        self.l, self.o, self.d = who.local_part, who.domain, who.domain  # it parts at the first @
        self._look_up = look_up
        self._asked: dict[Needed, list[object]] = {}
        self.needed: Needed | None = None

    def answer(self) -> tuple[SpfWord, str]:
        """The result, and what is wrong when it is an error."""
        try:
            word, _, sentence = self.check()
        except _Stop:
            return "temperror", ""
        except NoAnswer as error:
            return "temperror", str(error)
        except Exception as error:  # a record that pyspf stumbles over
            return "permerror", type(error).__name__
        result = _WORDS.get(word, "permerror")
        return result, sentence if result in ("temperror", "permerror") else ""

    def get_explanation(self, spec: str) -> None:
        """None: nobody is told the words of a stranger's exp=."""

    def dns_spf(self, domain: str) -> str | None:
        """The record of `domain`, if it is of a size that people write."""
        record: str | None = super().dns_spf(domain)
        if record is None:
            return None
        if len(record) > RECORD_LIMIT or any(len(term) > TERM_LIMIT for term in record.split(" ")):
            raise spf.PermError("record too long", domain)
        return record

    def dns(
        self, name: str, qtype: RecordKind, cnames: object = None, ignore_void: bool = False
    ) -> list[object]:
        """Records as pyspf wants them; aliases have been followed."""
        name = name.removesuffix(".").lower()
        if not all(0 < len(label) <= LABEL_LIMIT for label in name.split(".")):
            return []
        found = self._records(Needed(name, qtype)) if name.isascii() else []  # RFC 8616 §4
        if not found and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > VOID_LIMIT:
                raise spf.PermError(f"more than {VOID_LIMIT} look-ups found nothing")
        return list(found)

    def _records(self, question: Needed) -> list[object]:
        if question in self._asked:
            return self._asked[question]
        if len(self._asked) >= QUESTIONS_LIMIT:
            raise spf.PermError("too many look-ups")
        records = self._look_up(question.name, question.kind)
        if records is None:
            self.needed = question
            raise _Stop
        found: list[object] = [(one,) if isinstance(one, bytes) else one for one in records]
        self._asked[question] = found
        return found
