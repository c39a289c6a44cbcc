"""Any octets are a message or its error, never anything else: SCRAM, passwords, JSON requests."""

import math
import os
from contextlib import suppress

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from mailraven.auth.answers import ScramFinal, ScramFirst, Verify, read_answer, read_request
from mailraven.auth.names import account_name
from mailraven.auth.passwords import ScramKeys, parse, prepare
from mailraven.auth.scram import ScramError, finish, parse_client_first, start
from mailraven.daemons.limitd import answer_now
from mailraven.limits.memory import MemoryStore
from mailraven.limits.table import SlidingWindows
from mailraven.mail.networks import network_of

KEYS = ScramKeys(4096, b"salt", b"s" * 32, b"t" * 32)
PIECES = [b"n,", b"y,", b"p=tls-server-end-point,", b",", b"n=", b"=2C", b"=3D", b"=", b"r=abc"]
PIECES += [b"a=", b"m=x", b"p=", b"c=biws", b"\x00", b"\xff", b"user", b"AAAA"]
NEARLY_SCRAM = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=12).map(b"".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYWORDS = ["user", "password", "peer", "via", "session", "message", "binding", "plus_offered"]
KEYWORDS += ["result", "account", "retry_after", "server_final", "key", "limit", "window", "cost"]
MESSAGE = st.dictionaries(st.sampled_from(KEYWORDS) | st.text(), JSON, max_size=8)

RATE = st.tuples(st.integers(), st.integers())
ITEM = st.tuples(st.text(), st.integers(), st.lists(RATE), st.lists(st.text()))


@given(NEARLY_SCRAM, st.none() | st.binary(), st.booleans())
@example(b"n,," + b"n=" + b"=2C" * 2000, None, False)
def test_any_first_message_is_read_or_refused(
    message: bytes, binding: bytes | None, plus_offered: bool
) -> None:
    try:
        first = parse_client_first(message)
        exchange = start(first, KEYS, b"nonce", binding, plus_offered)
    except ScramError:
        return
    assert exchange.server_first.startswith(b"r=" + first.nonce)


@given(NEARLY_SCRAM)
def test_no_guessed_final_message_proves_anything(message: bytes) -> None:
    exchange = start(
        parse_client_first(b"n,,n=user,r=abc"), KEYS, os.urandom(4).hex().encode(), None, False
    )
    try:
        finish(exchange, message)
    except ScramError:
        return
    raise AssertionError("a proof out of nothing")


@given(st.text())
def test_any_line_is_an_entry_or_a_value_error(line: str) -> None:
    for text in (line, f"alice:$argon2id${line}", f"alice:$argon2id$x:SCRAM-SHA-256${line}"):
        try:
            parse(text)
        except ValueError:
            continue


@given(st.text(), st.text())
@example("a" * 100_000, "a." * 50_000)
def test_any_name_is_safe_or_none(local: str, domain: str) -> None:
    name = account_name(f"{local}@{domain}")
    if name is not None:
        for part in (name.local_part, name.domain):
            assert part not in ("", ".", "..")
            assert not set(part) & set("/\0: \n")
            assert part[0] != "."


@given(st.text(min_size=1, max_size=50))
def test_any_password_is_prepared_the_same_twice_or_refused(password: str) -> None:
    try:
        prepared = prepare(password)
    except ValueError:
        return
    assert prepare(prepared.decode()) == prepared


@given(st.text())
def test_any_address_has_a_network(address: str) -> None:
    assert isinstance(network_of(address), str)


@given(MESSAGE)
def test_any_json_is_a_request_or_a_value_error(message: dict[str, object]) -> None:
    for kind in (Verify, ScramFirst, ScramFinal):
        try:
            read_request(message, kind)
        except ValueError:
            continue
    with suppress(ValueError):
        read_answer(message)


@given(
    MESSAGE,
    st.fixed_dictionaries(
        {},
        optional={"groups": st.lists(st.lists(ITEM)), "spent": st.lists(ITEM)},
    ),
)
def test_any_question_gets_waits_or_an_error(
    message: dict[str, object], likely: dict[str, object]
) -> None:
    store = MemoryStore(SlidingWindows())
    found = answer_now(store, {**message, **likely})
    again = msgspec.json.decode(msgspec.json.encode(found))
    assert "error" in again or all(math.isfinite(wait) for wait, *_ in again["answers"])
    store.table.snapshot(0.0)
