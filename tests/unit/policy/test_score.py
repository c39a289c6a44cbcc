"""Scores: what counts, that it is bounded, and what is learned and forgotten."""

import pytest

from mailraven.policy.border import lift_border
from mailraven.policy.catalogue import findings_of
from mailraven.policy.facts import Facts, Listing
from mailraven.policy.learned import LEAST, MOST, Learned, parse_learned, render_learned
from mailraven.policy.model import parse_model, render_model
from mailraven.policy.rules import Rule, compile_rules
from mailraven.policy.score import Assessment, Knowledge, Person, judge, score, tokens_in
from mailraven.policy.tokens import place_of, tokens_of
from mailraven.policy.verdict import Reason, Thresholds
from mailraven.policy.view import view_of
from mailraven.spam.knowledge import SHIPPED_RULES, read_rules, shipped_model
from unit.policy.letters import html_letter, letter

RULES = compile_rules([Rule("html-rule", "HTML", 3.0, finding="html")])
HTML = html_letter("<p>hello</p>")


@pytest.mark.req("FR-014")
def test_a_verdict_is_the_sum_of_all_that_is_known() -> None:
    facts = Facts(
        dnsbl=(Listing("bl.example", 2.5, "listed"),), milters=(Reason("clamav", 1, "odd"),)
    )
    verdict = score(HTML, facts, Knowledge(RULES))
    assert verdict.score == 6.5
    assert [reason.rule for reason in verdict.reasons] == [
        "html-rule",
        "dnsbl-bl.example",
        "clamav",
    ]
    assert verdict.action == "quarantine"


def test_the_content_of_a_known_sender_does_not_count_against_him() -> None:
    facts = Facts(known_sender=True, dnsbl=(Listing("bl.example", 1, "listed"),))
    verdict = score(HTML, facts, Knowledge(RULES))
    assert verdict.score == 1.0
    assert "known-sender" in [reason.rule for reason in verdict.reasons]


@pytest.mark.req("EC2")
def test_every_point_has_a_reason_in_words() -> None:
    knowledge = Knowledge(read_rules(SHIPPED_RULES), shipped_model())
    verdict = score(
        html_letter("<a href='http://1.2.3.4/x'>CLICK HERE to win</a>"), Facts(), knowledge
    )
    assert verdict.score == round(sum(reason.points for reason in verdict.reasons), 2)
    assert all(reason.text and reason.points for reason in verdict.reasons)


def test_the_shipped_model_is_small_and_can_be_read_and_written() -> None:
    model = shipped_model()
    text = render_model(model)
    assert len(text) < 256 << 10
    assert text.isascii() and parse_model(text) == model
    assert dict(model.about)["data"].startswith("SpamAssassin public corpus")


@pytest.mark.parametrize(
    "text", ["", "bias: 1\nscale: 1\n\nOOO", "bias: nan\nscale: 1\n\n" + "O" * 65536]
)
def test_a_broken_model_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_model(text)


@pytest.mark.req("FR-017")
def test_what_was_taught_counts_and_taking_it_back_leaves_nothing() -> None:
    learned = Learned()
    spam = tokens_in(letter("buy our wonderful turnips\n"), Facts())
    good = tokens_in(letter("the minutes of the meeting\n", Subject="minutes"), Facts())
    assert learned.reason(spam).points == 0
    for _ in range(40):
        learned.teach(spam, is_spam=True)
        learned.teach(good, is_spam=False)
    assert learned.reason(spam).points > 1
    assert "turnips" in learned.reason(spam).text
    assert learned.reason(good).points < -1
    for _ in range(40):
        learned.take_back(good, is_spam=False)
        learned.take_back(spam, is_spam=True)
    assert learned == Learned()


def test_one_lesson_tells_of_its_sender_and_hardly_of_its_language() -> None:
    learned, common = Learned(), shipped_model().common
    spam = letter(
        "Unser wunderbares Rezept zeigt Ihnen den Garten\n", From="Eva <eva@spam.example>"
    )
    other = letter("Wunderbar, das Rezept! Ihnen und dem Garten\n", From="Udo <udo@good.example>")
    again = letter("Ganz etwas anderes\n", From="Eva <eva@spam.example>")
    learned.teach(tokens_in(spam, Facts()), is_spam=True)
    assert learned.reason(tokens_in(again, Facts()), common).points > 1
    assert learned.reason(tokens_in(other, Facts()), common).points < 1
    assert "author:spam.example" in learned.reason(tokens_in(again, Facts()), common).text


def test_words_of_every_other_message_tell_nothing() -> None:
    learned, common = Learned(), shipped_model().common
    for _ in range(30):
        learned.teach({"the", "and", "you"}, is_spam=True)
        learned.teach({"turnips"}, is_spam=False)
    assert learned.reason({"the", "and", "you"}, common).points == 0


def test_teaching_is_undone_in_any_order() -> None:
    one, other = frozenset({"a", "b"}), frozenset({"b", "c"})
    taught = Learned()
    taught.teach(one, is_spam=True)
    both = Learned()
    both.teach(other, is_spam=True)
    both.teach(one, is_spam=True)
    both.take_back(other, is_spam=True)
    assert both == taught


def test_what_was_learned_is_bounded_however_often_it_was_taught() -> None:
    learned = Learned()
    for number in range(500):
        learned.teach({f"w{number}", "x", "y", "z"}, is_spam=True)
        learned.teach({f"v{number}", "u"}, is_spam=False)
    assert learned.reason({"x", "y", "z"}).points <= MOST
    assert learned.reason({"u"}).points >= LEAST


def test_what_was_learned_is_kept_as_text() -> None:
    learned = Learned()
    learned.teach({"a", "b"}, is_spam=True)
    learned.teach({"b"}, is_spam=False)
    text = render_learned(learned)
    assert parse_learned(text) == learned
    assert f"{place_of('b')} 1 1\n" in text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("mailraven-learned 1\nmessages x 1\n", 2),
        ("mailraven-learned 1\nmessages 1 1\n70000 1 1\n", 3),
        ("mailraven-learned 1\nmessages 1 1\n1 1 1\n2 -1 0\n", 4),
    ],
)
def test_a_broken_file_is_told_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=f"line {line}:"):
        parse_learned(text)


def test_the_border_hop_gives_the_facts_and_is_taken_away() -> None:
    trace = (
        b"Return-Path: <a@example.net>\r\nReceived: from helo.example "
        b"(host.example [192.0.2.7])\r\n"
        b"\tby mx.example.org with ESMTP id 1;\r\n\tMon, 23 Nov 2026 10:00:00 +0000\r\n"
    )
    facts, message = lift_border(trace + letter())
    assert message == letter()
    assert facts == Facts(
        client_ip="192.0.2.7",
        helo="helo.example",
        reverse_name="host.example",
        mail_from="a@example.net",
        received_at=1795428000,
    )


def test_a_host_without_a_name_is_known_to_have_none() -> None:
    trace = b"Received: from there (unknown [192.0.2.7]) by mx.example.org; nonsense\r\n"
    facts, _ = lift_border(trace + letter())
    assert (facts.reverse_name, facts.client_ip) == ("", "192.0.2.7")


def test_without_a_trace_nothing_is_known() -> None:
    assert lift_border(letter()) == (Facts(), letter())


def test_the_shipped_model_hears_nothing_of_hosts_and_people_but_learners_do() -> None:
    message = letter()
    facts = Facts(client_ip="192.0.2.7", reverse_name="mail.shop.example")
    view = view_of(message, facts)
    told = ("host:", "net:", "author:", "to:", "named:", "mould:", "titled:")
    assert not any(one.startswith(told) for one in tokens_of(view, findings_of(view)))
    assert {"host:shop.example", "net:192.0.2"} <= tokens_in(message, facts)


def _auth_rules(facts: Facts, message: bytes) -> set[str]:
    verdict = score(message, facts, Knowledge(read_rules(SHIPPED_RULES)))
    return {reason.rule for reason in verdict.reasons if reason.rule.startswith("auth-")}


def test_authentication_that_was_not_checked_is_no_evidence() -> None:
    unknown = [Facts(), Facts(spf="temperror", dkim="temperror", dmarc="temperror")]
    assert [_auth_rules(facts, HTML) for facts in unknown] == [set(), set()]


def test_a_failed_check_counts_unless_another_proves_the_author() -> None:
    assert _auth_rules(Facts(spf="fail", dkim="none", dmarc="fail"), HTML) == {
        "auth-spf-fail",
        "auth-dmarc-fail",
    }
    assert _auth_rules(Facts(spf="fail", dkim="pass", dmarc="pass"), HTML) == set()
    assert _auth_rules(Facts(spf="fail", dmarc="fail", arc="pass"), HTML) == set()


@pytest.mark.parametrize("score", [-3.0, 0.0, 4.49, 6.0, 14.0])
def test_a_suspicion_leads_to_quarantine_and_never_to_refusal(score: float) -> None:
    # RFC 7489 §6.3: "quarantine" is no "reject"
    suspicion = Reason("dmarc-quarantine", 0.0, "the domain asks for it")
    found = Assessment((Reason("test", score, ""),), (), frozenset(), suspicion)
    verdict = judge(found, Person(), Thresholds(4.5, 12.0))
    assert verdict.action == ("reject" if score >= 12 else "quarantine")
    assert "dmarc-quarantine" in {reason.rule for reason in verdict.reasons}
    allowed = Person(lists=(Reason("allow-account", -100.0, ""),))
    assert judge(found, allowed, Thresholds(4.5, 12.0)).action == "accept"
