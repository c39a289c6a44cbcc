"""`mailraven selftest deliver`: real daemons, unbound, and a message that goes the whole way."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from mailraven.ops.demo import Demo
from peers.patience import PATIENCE
from servers.signed_zone import signed, validating
from transcripts.live import DOMAIN, TOP, running
from unit.daemons.smtp_house import new_house

HOST = f"mx.{DOMAIN}"
ROOT = f"""
$ORIGIN .
$TTL 60
@ IN SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60
@ IN NS ns.invalid.
ns.invalid. IN A 127.0.0.1
{HOST}. IN A 192.0.2.25
25.2.0.192.in-addr.arpa. IN PTR {HOST}.
"""
Finding = dict[str, str]


@pytest.fixture(scope="module")
def house() -> Iterator[Demo]:
    with new_house(22) as demo:
        yield demo


def mailraven(
    house: Demo, *words: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, TOP / "bin" / "mailraven", "--etc", house.etc, *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(environ or {})},
    )


@contextmanager
def published(house: Demo, *changes: tuple[str, str]) -> Iterator[str]:
    """unbound with what `domain dns` prints, but for the changes; its endpoint."""
    zone = ROOT + mailraven(house, "domain", "dns", DOMAIN).stdout
    for was, instead in changes:
        assert was in zone
        zone = zone.replace(was, instead)
    folder = house.root / "unbound"
    with validating(folder, signed(zone)) as endpoint:
        yield endpoint
    shutil.rmtree(folder)


def outcome(house: Demo, endpoint: str, *words: str, **settings: str) -> tuple[int, list[Finding]]:
    """The exit code and the findings of a self-test with all daemons running."""
    with running(house, "authd", "smtpd", "queued", dns_resolvers=endpoint, **settings):
        keys = {f"MAILRAVEN_{key.upper()}": value for key, value in settings.items()}
        environ = {"MAILRAVEN_DNS_RESOLVERS": endpoint, **keys}
        done = mailraven(house, "selftest", "deliver", "--json", environ=environ)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def faults(findings: list[Finding]) -> dict[str, Finding]:
    return {finding["kind"]: finding for finding in findings if finding["level"] == "broken"}


@pytest.mark.req("FR-022")
def test_a_server_that_is_set_up_well_passes(house: Demo) -> None:
    with published(house) as endpoint:
        code, findings = outcome(house, endpoint)
    assert faults(findings) == {}
    assert code == 0
    said = {finding["kind"]: finding["found"] for finding in findings if finding["level"] == "ok"}
    assert said["SUBMIT"].startswith("selftest-")
    assert "delivered" in said["QUEUE"]
    assert said["TLS"].startswith("TLSv1.3 ")
    assert said["HELO"] == HOST
    assert said["PTR"] == HOST
    assert said["SPF"] == "pass mx"
    assert said["DMARC"] == f"pass (SPF and DKIM proves {DOMAIN})"
    assert said["HEADER"] == "as it should be"
    passed = [f for f in findings if f["kind"] == "DKIM" and f["level"] == "ok"]
    assert {one["found"] for one in passed} == {"pass rsa-sha256", "pass ed25519-sha256"}


def test_nothing_of_the_test_stays(house: Demo) -> None:
    domain = house.root / "domains" / DOMAIN
    assert not list(domain.glob("accounts/selftest-*"))
    assert "selftest-" not in (domain / "passwords").read_text()
    assert not list((house.root / "mail" / DOMAIN).glob("selftest-*"))


def selectors(house: Demo, environ: Mapping[str, str]) -> set[str]:
    """Of the signatures that pass, in a self-test of daemons that run."""
    done = mailraven(house, "selftest", "deliver", "--json", environ=environ)
    good = [f for f in json.loads(done.stdout) if f["kind"] == "DKIM" and f["level"] == "ok"]
    return {finding["name"].partition(".")[0] for finding in good}


def test_a_running_queue_signs_with_new_keys_once_the_dns_shows_them(house: Demo) -> None:
    old = {path.stem for path in (house.root / "domains" / DOMAIN / "dkim").glob("*.pem")}
    nowhere = {"MAILRAVEN_DNS_RESOLVERS": "127.0.0.1:9", "MAILRAVEN_DNS_TIMEOUT": "1s"}
    assert mailraven(house, "dkim", "rotate", environ=nowhere).returncode == 1
    with published(house) as endpoint:
        environ = {"MAILRAVEN_DNS_RESOLVERS": endpoint}
        with running(house, "authd", "smtpd", "queued", dns_resolvers=endpoint):
            assert selectors(house, environ) == old
            assert mailraven(house, "dkim", "rotate", environ=environ).returncode == 0
            new = selectors(house, environ)
    assert len(new) == 2
    assert not new & old


def test_what_receivers_would_hold_against_us_is_told(house: Demo) -> None:
    changes = (
        ("v=spf1 mx -all", "v=spf1 -all"),
        ("_domainkey IN TXT", "_elsewhere IN TXT"),
        (f"IN PTR {HOST}.", "IN PTR other.example.org."),
    )
    with published(house, *changes) as endpoint:
        code, findings = outcome(house, endpoint)
    found = faults(findings)
    assert code == 1
    assert "fail -all" in found["SPF"]["found"]
    assert "no key" in found["DKIM"]["found"]
    assert "leads back" in found["PTR"]["why"]
    assert found["DMARC"]["found"] == f"fail (nothing proves {DOMAIN})"
    assert found["DMARC"]["why"].endswith("quarantine.")


def test_a_certificate_that_nobody_trusts_is_told_and_the_rest_is_tried(house: Demo) -> None:
    with published(house) as endpoint:
        code, findings = outcome(house, endpoint, tls_ca="")
    assert code == 1
    assert list(faults(findings)) == ["TLS"]
    assert "certificate" in faults(findings)["TLS"]["found"]


def test_without_a_queue_it_cannot_be_tried(house: Demo) -> None:
    done = mailraven(house, "selftest", "deliver")
    assert done.returncode == 1
    assert "queued is not running" in done.stderr


def test_a_queue_that_does_not_deliver_is_told_with_what_it_met(house: Demo) -> None:
    with published(house) as endpoint:
        nobody = "192.0.2.77"  # is no address of this machine
        code, findings = outcome(house, endpoint, queue_source_addresses=nobody)
    assert code == 1
    assert "assign requested address" in faults(findings)["QUEUE"]["found"]
