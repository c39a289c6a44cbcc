"""What proves the author's domain where DMARC has nothing to say."""

import pytest

from mailraven.senderauth.proved import proved_domain
from mailraven.senderauth.results import (
    ArcResult,
    DkimResult,
    DmarcResult,
    ReverseResult,
    SenderResults,
    SpfResult,
)


def results(author: str, spf: SpfResult, *signers: str) -> SenderResults:
    return SenderResults(
        "192.0.2.1",
        author,
        spf,
        SpfResult("none"),
        tuple(DkimResult("pass", one) for one in signers),
        DmarcResult("none", author),
        ArcResult("none"),
        ReverseResult("pass"),
    )


@pytest.mark.req("FR-018")
@pytest.mark.parametrize(
    ("author", "signer", "proves"),
    [
        ("example.co.uk", "example.co.uk", True),
        ("news.example.co.uk", "example.co.uk", True),
        ("example.co.uk", "co.uk", False),
        ("example.co.uk", "uk", False),
        ("example.com", "com", False),
        ("example.co.uk", "news.example.co.uk", False),
        ("example.co.uk", "le.co.uk", False),
        ("mine.github.io", "github.io", False),  # whoever signs there is not each of its users
    ],
)
def test_a_signature_above_proves_within_what_one_owner_registered(
    author: str, signer: str, proves: bool
) -> None:
    # RFC 6376 §8.13
    found = proved_domain(results(author, SpfResult("none"), signer))
    assert found == (author if proves else "")


@pytest.mark.parametrize(
    ("spf", "proves"),
    [
        (SpfResult("pass", "example.org"), True),
        (SpfResult("pass", "example.org", "helo"), False),
        (SpfResult("softfail", "example.org"), False),
        (SpfResult("pass", "mail.example.org"), False),
    ],
)
def test_spf_proves_the_domain_of_the_reverse_path(spf: SpfResult, proves: bool) -> None:
    assert proved_domain(results("example.org", spf)) == ("example.org" if proves else "")


def test_a_message_without_an_author_proves_nobody() -> None:
    assert proved_domain(results("", SpfResult("pass", ""))) == ""
