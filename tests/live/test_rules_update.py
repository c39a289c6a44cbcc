"""Bundles of rules over HTTPS, from a web server that is honest, old, hostile or slow."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mailraven.config.load import load
from mailraven.ops import rules
from mailraven.ops.errors import OperationError
from mailraven.ops.rules import rules_status, update_rules
from mailraven.spam.bundle import SIZE_LIMIT, make_bundle
from servers.authority import authority
from servers.dns_server import DnsServer
from servers.policy_host import PolicyHost
from unit.spam.test_bundle import KEY, NEW, NEWER, PUBLIC, RULES

pytestmark = pytest.mark.req("SEC5")

KNOWN, UNKNOWN = authority("Known CA"), authority("Unknown CA")
GOOD = make_bundle(NEW, RULES, KEY)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)

Host = Callable[[ssl.SSLContext], PolicyHost]


def update(root: Path, host: Host, name: str = "rules.example", known: bool = True) -> str:
    """What `mailraven rules update` tells."""

    async def run() -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer = KNOWN if known else UNKNOWN
        context.load_cert_chain(*issuer.sign("rules.example").write(root, "web"))
        zone = {(one, "A"): ["127.0.0.1"] for one in ("rules.example", "other.example")}
        async with host(context) as web, DnsServer({**zone}) as names:
            (root / "ca.pem").write_bytes(KNOWN.pem())
            (root / "mailraven.toml").write_text(
                f'hostname = "mx.ours.example"\npaths = {{ data = "{root}/data" }}\n'
                f'[tls]\nca = "{root}/ca.pem"\n[dns]\nresolvers = ["{names.endpoint}"]\n'
                f'[spam]\nrules_keys = ["{PUBLIC}"]\n'
                f'rules_source = "https://{name}:{web.port}/rules?x=1"\n'
            )
            config = load(root, {})
            return await asyncio.to_thread(update_rules, config, root, None, dry_run=False)

    return asyncio.run(run())


def in_force(root: Path) -> bool:
    """Whether the bundle is, and not the shipped rules."""
    return [one["name"] for one in rules_status(load(root, {}), root)] == ["a"]


def test_a_signed_bundle_is_taken_over_https(tmp_path: Path) -> None:
    asked: list[bytes] = []
    told = update(tmp_path, lambda tls: PolicyHost(tls, GOOD, asked=asked))
    assert told.startswith(f"version {NEW} is in force\n")
    assert asked[0].startswith(b"GET /rules?x=1 HTTP/1.1\r\nHost: rules.example:")
    assert in_force(tmp_path)


def test_an_older_bundle_changes_nothing(tmp_path: Path) -> None:
    newer = make_bundle(NEWER, RULES, KEY)
    update(tmp_path, lambda tls: PolicyHost(tls, newer))
    told = update(tmp_path, lambda tls: PolicyHost(tls, make_bundle(NEW, "[b]\n", KEY)))
    assert told == f"version {NEW} is not newer than {NEWER}: nothing changes"
    assert in_force(tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (make_bundle(NEW, RULES, STRANGER), "none of spam.rules_keys has signed it"),
        (GOOD.replace(b"lunch", b"brunch"), "none of spam.rules_keys has signed it"),
        (b"<html>not found</html>", "this is no bundle of rules"),
        (b"", "this is no bundle of rules"),
        (make_bundle(NEW, RULES + "#" * SIZE_LIMIT, KEY), "the answer is too long"),
    ],
)
def test_what_is_not_signed_or_too_large_is_refused(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    with pytest.raises(OperationError, match=problem):
        update(tmp_path, lambda tls: PolicyHost(tls, content))
    assert not in_force(tmp_path)


@pytest.mark.parametrize(
    ("status", "headers", "problem"),
    [
        ("404 Not Found", b"", "answers 404, not 200"),
        ("302 Found", b"Location: https://other.example/\r\n", "answers 302, not 200"),
        ("200 OK", b"Transfer-Encoding: chunked\r\n", "no HTTP, or not whole"),
    ],
)
def test_only_the_page_itself_is_read(
    tmp_path: Path, status: str, headers: bytes, problem: str
) -> None:
    with pytest.raises(OperationError, match=problem):
        update(tmp_path, lambda tls: PolicyHost(tls, GOOD, status, headers))


def test_a_server_that_cannot_prove_its_name_is_not_asked(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def host(tls: ssl.SSLContext) -> PolicyHost:
        return PolicyHost(tls, GOOD, asked=asked)

    with pytest.raises(OperationError, match="certificate: "):
        update(tmp_path, host, known=False)
    with pytest.raises(OperationError, match="certificate: "):
        update(tmp_path, host, name="other.example")
    assert asked == []


@pytest.mark.parametrize("manner", [{"silent": True}, {"drip": 0.01}])
def test_a_stalled_server_ends_at_the_time_limit(
    tmp_path: Path, manner: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "FETCH_TIMEOUT", 0.5)
    large = PolicyHost(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), GOOD + b"." * 1000)

    def host(tls: ssl.SSLContext) -> PolicyHost:
        drip = b"Content-Length: 999999\r\n" if "drip" in manner else b""
        return replace(large, tls=tls, headers=drip, **manner)

    with pytest.raises(OperationError, match="timed out"):
        update(tmp_path, host)
    assert not in_force(tmp_path)
