"""The units say what systemd understands, name what is there, and leave a daemon little to do harm.

`systemd-analyze verify` exits 0 when it does not know a key, so anything that it prints is wrong.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mailraven.daemons.start import DAEMONS

TOP = Path(__file__).parents[2]
FOLDER = TOP / "systemd"
UNITS = sorted(
    path.name for path in FOLDER.iterdir() if path.suffix not in (".sysusers", ".tmpfiles")
)
SERVICES = [name for name in UNITS if name.endswith(".service")]
EXPOSURE = 15  # tenths of systemd's score, of 100: a plain unit has 96


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine with our units, those of systemd and the commands that ours run."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    (root / "usr/bin").mkdir()
    for name in ("bin", "lib"):
        (root / name).symlink_to(f"usr/{name}")
    for command in ("/usr/bin/find", "/usr/bin/kill"):
        shutil.copy(command, root / "usr/bin")
    shutil.copytree(TOP / "bin", root / "opt/mailraven/bin")
    shutil.copytree(FOLDER, root / "etc/systemd/system")
    return root


def analyze(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", f"--root={root}", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""},
    )


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_to_say_about_a_unit(root: Path, unit: str) -> None:
    done = analyze(root, "--man=no", "verify", unit)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("unit", SERVICES)
def test_a_daemon_is_little_exposed(root: Path, unit: str) -> None:
    done = analyze(root, "security", "--offline=true", f"--threshold={EXPOSURE}", unit)
    assert done.returncode == 0, done.stdout


def test_every_daemon_has_its_unit_and_the_target_wants_them_all() -> None:
    started_by_timers = {name.replace(".timer", ".service") for name in UNITS if "timer" in name}
    daemons = sorted(set(SERVICES) - started_by_timers)
    assert daemons == sorted(f"mailraven-{name}.service" for name in DAEMONS)
    wanted = re.findall(r"mailraven-\w+\.\w+", (FOLDER / "mailraven.target").read_text())
    assert sorted(wanted) == sorted({*UNITS} - {"mailraven.target", *started_by_timers})


def test_every_socket_belongs_to_a_role_that_its_daemon_listens_for() -> None:
    roles = {"smtp": "smtpd", "submission": "smtpd", "submissions": "smtpd"}
    roles |= {"imap": "imapd", "imaps": "imapd"}
    for role, daemon in roles.items():
        text = (FOLDER / f"mailraven-{role}.socket").read_text()
        assert f"FileDescriptorName={role}\nService=mailraven-{daemon}.service\n" in text
        service = (FOLDER / f"mailraven-{daemon}.service").read_text()
        assert f"mailraven-{role}.socket" in service
