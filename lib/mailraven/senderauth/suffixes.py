"""Organizational domains, by the public suffix list (RFC 7489 §3.2): where a registry ends and
somebody's own domain begins. The list comes with the package publicsuffixlist.
"""

from functools import lru_cache

from publicsuffixlist import PublicSuffixList

REMEMBERED = 20_000  # domains


@lru_cache(1)
def _list() -> PublicSuffixList:
    return PublicSuffixList()  # takes 50 ms


@lru_cache(REMEMBERED)
def organizational_domain(domain: str) -> str:
    """The part of `domain` (lower case, A-labels) that its owner registered: example.co.uk of
    a.b.example.co.uk. A public suffix is its own.
    """
    return str(_list().privatesuffix(domain) or domain)
