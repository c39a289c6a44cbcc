"""Each file of tests/bad_config is refused, with exactly the messages that its last lines name."""

from pathlib import Path

import pytest

from mailraven.config.load import load
from mailraven.mail.errors import ConfigErrors

FILES = sorted((Path(__file__).parents[2] / "bad_config").glob("*.toml"))
EXPECTED = b"#! "


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_mistake_is_reported_at_once_with_file_line_and_key(
    file: Path, tmp_path: Path
) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    text = b"".join(line for line in lines if not line.startswith(EXPECTED))
    expected = [line[3:].decode().rstrip() for line in lines if line.startswith(EXPECTED)]
    (tmp_path / "mailraven.toml").write_bytes(text)
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, {})
    assert [str(error).removeprefix(f"{tmp_path}/") for error in caught.value.errors] == expected
