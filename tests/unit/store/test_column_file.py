"""A header column on disk: what was written is read, and nothing else is believed."""

import random
from array import array
from pathlib import Path

import pytest

from mailraven.store.column_file import (
    PREFIX,
    SavedColumn,
    checks_of,
    read_column,
    write_column,
)

COLUMN = SavedColumn(
    77, array("L", [1, 2, 9]), checks_of(["a", "b", "c"]), [b"one\xff", b"", b"three\xff"]
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    return tmp_path


def test_what_was_written_is_read(folder: Path) -> None:
    write_column(folder, "key-date", COLUMN)
    assert read_column(folder, "key-date") == COLUMN
    assert read_column(folder, "key-from") is None
    assert not list((folder / "tmp").iterdir())


def test_the_check_of_a_unique_part_is_its_own() -> None:
    assert list(checks_of([])) == []
    assert list(checks_of(["x", "\udcff", "x"]))[::2] == list(checks_of(["x"])) * 2


@pytest.mark.parametrize("seed", range(20))
def test_what_the_disk_spoiled_is_not_believed(folder: Path, seed: int) -> None:
    write_column(folder, "x", COLUMN)
    path, dice = folder / f"{PREFIX}x", random.Random(seed)
    data = bytearray(path.read_bytes())
    if dice.random() < 0.5:
        del data[dice.randrange(len(data)) :]
    else:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)
    assert read_column(folder, "x") is None


def test_a_mailbox_that_is_no_more_gets_no_column(folder: Path) -> None:
    (folder / "tmp").rmdir()
    with pytest.raises(FileNotFoundError):
        write_column(folder, "x", COLUMN)
