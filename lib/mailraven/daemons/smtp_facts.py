"""What is known of a message beside its octets, gathered at the same time within one limit."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mailraven.daemons.sender_checks import Begun, Message, SenderChecks
from mailraven.daemons.smtp_delivery import Transaction
from mailraven.mail.headers import split_message
from mailraven.observe import log
from mailraven.policy.facts import Facts, Listing, Result
from mailraven.policy.verdict import Reason
from mailraven.senderauth.author import NO_AUTHOR
from mailraven.senderauth.lent import proof_of
from mailraven.senderauth.proved import proved_domain
from mailraven.senderauth.results import DmarcResult, SenderResults

PIECE = 256 << 10  # octets read from a file at once
BEGINNING = 1 << 20  # octets of a large message that the rules look at
# More than a good message may have in its favour, so that the word of the author's domain holds.
REJECT_POINTS = 50.0
DMARC_REJECT = "dmarc-reject"  # the name of that reason
# Mail that bears the name of a domain of ours, unproved, from outside: of nobody who is known; of
# another who is, as a mailing list is that our users write to.
OWN_NAME_POINTS, OWN_NAME_FORWARDED_POINTS = 3.0, 1.5


@dataclass(frozen=True, slots=True)
class Source:
    """A message as it came: its header without the empty line, how to read what follows, all of its
    octets or those of its beginning, and its size."""

    header: bytes
    body: Callable[[], Iterable[bytes]]
    beginning: bytes
    size: int


def source_in_memory(data: bytes) -> Source:
    """A message that is in memory."""
    header, start = split_message(data)
    return Source(header, lambda: (data[start:],), data, len(data))


def source_in_file(path: Path, header: bytes, size: int) -> Source:
    """A message in a file that has none of our fields yet; `header` is what it came with. Waits for
    the disk. Raises OSError."""
    with path.open("rb") as file:
        beginning = file.read(BEGINNING)
    _, start = split_message(beginning)
    return Source(header, lambda: _pieces(path, start), beginning, size)


def _pieces(path: Path, start: int) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while piece := file.read(PIECE):
            yield piece


async def check_sender(
    checks: SenderChecks, begun: Begun | None, source: Source
) -> SenderResults | None:
    """What DKIM, SPF, DMARC, ARC and reverse DNS say; None when they were not asked."""
    if begun is None:
        return None
    try:
        return await checks.check(begun, Message(source.header, source.body, source.size))
    except Exception:  # whatever is wrong with us, the message is not to suffer for it
        log.exception("bug", where="sender")
        return None


async def in_time(
    listings: "asyncio.Task[tuple[Listing, ...]]", seconds: float
) -> tuple[Listing, ...]:
    """The block lists that have the client, as far as is known in time."""
    if not listings.done():
        await asyncio.wait([listings], timeout=max(seconds, 0))
    return listings.result() if listings.done() else ()


def facts_of(
    transaction: Transaction, results: SenderResults | None, listings: tuple[Listing, ...]
) -> Facts:
    """All of it, for the rules."""
    origin = transaction.origin
    reverse = results.reverse if results and results.reverse.word != "temperror" else None
    return Facts(
        client_ip=origin.peer,
        helo=origin.helo,
        reverse_name=reverse.name if reverse else None,
        reverse_confirmed=reverse.word == "pass" if reverse else None,
        tls=bool(origin.tls[1]),
        mail_from=transaction.mail.reverse_path,
        recipients=tuple(routed.path for routed in transaction.routed),
        received_at=int(transaction.began),
        spf=results.spf.word if results else None,
        dkim=_plain(results.dkim_word) if results else None,
        dmarc=results.dmarc.word if results else None,
        arc=results.arc.word if results else None,
        dkim_domains=results.dkim_domains if results else (),
        proved_domain=proved_domain(results) if results else "",
        dnsbl=listings,
        milters=(*_refusal(results.dmarc), *_own_name(transaction, results)) if results else (),
        suspicion=_suspicion(results.dmarc) if results else None,
    )


def _plain(word: str) -> Result:
    """A signature that local policy does not accept (a weak key) is no signature."""
    return "neutral" if word == "policy" else cast("Result", word)


def _refusal(dmarc: DmarcResult) -> tuple[Reason, ...]:
    """That the domain of the author asks to refuse mail that fails. RFC 7489 §6.3"""
    if dmarc.disposition != "reject":
        return ()
    words = f"{dmarc.domain} asks to reject mail that it did not authenticate"
    return (Reason(DMARC_REJECT, REJECT_POINTS, words),)


def _own_name(transaction: Transaction, results: SenderResults) -> tuple[Reason, ...]:
    """That it says it is from a domain that is served here, and nothing proves it: whoever writes
    from there logs in, or its SPF names the host. What could not be looked up is no evidence."""
    author, dmarc = results.author, results.dmarc
    if not author or dmarc.word == "temperror" or dmarc.disposition != "none":
        return ()
    if proof_of((author,), author, results) == "unknown":
        return ()
    if results.arc.trusted and results.arc.dmarc_passed:
        return ()
    if proved_domain(results) or not transaction.house.directory.is_local_domain(author):
        return ()
    text = f"it bears the name of {author}, which is served here, and nothing proves that"
    if results.dkim_domains or results.spf.word == "pass":
        return (Reason("own-name-forwarded", OWN_NAME_FORWARDED_POINTS, text),)
    return (Reason("own-name-unproved", OWN_NAME_POINTS, text),)


def _suspicion(dmarc: DmarcResult) -> Reason | None:
    """That it asks for quarantine; or that nobody can be asked, for From names no one domain: it is
    how a policy is got around. RFC 7489 §6.6.1"""
    if dmarc.disposition == "quarantine":
        words = f"{dmarc.domain} asks to quarantine mail that it did not authenticate"
        return Reason("dmarc-quarantine", 0.0, words)
    if dmarc.word == "permerror" and not dmarc.domain and dmarc.problem != NO_AUTHOR:
        return Reason(
            "dmarc-no-author", 0.0, f"whose policy counts cannot be told: {dmarc.problem}"
        )
    return None


def told(results: SenderResults | None) -> dict[str, object] | None:
    """The results for a record."""
    if results is None:
        return None
    return {
        "spf": results.spf.word,
        "dkim": [f"{one.word} {one.domain}" for one in results.dkim[:10]] or ["none"],
        "dmarc": results.dmarc.word,
        "policy": results.dmarc.policy,
        "override": results.dmarc.override or None,
        "arc": results.arc.word,
        "reverse": f"{results.reverse.word} {results.reverse.name}".strip(),
    }
