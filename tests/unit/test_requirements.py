"""tests/REQUIREMENTS.md says the truth about the marks in the tests."""

import requirements as table

SOURCE = """
import pytest
pytestmark = [pytest.mark.req("FR-001")]

@pytest.mark.req("FR-002", "US1.1")
def test_one(): ...

class TestMany:
    @pytest.mark.parametrize("x", [1])
    @pytest.mark.req("FR-003")
    async def test_two(self): ...
"""


def test_marks_are_found_on_files_functions_and_methods() -> None:
    assert list(table.marks_of(SOURCE)) == [
        ("FR-001", "(whole file)"),
        ("FR-002", "test_one"),
        ("US1.1", "test_one"),
        ("FR-003", "TestMany.test_two"),
    ]


def test_the_table_gives_back_the_requirements_it_was_made_of() -> None:
    wanted = [table.Requirement("FR-1", "must", "a | b"), table.Requirement("SC-2", "P1", "c")]
    assert table.requirements_of_table(table.render(wanted, {"FR-1": ["x.py: t"]})) == wanted


def test_every_mark_names_a_requirement_that_exists() -> None:
    known = {requirement.id for requirement in table.read_requirements()}
    assert table.collect_marks().keys() <= known


def test_requirements_md_is_current() -> None:
    now = table.render(table.read_requirements(), table.collect_marks())
    is_current = table.TABLE.read_text() == now
    assert is_current, "run `make requirements`"
