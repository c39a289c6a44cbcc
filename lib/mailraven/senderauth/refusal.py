"""What a sender hears whose mail the policy of the author's domain (DMARC) asks to refuse."""

from mailraven.senderauth.results import DkimResult, SenderResults

NAME_LENGTH = 80  # characters of a name in it, so that each line fits into 512 octets


def dmarc_refusal(results: SenderResults) -> str:
    """Whose policy it was, what was looked at, and what a sender in good faith can do; with the
    enhanced status code of RFC 7372 §3.3. Two lines of ASCII."""
    author = _short(results.dmarc.domain)
    policy = results.dmarc.published
    at = _short(policy.domain) if policy else author
    spf = f"SPF {results.spf.word}"
    if results.spf.domain:
        spf += f" for {_short(results.spf.domain)}"
    return (
        f"5.7.26 DMARC: mail from {author} is refused as _dmarc.{at} asks (p=reject), for nothing"
        f" proves it: {spf}, {_dkim(results.dkim)}\n"
        f"if it is yours, sign it by DKIM as {author}, or send it with MAIL FROM of {author} and"
        f" {results.client} in the SPF record there"
    )


def _dkim(found: tuple[DkimResult, ...]) -> str:
    if not found:
        return "no DKIM signature"
    one = next((one for one in found if one.word == "pass"), found[0])
    return f"DKIM {one.word} for {_short(one.domain)}" if one.domain else f"DKIM {one.word}"


def _short(name: str) -> str:
    plain = "".join(letter if "!" <= letter <= "~" else "?" for letter in name)
    return plain if len(plain) <= NAME_LENGTH else plain[: NAME_LENGTH - 3] + "..."
