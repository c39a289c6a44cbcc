"""All tests that a rule can name, and which of them are true of a message."""

from mailraven.policy.body_tests import BODY_TESTS
from mailraven.policy.header_tests import HEADER_TESTS
from mailraven.policy.path_tests import PATH_TESTS
from mailraven.policy.testing import Table
from mailraven.policy.view import View

CATALOGUE: Table = {**HEADER_TESTS, **PATH_TESTS, **BODY_TESTS}


def findings_of(view: View) -> frozenset[str]:
    """The names of all tests that are true of a message."""
    return frozenset(name for name, (_, holds) in CATALOGUE.items() if holds(view))
