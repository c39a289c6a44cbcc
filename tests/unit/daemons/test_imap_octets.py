"""A message file read through a window is the same octets as the file."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailraven.daemons import imap_octets
from mailraven.daemons.imap_octets import FileOctets


@given(
    st.binary(max_size=60).map(lambda data: data.replace(b"\1", b"\n--")),
    st.sampled_from([b"\n", b"\n--", b"\n\r\n", b"x"]),
    st.integers(0, 70),
    st.integers(0, 70),
    st.integers(4, 20),
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_finding_and_slicing_agree_with_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    data: bytes,
    sub: bytes,
    start: int,
    end: int,
    window: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "message"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    saved, imap_octets.WINDOW = imap_octets.WINDOW, window
    try:
        octets = FileOctets(fd)
        assert len(octets) == len(data)
        assert octets.find(sub, start, end) == data.find(sub, start, end)
        assert octets[start:end] == data[start:end]
        assert octets.find(sub) == data.find(sub)
        assert octets.find(sub, start) == data.find(sub, start)
    finally:
        imap_octets.WINDOW = saved
        os.close(fd)


def test_a_file_cut_short_by_others_gives_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.write_bytes(b"a" * 100)
    fd = os.open(path, os.O_RDONLY)
    octets = FileOctets(fd)
    path.write_bytes(b"a" * 10)
    assert octets[0:100] == b"a" * 10
    assert octets.find(b"b") == -1
    os.close(fd)
