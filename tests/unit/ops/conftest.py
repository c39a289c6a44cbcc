"""A small server on disk, made by the operations themselves."""

import shutil
from pathlib import Path

import pytest

from mailraven.config.load import load
from mailraven.config.schema import Config
from mailraven.ops.accounts import add_account
from mailraven.ops.domains import add_domain

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: an RSA key and a password hash cost a tenth of a second each."""
    root = tmp_path_factory.mktemp("template")
    config = configured(root)
    add_domain(config, "example.org")
    add_account(config, "alice@example.org", PASSWORD)
    return root


@pytest.fixture
def config(template: Path, tmp_path: Path) -> Config:
    """One domain, example.org, with the account alice."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return configured(tmp_path)


def configured(root: Path) -> Config:
    (root / "etc").mkdir(exist_ok=True)
    text = f'hostname = "mx.example.org"\npaths = {{ data = "{root}", run = "{root}/run" }}\n'
    (root / "etc" / "mailraven.toml").write_text(text)
    return load(root / "etc", {})
