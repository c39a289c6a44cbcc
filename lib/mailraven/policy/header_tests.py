"""Tests of the header: what honest programs write, and what those of spammers forget."""

import re

from mailraven.mail.headers import unfold
from mailraven.policy.border import date_seconds
from mailraven.policy.brands import borrowed_brand
from mailraven.policy.domains import FREE_MAIL, domain_of, registered
from mailraven.policy.lettering import (
    has_mixed_scripts,
    has_pictures,
    has_styled_letters,
    has_unseen_letters,
    is_shouted,
)
from mailraven.policy.testing import Table
from mailraven.policy.view import View

DAY = 86400  # seconds

_MESSAGE_ID = re.compile(rb"<[^<>@\s]{1,400}@[^<>@\s]{1,255}>")
_ZONE = re.compile(rb"([+-])(\d\d)(\d\d)\b(?:\s*\([^()]{0,60}\))?\s*$")
_LIST_TARGET = re.compile(rb"<(?:https?|mailto):[^<>\s]{3,2000}>", re.IGNORECASE)
_ADDRESS = re.compile(r"[\w.+-]{1,64}@([\w-]{1,63}(?:\.[\w-]{1,63}){1,5})")
_TAIL = re.compile(r"\S\s{4,}\S{1,24}\s*$")
_REPLY = re.compile(r"(?:re|aw|sv|antw|r[eé]f|odp|vs|回复|答复)(?:\[\d+\])?\s?:", re.IGNORECASE)
_WROTE = re.compile(
    r"\b(?:wrote|writes|schrieb|a écrit|escribió|escreveu|ha scritto|schreef|писал)\b"
    r"|\bFrom:.{1,300}?\b(?:Sent|Date):|\b(?:Von|De|Da|Van):.{1,300}?\b(?:Gesendet|Envoyé|Inviato|Verzonden):",
    re.DOTALL,
)
_PLACEHOLDER = re.compile(
    r"[\[{%<]{1,2}_?(?:to|e?mail|name|first_?name|rnd\w{0,9}|user|tag|domain|_*link\w{0,20})[\]}%>_]"
    r"|<__\w{1,30}@",
    re.IGNORECASE,
)
_BULK_PRIORITY = re.compile(rb"\s*(?:1|2|high|urgent)\b", re.IGNORECASE)


def _message_id(view: View) -> bytes:
    return unfold(view.first(b"message-id") or b"")


def _message_id_domain(view: View) -> str:
    return domain_of(_message_id(view).decode("latin-1").strip("<> "))


def _bad_message_id(view: View) -> bool:
    found = _message_id(view)
    return bool(found) and _MESSAGE_ID.fullmatch(found) is None


def _dotless_message_id(view: View) -> bool:
    domain = _message_id_domain(view)
    return bool(domain) and "." not in domain.strip("[]")


def _unrelated_message_id(view: View) -> bool:
    domain = _message_id_domain(view)
    return "." in domain and registered(domain) not in view.own_domains


def _date(view: View) -> int | None:
    return date_seconds(unfold(view.first(b"date") or b"").decode("latin-1"))


def _days_off(view: View) -> float:
    """Days between the date of a message and its arrival; negative if it is of the future."""
    date, received = _date(view), view.facts.received_at
    return 0 if date is None or received is None else (received - date) / DAY


def _odd_zone(view: View) -> bool:
    match = _ZONE.search(unfold(view.first(b"date") or b""))
    if match is None:
        return False
    hours = int(match[2])
    return hours > (14 if match[1] == b"+" else 12) or int(match[3]) not in (0, 30, 45)


def _no_zone(view: View) -> bool:
    date = unfold(view.first(b"date") or b"")
    return bool(date) and not re.search(rb"[+-]\d{4}|\b[A-Z]{1,5}\b\W*$", date)


def _raw_8bit(view: View, *names: bytes) -> bool:
    return any(not (view.first(name) or b"").isascii() for name in names)


def _is_utf8(view: View, name: bytes) -> bool:
    try:
        (view.first(name) or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def _needless_encoding(view: View) -> bool:
    """An encoded word for letters that need none: it hides them from plain filters."""
    for name in (b"subject", b"from"):
        raw = view.first(name) or b""
        if b"?=" in raw and raw.lower().count(b"?q?") and _is_plain(view, name):
            return raw.count(b"=") > 12
        if b"?=" in raw and b"?b?" in raw.lower() and _is_plain(view, name):
            return True
    return False


def _is_plain(view: View, name: bytes) -> bool:
    shown = view.subject if name == b"subject" else view.author.name
    return shown != "" and shown.isascii()


def _name_holds_other_address(view: View) -> bool:
    match = _ADDRESS.search(view.author.name)
    return match is not None and registered(match[1].lower()) != registered(view.author.domain)


def _differs(one: str, other: str) -> bool:
    return bool(one) and bool(other) and registered(one) != registered(other)


def _reply_to_other(view: View) -> bool:
    return _differs(view.reply_to.domain, view.author.domain)


def _reply_to_free(view: View) -> bool:
    return view.reply_to.domain in FREE_MAIL and view.reply_to.address != view.author.address


def _path_unlike_author(view: View) -> bool:
    return _differs(domain_of(view.facts.mail_from or ""), view.author.domain)


def _sender_unlike_author(view: View) -> bool:
    sender = _ADDRESS.search(view.decoded(b"sender"))
    return sender is not None and _differs(sender[1].lower(), view.author.domain)


def _malformed_author(view: View) -> bool:
    """From that honest programs do not write: several, no domain, stray quotes, dots, commas."""
    raw = unfold(view.first(b"from") or b"")
    if not raw or view.authors != 1:
        return bool(raw)
    domain = view.author.domain
    return "." not in domain or raw.count(b'"') % 2 == 1 or b'""' in raw or b".." in raw


def _odd_author(view: View) -> bool:
    """Letters and signs that no address of a person or firm has."""
    address = view.author.address
    return bool(address) and re.fullmatch(r"[\w.+=&'/-]+@[\w.-]+", address) is None


def _numbered_author(view: View) -> bool:
    local = view.author.address.partition("@")[0]
    return re.search(r"\d{5}|^\d{3,}|[a-z]\d+[a-z]+\d", local) is not None


def _no_known_recipient(view: View) -> bool:
    return not any("@" in one.address for one in view.recipients)


def _has_bad_list_header(view: View) -> bool:
    value = view.first(b"list-unsubscribe")
    return value is not None and _LIST_TARGET.search(unfold(value)) is None


def _names_recipient(view: View) -> bool:
    """The subject holds the recipient's address or its first part."""
    subject = view.subject.lower()
    for one in view.recipients[:5]:
        local = one.address.partition("@")[0]
        if one.address in subject or (len(local) > 5 and local in subject):
            return "@" in one.address
    return False


def _fake_reply(view: View) -> bool:
    """Subject says "Re:", but the message refers to none."""
    return _REPLY.match(view.subject) is not None and not _refers(view)


def _refers(view: View) -> bool:
    return b"@" in (view.first(b"references") or b"") + (view.first(b"in-reply-to") or b"")


def _is_reply(view: View) -> bool:
    """Refers to a message, and shows it by quoting, or says so in plain text."""
    if not _refers(view):
        return False
    quoted = view.plain.count("\n>") > 0 or _WROTE.search(view.text[:40000]) is not None
    return quoted or (not view.has_html and _REPLY.match(view.subject) is not None)


def _has_list_header(view: View) -> bool:
    """The header of a list that people write to; what a mailing service sends is no such list."""
    posts = unfold(view.first(b"list-post") or b"").lower()
    return b"list-id" in view.fields and b"mailto:" in posts


def _wears_brand(view: View, shown: str) -> bool:
    own = view.own_domains | {view.author.domain}
    return borrowed_brand(shown, own) != ""


def _is_signed(view: View) -> bool:
    return b"dkim-signature" in view.fields


def _signed_domains(view: View) -> set[str]:
    """The domains that the signatures name, whether they are right or not."""
    found = (
        re.search(rb"\bd\s*=\s*([\w.-]{1,255})", value)
        for value in view.fields.get(b"dkim-signature", [])[:10]
    )
    return {registered(match[1].decode("latin-1").lower()) for match in found if match}


def _is_modern(view: View) -> bool:
    """Of a time when large senders sign what they send: after 2012."""
    received = view.facts.received_at
    return received is None or received > 1_356_998_400


HEADER_TESTS: Table = {
    "modern": ("it came after 2012, or now", _is_modern),
    "no-message-id": ("no Message-ID", lambda view: not _message_id(view)),
    "bad-message-id": ("a Message-ID that is not <left@right>", _bad_message_id),
    "dotless-message-id": ("a Message-ID without a domain", _dotless_message_id),
    "unrelated-message-id": (
        "a Message-ID of a domain that did not send it",
        _unrelated_message_id,
    ),
    "no-date": ("no Date that makes sense", lambda view: _date(view) is None),
    "old-date": ("dated two days or more before it came", lambda view: _days_off(view) > 2),
    "future-date": ("dated six hours or more after it came", lambda view: _days_off(view) < -0.25),
    "odd-zone": ("a time zone that does not exist", _odd_zone),
    "no-zone": ("a date without time zone", _no_zone),
    "no-to": ("neither To nor Cc", lambda view: not view.fields.keys() & {b"to", b"cc"}),
    "no-recipient-address": ("no address in To and Cc", _no_known_recipient),
    "many-recipients": ("more than 15 recipients", lambda view: len(view.recipients) > 15),
    "no-subject": ("no Subject, or an empty one", lambda view: not view.subject.strip()),
    "raw-subject": (
        "8-bit letters in Subject, not encoded",
        lambda view: _raw_8bit(view, b"subject"),
    ),
    "raw-author": (
        "8-bit letters in From, not encoded",
        lambda view: _raw_8bit(view, b"from", b"to"),
    ),
    "raw-subject-charset": (
        "8-bit letters in Subject that are not UTF-8",
        lambda view: not _is_utf8(view, b"subject"),
    ),
    "needless-encoding": ("plain letters encoded to hide them", _needless_encoding),
    "shouting-subject": ("a Subject in capitals", lambda view: is_shouted(view.subject)),
    "styled-subject": (
        "mathematical or full-width letters in Subject or From",
        lambda view: has_styled_letters(view.subject + view.author.name),
    ),
    "unseen-in-subject": (
        "letters without width in Subject or From",
        lambda view: has_unseen_letters(view.subject + view.author.name),
    ),
    "mixed-scripts": (
        "words of letters from two alphabets",
        lambda view: has_mixed_scripts(view.subject + " " + view.author.name),
    ),
    "subject-tail": (
        "a Subject that ends in blanks or letters of chance",
        lambda view: _TAIL.search(view.subject[-80:]) is not None,
    ),
    "subject-names-recipient": ("the recipient's address in Subject", _names_recipient),
    "placeholder": (
        "a blank form: [name], {email}, in the header",
        lambda view: (
            _PLACEHOLDER.search(f"{view.subject} {view.author.name} {view.decoded(b'to')[:200]}")
            is not None
        ),
    ),
    "name-holds-address": ("an address of another domain for a name", _name_holds_other_address),
    "malformed-author": ("a From that is no one address", _malformed_author),
    "odd-author": ("an address of odd letters", _odd_author),
    "numbered-author": ("an address of letters and numbers by chance", _numbered_author),
    "no-author": ("no From", lambda view: not view.author.address),
    "no-author-name": ("an address without a name", lambda view: not view.author.name),
    "free-author": (
        "an author at a free mail service",
        lambda view: view.author.domain in FREE_MAIL,
    ),
    "reply-elsewhere": ("answers go to another domain", _reply_to_other),
    "reply-to-free": ("answers go to a free mail service", _reply_to_free),
    "path-unlike-author": ("bounces go to another domain than the author's", _path_unlike_author),
    "sender-unlike-author": ("Sender of another domain than From", _sender_unlike_author),
    "no-mime": (
        "a Content-Type without MIME-Version",
        lambda view: b"content-type" in view.fields and b"mime-version" not in view.fields,
    ),
    "high-priority": (
        "marked as urgent",
        lambda view: (
            _BULK_PRIORITY.match(view.first(b"x-priority") or view.first(b"importance") or b"")
            is not None
        ),
    ),
    "unsubscribe": ("List-Unsubscribe", lambda view: b"list-unsubscribe" in view.fields),
    "bad-unsubscribe": ("a List-Unsubscribe without a link", _has_bad_list_header),
    "one-click": (
        "List-Unsubscribe-Post (RFC 8058)",
        lambda view: b"list-unsubscribe-post" in view.fields,
    ),
    "list": ("the header of a mailing list", _has_list_header),
    "fake-reply": ("'Re:' without a message that it answers", _fake_reply),
    "refers": ("In-Reply-To or References", _refers),
    "reply": ("an answer that quotes, or is named as one", _is_reply),
    "signed": ("a DKIM signature, right or wrong", _is_signed),
    "signed-by-author": (
        "a DKIM signature in the name of the author's domain, right or wrong",
        lambda view: registered(view.author.domain) in _signed_domains(view),
    ),
    "null-path": ("the null reverse-path", lambda view: view.facts.mail_from == ""),
    "twice": (
        "a field twice that may be there once",
        lambda view: any(
            len(view.fields.get(name, ())) > 1
            for name in (b"from", b"subject", b"date", b"message-id", b"to")
        ),
    ),
    "brand-name": (
        "a brand as the author's name, from a domain that is not the brand's",
        lambda view: _wears_brand(view, view.author.name),
    ),
    "brand-subject": (
        "a brand in the subject, from a domain that is not the brand's",
        lambda view: _wears_brand(view, view.subject),
    ),
    "emoji-subject": ("pictures in the subject", lambda view: has_pictures(view.subject)),
    "auto-submitted": ("Auto-Submitted", lambda view: b"auto-submitted" in view.fields),
}
