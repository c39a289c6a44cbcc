"""SCRAM-SHA-256 by the letter: the example of RFC 7677 and every way to cheat."""

import hashlib
import hmac
from base64 import b64decode, b64encode

import pytest

from mailraven.auth.passwords import derive_keys, prepare
from mailraven.auth.scram import Exchange, ScramError, finish, parse_client_first, start

PASSWORD = "pencil"
KEYS = derive_keys(prepare(PASSWORD), b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
NONCE = b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
CLIENT_NONCE = b"rOprNGfwEbeRWgbNEkqO"
CERTIFICATE_HASH = hashlib.sha256(b"certificate").digest()


def client_final(exchange: Exchange, binding: bytes, password: str = PASSWORD) -> bytes:
    """What an honest client answers, written from RFC 5802 §3."""
    salted = hashlib.pbkdf2_hmac(
        "sha256", password.encode(), exchange.keys.salt, exchange.keys.iterations
    )
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    unproved = b"c=" + b64encode(binding) + b",r=" + exchange.nonce
    signed = b",".join((exchange.client_first_bare, exchange.server_first, unproved))
    signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    return unproved + b",p=" + b64encode(proof)


def begin(message: bytes, binding: bytes | None = None, plus_offered: bool = False) -> Exchange:
    return start(parse_client_first(message), KEYS, NONCE, binding, plus_offered)


@pytest.mark.req("FR-037")
def test_the_example_of_rfc_7677() -> None:
    exchange = begin(b"n,,n=user,r=" + CLIENT_NONCE)
    assert exchange.server_first == (
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    final = (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert client_final(exchange, b"n,,") == final
    assert finish(exchange, final) == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_names_are_unescaped_and_the_authorization_is_kept() -> None:
    first = parse_client_first("y,a=bö=2Cb,n=a=3Db=2Cc@example.org,r=x,e=ext".encode())
    assert first.user == "a=b,c@example.org"
    assert first.authorization == "bö,b"
    assert first.flag == b"y"


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (b"", "invalid-encoding"),
        (b"n,,n=user", "invalid-encoding"),
        (b"n,,n=us=er,r=x", "invalid-encoding"),
        (b"n,,n=us\x00er,r=x", "invalid-encoding"),
        (b"n,,n=user,r=", "invalid-encoding"),
        (b"n,,n=user,r=a b", "invalid-encoding"),
        (b"z,,n=user,r=x", "invalid-encoding"),
        (b"n,,n=user,r=" + b"x" * 5000, "invalid-encoding"),
        (b"n,,m=must,n=user,r=x", "extensions-not-supported"),
        (b"n,,n=\xff,r=x", "invalid-username-encoding"),
    ],
)
def test_a_wrong_first_message_has_its_error_value(message: bytes, value: str) -> None:
    with pytest.raises(ScramError) as caught:
        parse_client_first(message)
    assert caught.value.value == value


def test_a_channel_binding_ties_the_proof_to_the_certificate() -> None:
    gs2 = b"p=tls-server-end-point,,"
    exchange = begin(gs2 + b"n=user,r=x", CERTIFICATE_HASH, plus_offered=True)
    assert finish(exchange, client_final(exchange, gs2 + CERTIFICATE_HASH)).startswith(b"v=")
    with pytest.raises(ScramError, match="channel-bindings-dont-match"):
        finish(exchange, client_final(exchange, gs2 + hashlib.sha256(b"mallory").digest()))


@pytest.mark.parametrize(
    ("flag", "binding", "plus_offered", "value"),
    [
        (b"y", None, True, "server-does-support-channel-binding"),
        (b"p=tls-server-end-point", None, True, "channel-bindings-dont-match"),
        (b"p=tls-server-end-point", b"", True, "channel-bindings-dont-match"),
        (b"n", CERTIFICATE_HASH, True, "channel-bindings-dont-match"),
        (b"p=tls-unique", CERTIFICATE_HASH, True, "unsupported-channel-binding-type"),
    ],
)
def test_a_downgrade_of_the_binding_is_noticed(
    flag: bytes, binding: bytes | None, plus_offered: bool, value: str
) -> None:
    with pytest.raises(ScramError) as caught:
        begin(flag + b",,n=user,r=x", binding, plus_offered)
    assert caught.value.value == value


def test_a_client_that_saw_no_offer_may_say_so() -> None:
    exchange = begin(b"y,,n=user,r=x")
    assert finish(exchange, client_final(exchange, b"y,,")).startswith(b"v=")


def test_a_wrong_password_a_replay_and_a_forged_header_fail() -> None:
    exchange = begin(b"n,,n=user,r=x")
    honest = client_final(exchange, b"n,,")
    with pytest.raises(ScramError, match="invalid-proof"):
        finish(exchange, client_final(exchange, b"n,,", "pencils"))
    with pytest.raises(ScramError, match="channel-bindings-dont-match"):
        finish(exchange, client_final(exchange, b"y,,"))
    with pytest.raises(ScramError, match="other-error"):
        finish(start(parse_client_first(b"n,,n=user,r=x"), KEYS, b"other", None, False), honest)
    for broken in (b"", honest[:-1], honest + b",x=y", honest.replace(b"p=", b"p=?")):
        with pytest.raises(ScramError):
            finish(exchange, broken)
