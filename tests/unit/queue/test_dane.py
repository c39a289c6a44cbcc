"""Which chains TLSA records authenticate (RFC 7672 §3)."""

import hashlib
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailraven.dns.answers import Association
from mailraven.queue.dane import NotAuthentic, authenticate, end_entity_record, usable
from servers.authority import Holder, authority

ROOT = authority()
MIDDLE = ROOT.sign("Middle", is_authority=True)
LEAF = MIDDLE.sign("mx.example")
OLD = MIDDLE.sign("mx.example", days=-1)
WILD = MIDDLE.sign("*.example")
STRANGER = authority("Test CA")
NOW = datetime.now(UTC)


def record(usage: int, selector: int, matching: int, holder: Holder) -> Association:
    certificate = holder.certificate
    content = certificate.public_bytes(Encoding.DER)
    if selector:
        key = certificate.public_key()
        content = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if matching:
        content = (hashlib.sha256 if matching == 1 else hashlib.sha512)(content).digest()
    return Association(usage, selector, matching, content)


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize(("usage", "holder"), [(3, LEAF), (2, MIDDLE), (2, ROOT)])
def test_each_selector_and_matching_type_authenticates(
    usage: int, holder: Holder, selector: int, matching: int
) -> None:
    one = record(usage, selector, matching, holder)
    assert authenticate(usable([one]), LEAF.chain, ["mx.example"], NOW) == one


def test_end_entity_needs_neither_name_nor_date() -> None:
    one = record(3, 1, 1, OLD)
    assert authenticate([one], OLD.chain[:1], ["other.example"], NOW) == one


@pytest.mark.parametrize(
    ("records", "chain", "name"),
    [
        ([record(3, 1, 1, MIDDLE)], LEAF.chain, "mx.example"),
        ([record(2, 0, 1, LEAF)], LEAF.chain, "mx.example"),
        ([record(2, 0, 1, ROOT)], LEAF.chain, "other.example"),
        ([record(2, 0, 1, ROOT)], WILD.chain, "a.b.example"),
        ([record(2, 0, 1, ROOT)], OLD.chain, "mx.example"),
        ([record(2, 0, 1, ROOT)], LEAF.chain[:2], "mx.example"),
        ([record(2, 0, 1, STRANGER)], [*LEAF.chain, *STRANGER.chain], "mx.example"),
        ([record(3, 1, 1, LEAF)], [], "mx.example"),
        ([record(3, 1, 1, LEAF)], [b"garbage"], "mx.example"),
        ([], LEAF.chain, "mx.example"),
    ],
)
def test_chain_that_the_records_do_not_promise_is_not_authentic(
    records: list[Association], chain: list[bytes], name: str
) -> None:
    with pytest.raises(NotAuthentic):
        authenticate(records, chain, [name], NOW)


def test_whole_trust_anchor_in_the_dns_may_be_missing_in_the_handshake() -> None:
    one = record(2, 0, 0, ROOT)
    assert authenticate([one], LEAF.chain[:2], ["mx.example"], NOW) == one


def test_one_matching_record_is_enough_and_wildcards_name_one_label() -> None:
    good = record(2, 1, 1, MIDDLE)
    assert authenticate([record(3, 1, 1, OLD), good], WILD.chain, ["mx.example"], NOW) == good


def test_a_leaf_cannot_play_authority() -> None:
    forged = LEAF.sign("mx.example")
    with pytest.raises(NotAuthentic):
        authenticate([record(2, 0, 1, ROOT)], forged.chain, ["mx.example"], NOW)


@pytest.mark.parametrize(
    "one",
    [
        Association(0, 1, 1, b"x" * 32),
        Association(1, 1, 1, b"x" * 32),
        Association(3, 2, 1, b"x" * 32),
        Association(3, 1, 3, b"x" * 32),
        Association(3, 1, 1, b"x" * 31),
        Association(3, 1, 2, b"x" * 32),
        Association(3, 1, 0, b""),
    ],
)
def test_records_that_no_mail_server_can_meet_are_unusable(one: Association) -> None:
    assert usable([one]) == ()


def test_record_of_a_key_outlives_the_certificate() -> None:
    assert end_entity_record(LEAF.certificate) == record(3, 1, 1, LEAF)
