"""The secrets behind return addresses: made once, rotated with overlap, never shown."""

import os
import time
from pathlib import Path

import pytest

from mailraven.mail.errors import ConfigErrors, TemporaryError
from mailraven.queue.srs import DAY, DAYS
from mailraven.queue.srs_secrets import SrsSecrets, ensure_secret, rotate_secret


def line(age: float, secret: str) -> str:
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age))
    return f"{made} {secret * 32}\n"


def test_first_secret_is_made_once_and_for_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "srs-secrets"
    assert SrsSecrets(path).all() == ()
    ensure_secret(path)
    before = path.read_text()
    ensure_secret(path)
    assert path.read_text() == before
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["srs-secrets"]
    (secret,) = SrsSecrets(path).all()
    assert len(secret) == 32


def test_rotation_signs_with_the_new_and_verifies_with_the_old(tmp_path: Path) -> None:
    path = tmp_path / "srs-secrets"
    ensure_secret(path)
    secrets = SrsSecrets(path)
    (old,) = secrets.all()
    assert rotate_secret(path) == 1
    new, kept = secrets.all()
    assert kept == old != new


def test_secret_goes_once_nothing_that_it_signed_is_good(tmp_path: Path) -> None:
    path = tmp_path / "srs-secrets"
    long = (DAYS + 2) * DAY
    path.write_text(line(DAY, "ab") + line(long, "cd") + line(2 * long, "ef"))
    # "cd" was replaced yesterday, "ef" when "cd" was made.
    assert rotate_secret(path) == 2
    assert SrsSecrets(path).all()[1:] == (b"\xab" * 32, b"\xcd" * 32)


@pytest.mark.parametrize(
    "text", ["hush\n", "2026-01-01T00:00:00Z hush\n", "2026-01-01T00:00:00Z ab"]
)
def test_broken_file_is_named_and_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "srs-secrets"
    path.write_text(text)
    with pytest.raises(ConfigErrors) as caught:
        rotate_secret(path)
    assert str(caught.value) == f"{path}:1: this is not a time and a secret"
    assert path.read_text() == text
    with pytest.raises(TemporaryError):
        SrsSecrets(path).all()
