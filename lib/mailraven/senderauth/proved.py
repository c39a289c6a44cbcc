"""Whether anything proves the author of a message, with DMARC or without."""

from mailraven.senderauth.results import SenderResults
from mailraven.senderauth.signature import is_below
from mailraven.senderauth.suffixes import organizational_domain


def proved_domain(results: SenderResults) -> str:
    """The domain in From if DMARC, a signature of it or above it, or SPF for it proves it, else "".

    A registry signs for nobody: d=co.uk proves nothing of example.co.uk (RFC 6376 §8.13).
    """
    author, spf = results.author, results.spf
    if results.dmarc.word == "pass" and results.dmarc.domain == author:
        return author
    if spf.word == "pass" and spf.identity == "mailfrom" and spf.domain == author:
        return author
    owner = organizational_domain(author)
    signers = (one for one in results.dkim_domains if is_below(author, one))
    return author if any(organizational_domain(one) == owner for one in signers) else ""
