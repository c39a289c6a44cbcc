"""The linters, as tests: they run beside the others and have a line in the same summary."""

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["ruff", "check", "lib", "tests"], id="ruff"),
        pytest.param(["ruff", "format", "--check", "lib", "tests"], id="format"),
        pytest.param(["mypy"], id="mypy"),
    ],
)
def test_the_code_passes_the_linter(command: list[str]) -> None:
    linter = Path(sys.executable).with_name(command[0])
    done = subprocess.run([linter, *command[1:]], cwd=TOP, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
