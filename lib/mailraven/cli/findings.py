"""Findings of dnscheck and selftest for a person, and what a script sees of them."""

from mailraven.ops.dns_findings import Finding
from mailraven.ops.story import printable

EXIT_CODES = {"broken": 1, "unknown": 3, "note": 0, "ok": 0}
MARKS = {"ok": "ok", "note": "note", "broken": "BROKEN", "unknown": "unknown"}


def told(title: str, findings: list[Finding]) -> str:
    """A line for each; where something is the matter, what that means and what is wanted."""
    lines = [title]
    for one in findings:
        lines.append(f"{MARKS[one.level]:7}  {one.kind:6}  {one.name}  {one.found or '(nothing)'}")
        if one.why:
            lines.append(f"{'':17}{one.why}")
        if one.why and one.wanted:
            lines.append(f"{'':17}Wanted: {one.wanted}")
    counts = {level: sum(1 for one in findings if one.level == level) for level in MARKS}
    lines.append(", ".join(f"{count} {level}" for level, count in counts.items()))
    return "\n".join(map(printable, lines))
