"""What a sender hears whose mail DMARC refuses: whose policy, what failed, what would help."""

import pytest

from mailraven.senderauth.refusal import dmarc_refusal
from mailraven.senderauth.results import (
    ArcResult,
    DkimResult,
    DmarcResult,
    PublishedPolicy,
    ReverseResult,
    SenderResults,
    SpfResult,
)
from mailraven.smtp.replies import REPLY_LINE_LIMIT, render


def refusal(author: str, spf: SpfResult, *signatures: DkimResult) -> str:
    published = PublishedPolicy(author.partition(".")[2] or author, "reject")
    return dmarc_refusal(
        SenderResults(
            "2001:db8:1111:2222:3333:4444:5555:6666",
            author,
            spf,
            spf,
            signatures,
            DmarcResult("fail", author, "reject", "reject", published=published),
            ArcResult("none"),
            ReverseResult("pass"),
        )
    )


@pytest.mark.req("US3.3")
def test_the_sentence_names_the_policy_what_failed_and_what_would_help() -> None:
    told = refusal("shop.example.net", SpfResult("softfail", "bulk.example"))
    assert told.startswith("5.7.26 DMARC: mail from shop.example.net is refused as _dmarc.")
    assert "_dmarc.example.net asks (p=reject)" in told
    assert "SPF softfail for bulk.example, no DKIM signature\n" in told
    assert told.endswith("and 2001:db8:1111:2222:3333:4444:5555:6666 in the SPF record there")


def test_of_many_signatures_the_one_that_passes_is_told() -> None:
    found = (DkimResult("fail", "a.example"), DkimResult("pass", "b.example"))
    assert "DKIM pass for b.example" in refusal("example.net", SpfResult("none"), *found)
    assert "DKIM permerror\n" in refusal("example.net", SpfResult("none"), DkimResult("permerror"))


def test_names_as_long_as_they_may_be_leave_lines_that_fit() -> None:
    name = ".".join(["x" * 63] * 4)[:253]
    told = refusal(name, SpfResult("fail", name), DkimResult("fail", f"\x07é\n{name}"))
    lines = render(550, told).split(b"\r\n")
    assert len(lines) == 3
    assert max(map(len, lines)) < REPLY_LINE_LIMIT - 10
    assert b"SPF record there" in lines[1]
