"""ARC chains, made by dkimpy, and what enemies make of them."""

import re

import pytest

from unit.senderauth.signed import MESSAGE, arc_result, seal, sign

FIRST = seal(MESSAGE, b"list.example", b"dmarc=pass header.from=example.org; spf=pass")
SECOND = seal(FIRST, b"forward.example", b"arc=pass; dmarc=fail header.from=example.org")


def altered(message: bytes, pattern: bytes, new: bytes) -> bytes:
    changed = re.sub(pattern, new, message, count=1)
    assert changed != message
    return changed


def test_a_message_without_seals_has_no_chain() -> None:
    assert arc_result(sign()).word == "none"


def test_a_chain_of_one_passes() -> None:
    result = arc_result(FIRST)
    assert (result.word, result.sealer, result.trusted) == ("pass", "list.example", False)


def test_a_chain_of_two_passes() -> None:
    result = arc_result(SECOND)
    assert (result.word, result.domains) == ("pass", ("list.example", "forward.example"))


@pytest.mark.parametrize(
    ("pattern", "new", "problem"),
    [
        (rb"At  noon", b"At nine", "body altered"),
        (rb"Subject: Lunch", b"Subject: Dinner", "header altered"),
        (rb"(?s)ARC-Seal:.*?\r\n(?![ \t])", b"", "incomplete set"),
        (rb"(?s)ARC-Authentication-Results:.*?\r\n(?![ \t])", b"", "incomplete set"),
        (rb"cv=none", b"cv=pass", "chain was broken"),
        (rb"cv=none", b"cv=fail", "chain was broken"),
        (rb"(ARC-Seal: i=1;)", rb"\1 h=from;", "h="),
        (rb"ARC-Seal: i=1;", b"ARC-Seal: i=2;", "incomplete set"),
        (rb"ARC-Seal: i=1;", b"ARC-Seal: i=-1;", "incomplete set"),
        (rb"ARC-Seal: i=1;", b"ARC-Seal: j;", "not a list of tags"),
        (rb"(dmarc=)pass", rb"\1fail", "seal 1: header altered"),
    ],
)
def test_a_chain_that_was_touched_fails(pattern: bytes, new: bytes, problem: str) -> None:
    result = arc_result(altered(FIRST, pattern, new))
    assert result.word == "fail"
    assert problem in result.problem


def test_an_instance_twice_fails() -> None:
    fields = FIRST.removesuffix(MESSAGE)
    assert arc_result(fields + FIRST).problem == "an instance twice"


def test_too_many_sets_fail() -> None:
    # RFC 8617 §5.2, step 1
    assert "sets" in arc_result(b"ARC-Seal: i=1\r\n" * 51 + MESSAGE).problem


def test_no_answer_for_a_key_is_for_now() -> None:
    assert arc_result(FIRST, records=None).word == "temperror"


def test_a_key_that_is_gone_fails() -> None:
    assert arc_result(FIRST, records=(b"v=DKIM1; p=",)).word == "fail"


@pytest.mark.parametrize(
    ("message", "trusted", "expected"),
    [
        (FIRST, set(), (False, False)),
        (FIRST, {"list.example"}, (True, True)),
        (FIRST, {"example"}, (True, True)),
        (FIRST, {"st.example"}, (False, False)),
        (SECOND, {"list.example"}, (False, False)),  # who came later may have written it all
        (SECOND, {"forward.example"}, (True, False)),
        (SECOND, {"forward.example", "list.example"}, (True, True)),
    ],
)
def test_only_an_unbroken_row_of_trusted_sealers_is_believed(
    message: bytes, trusted: set[str], expected: tuple[bool, bool]
) -> None:
    result = arc_result(message, frozenset(trusted))
    assert (result.trusted, result.dmarc_passed) == expected


def test_a_broken_chain_is_never_trusted() -> None:
    broken = altered(FIRST, rb"At  noon", b"At nine")
    assert not arc_result(broken, frozenset({"list.example"})).trusted
