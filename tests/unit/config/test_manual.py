"""mailraven.toml(5) and mailraven-domain(5) name every key with the default that it has."""

import re
from pathlib import Path

import pytest
from msgspec import Struct

from mailraven.config.domain_schema import AccountFile, DomainFile
from mailraven.config.example import default_of, toml_value
from mailraven.config.fields import fields_of, sections_of
from mailraven.config.schema import Config

MAN = Path(__file__).parents[3] / "man"
SERVER = (MAN / "mailraven.toml.5").read_text()
DOMAIN = (MAN / "mailraven-domain.5").read_text()
ITEM = re.compile(r"^\.It Li (\w+) = (.*)$", re.MULTILINE)


def documented(page: str, head: str) -> dict[str, str]:
    """Key and default of every entry below a heading of a page."""
    part = page.split(f"{head}\n", 1)[1].split("\n.S", 1)[0]
    return {key: value.replace("\\(dq", '"') for key, value in ITEM.findall(part)}


PARTS = [
    pytest.param(SERVER, ".Sh KEYS", Config, id="top"),
    *(
        pytest.param(SERVER, f".Ss [{name}]", section, id=name)
        for name, section in sections_of(Config).items()
    ),
    pytest.param(DOMAIN, ".Ss domain.toml", DomainFile, id="domain"),
    pytest.param(DOMAIN, ".Ss accounts/NAME.toml", AccountFile, id="account"),
]


@pytest.mark.parametrize(("page", "head", "struct"), PARTS)
def test_the_manual_has_every_key_and_its_default(
    page: str, head: str, struct: type[Struct]
) -> None:
    expected = {one.name: toml_value(default_of(one)) for one in fields_of(struct)}
    assert documented(page, head) == expected
