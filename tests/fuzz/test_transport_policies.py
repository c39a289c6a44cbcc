"""Any octets of strangers give a result: MTA-STS policies and records, TLSA records and chains."""

from contextlib import suppress
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from mailraven.dns.answers import Association
from mailraven.queue.dane import NotAuthentic, authenticate, usable
from mailraven.smtp.mta_sts import parse_policy, policy_id, policy_text

LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [b"version: STSv1", b"mode: enforce", b"mode: none", b"mx: *.a.example", b"mx: a",
             b"max_age: 1", b"max_age: 99999999999", b"", b":", b"mx:", b"mx: *"]
        ),
        st.binary(max_size=30),
    ),
    max_size=10,
)  # fmt: skip


@given(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_any_policy_is_read_or_refused_and_served_as_read(lines: list[bytes], end: bytes) -> None:
    with suppress(ValueError):
        policy = parse_policy(end.join(lines))
        assert parse_policy(policy_text(policy).encode()) == policy
        assert not policy.allows("")


@given(st.lists(st.one_of(st.binary(max_size=60), st.just(b"v=STSv1; id=1")), max_size=4))
def test_any_record_has_an_id_or_none(records: list[bytes]) -> None:
    found = policy_id(records)
    assert found is None or (found.isalnum() and len(found) <= 32)


@given(
    st.lists(
        st.builds(
            Association,
            st.integers(0, 255),
            st.integers(0, 255),
            st.integers(0, 255),
            st.binary(max_size=70),
        ),
        max_size=5,
    ),
    st.lists(st.binary(max_size=200), max_size=3),
)
def test_no_garbage_is_authentic(records: list[Association], chain: list[bytes]) -> None:
    try:
        authenticate(usable(records), chain, ["mx.example"], datetime.now(UTC))
    except NotAuthentic:
        return
    raise AssertionError("garbage was taken for a certificate")
