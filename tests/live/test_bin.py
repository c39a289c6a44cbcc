"""The commands of bin/ as programs of their own."""

import subprocess
from pathlib import Path

import pytest

from unit.cli.test_command import Done, good, mailraven, refused

TOP = Path(__file__).parents[2]
COMMAND = TOP / "bin" / "mailraven"


def test_the_whole_way_through_bin(tmp_path: Path) -> None:
    etc = ["--etc", f"{tmp_path}/etc"]

    def typed(*words: str, stdin: str = "") -> Done:
        done = subprocess.run([COMMAND, *etc, *words], input=stdin, capture_output=True, text=True)
        return Done(done.returncode, done.stdout, done.stderr)

    good(typed("quickstart", "a@b.example", "--data", f"{tmp_path}/data"))
    good(typed("account", "add", "c@b.example", "--ask", stdin="a good password\n"))
    assert "c@b.example" in good(typed("account", "list"))
    assert "is not an account" in refused(typed("account", "show", "d@b.example"))
    refused(typed("acount"), 2)


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    good(mailraven(tmp_path, "quickstart", "a@b.example", "--data", f"{tmp_path}/data"))
    done = subprocess.run(
        ["bash", "-c", f"{COMMAND} --etc {tmp_path}/etc config show | read line"],
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["mailraven", "smtpd", "imapd", "queued", "authd", "limitd"])
def test_every_command_of_bin_starts_and_is_six_lines(name: str) -> None:
    path = TOP / "bin" / name
    assert len(path.read_text().splitlines()) <= 6
    done = subprocess.run([path, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {name}")
