"""queue.smarthosts: the forms that a smarthost can be written in, and every mistake."""

import tomllib
from pathlib import Path

import pytest

from mailraven.config.load import load
from mailraven.config.schema import Config
from mailraven.config.smarthosts import Smarthost
from mailraven.config.units import SMARTHOSTS
from mailraven.mail.errors import ConfigErrors

TEXT = """
[queue.smarthosts]
press = "relay.example.net:25"

[queue.smarthosts.office]
host = "[2001:db8::1]:587"
user = "us"
password_file = "/etc/mailraven/office.secret"
"""


def loaded(folder: Path, text: str) -> Config:
    (folder / "mailraven.toml").write_text(text)
    return load(folder, {"MAILRAVEN_HOSTNAME": "mx.example.org"})


def test_smarthost_is_an_address_or_a_table(tmp_path: Path) -> None:
    found = loaded(tmp_path, TEXT).queue.smarthosts
    secret = Path("/etc/mailraven/office.secret")
    assert found == {
        "press": Smarthost("press", "relay.example.net:25"),
        "office": Smarthost("office", "[2001:db8::1]:587", "us", secret, "verified"),
    }


def test_what_is_shown_can_be_read_again() -> None:
    found = SMARTHOSTS.parse(tomllib.loads(TEXT)["queue"]["smarthosts"])
    assert SMARTHOSTS.parse(SMARTHOSTS.show(found)) == found


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ('office = "smtp.example.com"', "is not host:port"),
        ("office = { port = 25 }", "port: no such key"),
        ('mx = "smtp.example.com:25"', "and is not mx"),
        ('"a b" = "smtp.example.com:25"', "a name has small letters"),
        ('office = { host = "h:25", user = "us" }', "need each other"),
        ('office = { host = "h:25", password_file = "/x" }', "need each other"),
        ('office = { host = "h:25", tls = "maybe" }', "tls is one of none, opportunistic"),
        (
            'office = { host = "h:25", user = "us", password_file = "/x", tls = "required" }',
            "tls must be verified with user",
        ),
        ('office = { host = "h:25", user = "us", password_file = "x" }', "an absolute path"),
        ('office = { host = "h:465", tls = "none" }', "port 465 begins with the handshake"),
        ("office = 25", "host is a text of one line"),
    ],
)
def test_mistake_is_found_with_its_line(tmp_path: Path, wrong: str, what: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        loaded(tmp_path, f"[queue.smarthosts]\n{wrong}\n")
    assert what in str(caught.value)
    assert "mailraven.toml:2: queue.smarthosts." in str(caught.value)
