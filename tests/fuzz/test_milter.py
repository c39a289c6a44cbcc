"""Any octets from a filter give answers, changes or MilterError, and any of its changes leave a
header that is one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mailraven.mail.headers import split_message
from mailraven.milter.answers import AddField, ChangeField, FieldChange, InsertField
from mailraven.milter.client import MilterClient
from mailraven.milter.frames import MilterError, frame
from mailraven.milter.header_changes import changed

KINDS = [bytes([octet]) for octet in b"acdfhimbq+-2eprsty4Oz"]
frames = st.builds(frame, st.sampled_from(KINDS), st.binary(max_size=60))
fields = st.builds(
    lambda number, name, value: frame(
        b"i", number.to_bytes(4, "big") + name + b"\0" + value + b"\0"
    ),
    st.integers(0, 5),
    st.sampled_from([b"X", b"Subject", b"x"]),
    st.text("a \t\r\n:é", max_size=20).map(str.encode),
)
octets = st.lists(st.one_of(frames, fields, st.binary(max_size=20)), max_size=12).map(b"".join)
GOOD = frame(b"O", b"\0\0\0\6\0\0\0\xff\0\0\0\0")


@settings(max_examples=400, deadline=None)
@given(octets, st.booleans(), st.lists(st.integers(1, 30), max_size=30))
def test_any_filter_is_understood_or_not_believed(
    data: bytes, negotiates: bool, sizes: list[int]
) -> None:
    client = MilterClient(body_limit=100)
    client.negotiate()
    if negotiates:
        client.receive(GOOD)
        assert client.next_said() is not None
        client.end({"i": "x"})
    found: list[FieldChange] = []
    cuts, at = iter(sizes), 0
    try:
        while at < len(data):
            size = next(cuts, len(data))
            client.receive(data[at : at + size])
            at += size
            while (what := client.next_said()) is not None:
                if isinstance(what, AddField | InsertField | ChangeField):
                    found.append(what)
    except MilterError:
        pass
    header = b"From: a\r\nX: y\r\n"
    after = changed(header, found, keeps_blank=False)
    assert split_message(after + b"\r\nbody") == (after, len(after) + 2)
    assert b"From: a\r\n" in after
