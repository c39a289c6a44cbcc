"""The Authentication-Results field: ours made, foreign ones that bear our name removed. RFC 8601"""

import re

from mailraven.mail.address import normalise_domain
from mailraven.mail.headers import keep_fields, remove_fields, unfold
from mailraven.senderauth.results import DkimResult, SenderResults, SpfResult

NAME = b"authentication-results"
FIELDS_LIMIT = 100  # of one message; each of them costs work
ID_LIMIT = 1000  # octets of a field in which its author must be told
VALUE_LIMIT = 253  # octets of a value that a stranger chose

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+")  # RFC 2045 §5.1
_NAME = re.compile(rb"[A-Za-z0-9._\x80-\xff-]++")
_UNSAFE = re.compile(r'[^ -~]|[\\"()]')
_PARTS = re.compile(rb'"((?:[^"\\]|\\.)*+)"|(\()|([^"(;\s]++)|(;)|\s++|["]', re.DOTALL)
_COMMENT_PART = re.compile(rb"\\.|[()]", re.DOTALL)


def header_field(results: SenderResults, authserv_id: str) -> bytes:
    """The field, folded, with its CRLF; what strangers chose in it is ASCII and cannot end it."""
    parts = [authserv_id, _spf(results.spf)]
    if results.helo.identity != results.spf.identity and results.helo.word != "none":
        parts.append(_spf(results.helo))
    parts += [_dkim(one) for one in results.dkim] or ["dkim=none"]
    dmarc = results.dmarc
    comment = f" (p={dmarc.policy} dis={dmarc.disposition}{_because(dmarc.override)})"
    shown = comment if dmarc.published else _comment(dmarc.problem)
    author = f" header.from={_value(dmarc.domain)}" if dmarc.domain else ""
    parts.append(f"dmarc={dmarc.word}{shown}{author}")
    if results.arc.word != "none":
        sealer = f" smtp.remote-ip={_value(results.client)}"
        parts.append(
            f"arc={results.arc.word}{_comment(results.arc.problem)}"
            + (sealer if results.arc.word == "pass" else "")
        )
    name = f" ({_safe(results.reverse.name)})" if results.reverse.name else ""
    parts.append(f"iprev={results.reverse.word}{name} policy.iprev={_value(results.client)}")
    return b"Authentication-Results: " + ";\r\n\t".join(parts).encode("ascii") + b"\r\n"


def _because(override: str) -> str:
    return f" {override}" if override else ""


def _spf(result: SpfResult) -> str:
    where = "smtp.mailfrom" if result.identity == "mailfrom" else "smtp.helo"
    value = f" {where}={_value(result.domain)}" if result.domain else ""
    return f"spf={result.word}{_comment(result.problem)}{value}"


def _dkim(result: DkimResult) -> str:
    properties = [
        f"{name}={_value(value)}"
        for name, value in (
            ("header.d", result.domain),
            ("header.s", result.selector),
            ("header.a", result.algorithm),
            ("header.b", result.mark),  # RFC 6008 §4
        )
        if value
    ]
    return " ".join([f"dkim={result.word}{_comment(result.problem)}", *properties])


def _comment(text: str) -> str:
    return f" ({_safe(text)})" if text else ""


def _safe(text: str) -> str:
    return _UNSAFE.sub("?", text[:VALUE_LIMIT])


def _value(text: str) -> str:
    """A token where it is one, else a quoted string. RFC 8601 §2.2, pvalue"""
    return text if len(text) <= VALUE_LIMIT and _TOKEN.fullmatch(text) else f'"{_safe(text)}"'


def remove_own(header_block: bytes, authserv_id: str) -> bytes:
    """`header_block` without the Authentication-Results that claim to be ours. RFC 8601 §5

    One whose author cannot be told goes, too: some reader may take it for ours. Of more than
    FIELDS_LIMIT nobody's stay.
    """
    if header_block.lower().count(NAME) > FIELDS_LIMIT:
        return remove_fields(header_block, (NAME,))
    own = normalise_domain(authserv_id)

    def is_foreign(name: bytes, value: bytes) -> bool:
        return name != NAME or authserv_id_of(value) not in (own, "")

    return keep_fields(header_block, is_foreign)


def authserv_id_of(value: bytes) -> str:
    """Who says that a field is its own, in lower case with A-labels; "" when it cannot be told."""
    words = iter(words_of(value[:ID_LIMIT]))
    first, follows = next(words, b";"), next(words, b"")
    if first == b";" or (not follows and len(value) > ID_LIMIT):
        return ""
    # A version may follow the name (RFC 8601 §2.2), and readers end it at what no name has.
    name = _NAME.match(first)
    return normalise_domain(name[0].decode("utf-8", "replace")) if name else ""


def verdict_of(value: bytes, method: bytes) -> bytes:
    """The result that a field states for `method`, in lower case; b"" for none."""
    statements: list[bytes] = [b""]
    for word in words_of(value):
        if word == b";":
            statements.append(b"")
        else:
            statements[-1] += (
                word if statements[-1].endswith(b"=") or word[:1] == b"=" else (b" " + word)
            )
    for statement in statements:
        name, _, rest = statement.strip().lower().partition(b"=")
        if name.partition(b"/")[0] == method:
            return rest.split()[0] if rest.split() else b""
    return b""


def words_of(value: bytes) -> list[bytes]:
    """Tokens, quoted strings without their quotes, and semicolons; comments and blanks left out."""
    value = unfold(value)
    words: list[bytes] = []
    position = 0
    while match := _PARTS.match(value, position):
        position = match.end()
        if match[2]:
            position = _comment_end(value, position)
        elif match[1] is not None:
            words.append(re.sub(rb"\\(.)", rb"\1", match[1]))
        elif word := match[3] or match[4]:
            words.append(word)
    return words


def _comment_end(value: bytes, start: int) -> int:
    depth = 1
    for part in _COMMENT_PART.finditer(value, start):
        depth += {b"(": 1, b")": -1}.get(part[0], 0)
        if depth == 0:
            return part.end()
    return len(value)
