"""DMARC aggregate reports: what one receiver saw of a domain's mail in a day. RFC 7489 §7.2

The XML of appendix C is written here, and read from strangers: without document types (and so
without entities), and within limits of depth, elements and text.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape

from mailraven.senderauth.results import Override, Policy, PublishedPolicy, SenderResults

DEPTH_LIMIT = 12  # elements inside one another; the format has 5
ELEMENTS_LIMIT = 300_000  # some 15,000 records
TEXT_LIMIT = 1000  # characters of one element's text
RECORDS_LIMIT = 50_000  # of one report


class Proved(NamedTuple):
    """A domain that was checked, the result, and the selector (DKIM) or scope (SPF)."""

    domain: str
    word: str
    detail: str


@dataclass(frozen=True, slots=True)
class Row:
    """Messages that are alike: from one client, with the same results. `author` is the domain in
    From; `dkim` and `spf` tell whether an aligned one passed, `disposition` what was done."""

    client: str
    author: str
    sender: str = ""
    disposition: str = "none"
    override: str = ""
    dkim: bool = False
    spf: bool = False
    by_dkim: tuple[Proved, ...] = ()
    by_spf: tuple[Proved, ...] = ()


@dataclass(frozen=True, slots=True)
class Feedback:
    """A report: who made it, about whose mail, from when to when (Unix seconds), and how many
    messages of each kind came."""

    organization: str
    contact: str
    id: str
    domain: str
    begin: int
    end: int
    published: PublishedPolicy
    rows: Mapping[Row, int]


def row_of(results: SenderResults, disposition: Policy) -> Row | None:
    """What is reported of a message; None where no domain asks for reports of it. `disposition`
    is what was done with it, which may be milder than the policy."""
    dmarc = results.dmarc
    if dmarc.published is None or not dmarc.published.aggregate_to:
        return None
    override: Override | Literal["local_policy"] = dmarc.override
    if not override and disposition != dmarc.disposition:
        override = "local_policy"
    return Row(
        results.client,
        results.author,
        results.spf.domain if results.spf.identity == "mailfrom" else "",
        disposition,
        override,
        dmarc.dkim_aligned,
        dmarc.spf_aligned,
        tuple(Proved(one.domain, one.word, one.selector) for one in results.dkim),
        (Proved(results.spf.domain, results.spf.word, _SCOPES[results.spf.identity]),),
    )


_SCOPES = {"mailfrom": "mfrom", "helo": "helo"}


def to_xml(feedback: Feedback) -> bytes:
    """The report as XML. RFC 7489, appendix C"""
    policy = feedback.published
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n<feedback>\n<version>1.0</version>\n',
        "<report_metadata>",
        _element("org_name", feedback.organization),
        _element("email", feedback.contact),
        _element("report_id", feedback.id),
        f"<date_range><begin>{feedback.begin}</begin><end>{feedback.end}</end></date_range>",
        "</report_metadata>\n<policy_published>",
        _element("domain", policy.domain),
        _element("adkim", "s" if policy.strict_dkim else "r"),
        _element("aspf", "s" if policy.strict_spf else "r"),
        _element("p", policy.policy),
        _element("sp", policy.subdomain_policy),
        _element("pct", str(policy.percent)),
        _element("fo", policy.failure_options),
        "</policy_published>\n",
        *(_record(row, count) for row, count in feedback.rows.items()),
        "</feedback>\n",
    ]
    return "".join(parts).encode("utf-8", "replace")


def _element(name: str, text: str) -> str:
    printable = "".join(one if one.isprintable() else "?" for one in text[:TEXT_LIMIT])
    return f"<{name}>{escape(printable)}</{name}>"


def _record(row: Row, count: int) -> str:
    reason = f"<reason>{_element('type', row.override)}</reason>" if row.override else ""
    return "".join(
        (
            f"<record><row>{_element('source_ip', row.client)}<count>{count}</count>",
            f"<policy_evaluated>{_element('disposition', row.disposition)}",
            f"<dkim>{_pass(row.dkim)}</dkim><spf>{_pass(row.spf)}</spf>{reason}",
            f"</policy_evaluated></row><identifiers>{_element('envelope_from', row.sender)}",
            f"{_element('header_from', row.author)}</identifiers><auth_results>",
            *(_proved("dkim", "selector", one) for one in row.by_dkim),
            *(_proved("spf", "scope", one) for one in row.by_spf),
            "</auth_results></record>\n",
        )
    )


def _proved(method: str, detail: str, one: Proved) -> str:
    inner = _element("domain", one.domain) + _element(detail, one.detail)
    return f"<{method}>{inner}{_element('result', one.word)}</{method}>"


def _pass(passed: bool) -> str:
    return "pass" if passed else "fail"


# -- reading --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Element:
    name: str
    text: str
    children: list["_Element"]

    def every(self, name: str) -> Iterable["_Element"]:
        return (one for one in self.children if one.name == name)

    def first(self, *path: str) -> "_Element":
        """The first descendant along `path`; an empty element where there is none."""
        found = self
        for name in path:
            found = next(iter(found.every(name)), _Element(name, "", []))
        return found

    def word(self, *path: str) -> str:
        return self.first(*path).text.strip()


class _Reader:
    """Builds the elements; refuses what no report has."""

    def __init__(self) -> None:
        self.stack = [_Element("", "", [])]
        self._count = 0

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self.stack) > DEPTH_LIMIT or self._count > ELEMENTS_LIMIT:
            raise ValueError("more elements than a report has")
        element = _Element(name.rpartition(":")[2], "", [])
        self.stack[-1].children.append(element)
        self.stack.append(element)

    def end(self, _name: str) -> None:
        self.stack.pop()

    def text(self, data: str) -> None:
        top = self.stack[-1]
        if len(top.text) < TEXT_LIMIT:
            top.text += data[:TEXT_LIMIT]


def _refuse(*_: object) -> None:
    raise ValueError("a document type, which reports have not")


def parse_feedback(xml: bytes) -> Feedback:
    """The report in `xml`. Raises ValueError that says why there is none."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(xml, True)
    except (expat.ExpatError, LookupError) as error:  # LookupError: an unknown encoding
        raise ValueError(f"no XML: {error}") from error
    root = reader.stack[0].first("feedback")
    metadata, policy = root.first("report_metadata"), root.first("policy_published")
    if not metadata.children:
        raise ValueError("no DMARC report")
    rows: dict[Row, int] = {}
    for record in list(root.every("record"))[:RECORDS_LIMIT]:
        row = _row(record)
        rows[row] = rows.get(row, 0) + _whole(record.word("row", "count"))
    return Feedback(
        metadata.word("org_name"),
        metadata.word("email"),
        metadata.word("report_id"),
        policy.word("domain"),
        _whole(metadata.word("date_range", "begin")),
        _whole(metadata.word("date_range", "end")),
        PublishedPolicy(
            policy.word("domain"),
            _POLICIES.get(policy.word("p"), "none"),
            _POLICIES.get(policy.word("sp") or policy.word("p"), "none"),
            _whole(policy.word("pct") or "100"),
            policy.word("adkim") == "s",
            policy.word("aspf") == "s",
        ),
        rows,
    )


_POLICIES: dict[str, Policy] = {"none": "none", "quarantine": "quarantine", "reject": "reject"}


def _row(record: _Element) -> Row:
    row, identifiers = record.first("row"), record.first("identifiers")
    evaluated, results = row.first("policy_evaluated"), record.first("auth_results")
    return Row(
        row.word("source_ip"),
        identifiers.word("header_from"),
        identifiers.word("envelope_from"),
        evaluated.word("disposition"),
        evaluated.word("reason", "type"),
        evaluated.word("dkim") == "pass",
        evaluated.word("spf") == "pass",
        tuple(_read(one, "selector") for one in results.every("dkim"))[:100],
        tuple(_read(one, "scope") for one in results.every("spf"))[:100],
    )


def _read(element: _Element, detail: str) -> Proved:
    return Proved(element.word("domain"), element.word("result"), element.word(detail))


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0
