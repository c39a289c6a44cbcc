"""Return addresses: every sender finds the way back, and no text of a stranger does harm."""

from hypothesis import given
from hypothesis import strategies as st

from mailraven.mail.address import parse_path
from mailraven.mail.errors import PeerError
from mailraven.queue.srs import DAY, Expired, NotOurs, original, rewritten
from mailraven.smtp.client_auth import KeyWanted, Scram

KEY, OTHER = b"k" * 32, b"o" * 32
NOW = 1_800_000_000.0
pieces = st.lists(
    st.sampled_from(["SRS0", "SRS1", "srs0", "=", "+", "-", "aaaaaa", "ab", "x.example", '"', "\\"])
    | st.text(max_size=5),
    max_size=12,
)


def address(text: str) -> str | None:
    """The path that a server would take it for."""
    try:
        return str(parse_path(text))
    except PeerError:
        return None


@given(pieces, st.sampled_from(["far.example", "b\xfccher.example", "[192.0.2.1]"]))
def test_every_sender_finds_the_way_back(words: list[str], domain: str) -> None:
    path = address("".join(words) + "@" + domain)
    if path is None:
        return
    made = rewritten(path, "ours.example", KEY, NOW)
    if made == path:
        return
    assert address(made) == made
    back = original(made, [KEY], NOW + DAY)
    local, _, host = path.rpartition("@")
    is_chained = made.lower().lstrip('"').startswith("srs1")
    assert is_chained or back == f"{local}@{host.encode('idna').decode()}"
    second = rewritten(made, "second.example", OTHER, NOW)
    if not is_chained and second != made:
        assert original(second, [OTHER], NOW) == made


@given(pieces)
def test_no_text_leads_anywhere(words: list[str]) -> None:
    path = address("".join(words) + "@ours.example")
    if path is not None:
        try:
            found = original(path, [KEY], NOW)
        except (NotOurs, Expired):
            return
        raise AssertionError(found)


@given(st.lists(st.text(max_size=60) | st.binary(max_size=60).map(bytes.hex), max_size=3))
def test_no_challenge_of_a_server_breaks_the_log_in(said: list[str]) -> None:
    scram = Scram("us", "nonce")
    for challenge in said:
        try:
            answer = scram.answer(challenge)
        except PeerError:
            return
        assert isinstance(answer, KeyWanted)
