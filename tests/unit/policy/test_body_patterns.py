"""What the text of a letter holds: sums, coin addresses, empty lines; and no text takes long."""

import pytest

from mailraven.policy.catalogue import findings_of
from mailraven.policy.facts import Facts
from mailraven.policy.view import view_of
from unit.policy.letters import letter


def finds(name: str, text: str) -> bool:
    return name in findings_of(view_of(letter(text), Facts()))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("you won $1,500,000 today", True),
        ("send US$ 20 000 now", True),
        ("USD 1500 is due", True),
        ("eur1.000.000", True),
        ("1,500,000 dollars", True),
        ("1 500 000€", True),
        ("10.5 million of them", True),
        ("2 billion", True),
        ("$150", False),
        ("1,500 dollars", False),
        ("call 555 123 4567", False),
        ("x10 million", False),
        ("10 millionaires", False),
    ],
)
def test_a_large_sum_is_seen(text: str, holds: bool) -> None:
    assert finds("large-sum", text) is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("pay to 1BoatSLRHtKNngkdXEeobR76b53LETtpyT", True),
        ("pay to bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4.", True),
        ("x1BoatSLRHtKNngkdXEeobR76b53LETtpyT", False),
        ("abc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", False),
        ("2BoatSLRHtKNngkdXEeobR76b53LETtpyT", False),
    ],
)
def test_an_address_for_coins_is_seen(text: str, holds: bool) -> None:
    assert finds("coin-address", text) is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a" + "\n" * 25 + "b", True),
        ("a" + " \t\n" * 25 + "b", True),
        ("a" + "\n" * 24 + "b", False),
        ("a" + "\n" * 15 + "b" + "\n" * 15, False),
        # 20,000 blanks took seconds when each was tried as the beginning of an empty line: a bug
        # that came back would be seen as a suite that stands still
        (" " * 20_000, False),
        (("\t" * 5000 + "\n") * 4, False),
    ],
)
def test_a_run_of_empty_lines_is_seen(text: str, holds: bool) -> None:
    assert finds("blank-run", text) is holds
