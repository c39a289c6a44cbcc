"""Language and HTML are no evidence of spam: bulk mail of shops and banks gets through."""

from collections import Counter

import pytest

from mailraven.policy.border import lift_border
from mailraven.policy.score import Knowledge, score
from mailraven.spam.knowledge import SHIPPED_RULES, read_rules, shipped_model
from spam.bulk import WORDS, bulk_messages
from spam.mailings import unwanted_mailings, wanted_mailings


@pytest.mark.req("SC-003", "EC2")
def test_legitimate_bulk_mail_of_untrained_languages_and_kinds_is_accepted() -> None:
    knowledge = Knowledge(read_rules(SHIPPED_RULES), shipped_model())
    refused = Counter[str]()
    messages = bulk_messages(150, 7, held_out=True)
    for message in messages:
        facts, inner = lift_border(message)
        verdict = score(inner, facts, knowledge)
        refused[verdict.action] += 1
    assert refused["reject"] == 0
    assert refused["quarantine"] <= len(messages) // 15


def test_bulk_mail_is_made_alike_from_a_seed_in_twelve_languages() -> None:
    assert len(WORDS) == 12
    assert bulk_messages(5, 3) == bulk_messages(5, 3)
    assert bulk_messages(5, 3) != bulk_messages(5, 4)


def _called_spam(messages: list[bytes]) -> int:
    knowledge = Knowledge(read_rules(SHIPPED_RULES), shipped_model())
    verdicts = (score(inner, facts, knowledge) for facts, inner in map(lift_border, messages))
    return sum(verdict.action != "accept" for verdict in verdicts)


@pytest.mark.req("EC2")
def test_what_is_said_tells_mail_apart_that_services_send_alike() -> None:
    assert _called_spam(wanted_mailings(120, 7)) <= 8
    assert _called_spam(unwanted_mailings(120, 7)) >= 60


def test_mailings_are_made_alike_from_a_seed() -> None:
    assert wanted_mailings(5, 3) == wanted_mailings(5, 3)
    assert unwanted_mailings(5, 3) != unwanted_mailings(5, 4)
