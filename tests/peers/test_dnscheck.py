"""`mailraven dnscheck` beside unbound, with the very records that `mailraven domain dns` prints."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest

from mailraven.cli.main import main
from mailraven.ops.demo import make_tree
from servers.aside import aside
from servers.authority import authority
from servers.policy_host import PolicyHost
from servers.signed_zone import signed, validating

DOMAIN = "example.org"
HOST = f"mx.{DOMAIN}"
SIX = ip_address("2001:db8::25").reverse_pointer
ROOT = f"""
$ORIGIN .
$TTL 60
@ IN SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60
@ IN NS ns.invalid.
ns.invalid. IN A 127.0.0.1
mx.example.org. IN A 192.0.2.25
mx.example.org. IN AAAA 2001:db8::25
25.2.0.192.in-addr.arpa. IN PTR mx.example.org.
{SIX}. IN PTR mx.example.org.
; unbound cannot prove that a name is missing below one without records
_domainkey.example.org. IN TXT "-"
_tcp.example.org. IN TXT "-"
example. IN TXT "-"
"""
TRUST = authority("DNS check")


@dataclass
class Town:
    """A server of example.org, and a signed zone with what it says that the zone should have."""

    root: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    etc: Path = field(init=False)

    def __post_init__(self) -> None:
        self.etc = make_tree(self.root, 21000, "127.0.0.1", 1, 1, DOMAIN).etc

    def run(self, *words: str) -> tuple[int, str]:
        self.capsys.readouterr()
        code = main(["--etc", str(self.etc), *words])
        return code, self.capsys.readouterr().out

    def zone(self) -> str:
        """What the operator publishes; our web server has an address of its own, on loopback."""
        _, printed = self.run("domain", "dns", DOMAIN)
        return ROOT + printed.replace(f"mta-sts IN CNAME {HOST}.", "mta-sts IN A 127.0.0.1")

    @contextmanager
    def published(self, zone: str) -> Iterator[None]:
        with validating(self.root / "unbound", signed(zone)) as endpoint:
            self.monkeypatch.setenv("MAILRAVEN_DNS_RESOLVERS", endpoint)
            yield

    def check(self) -> tuple[int, dict[tuple[str, str], dict[str, str]]]:
        """The exit code, and the findings that are not ok, by kind and name."""
        code, out = self.run("dnscheck", DOMAIN, "--json")
        findings = json.loads(out)[DOMAIN]
        return code, {(f["kind"], f["name"]): f for f in findings if f["level"] != "ok"}

    def check_of(
        self, change: tuple[str, str]
    ) -> tuple[int, dict[tuple[str, str], dict[str, str]]]:
        """The same for the zone with one thing changed."""
        zone = self.zone()
        assert change[0] in zone
        with self.published(zone.replace(*change)), self.policy():
            return self.check()

    @contextmanager
    def policy(self) -> Iterator[None]:
        """The policy is served as `mailraven domain sts` prints it."""
        _, text = self.run("domain", "sts", DOMAIN)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        holder = TRUST.sign(f"mta-sts.{DOMAIN}")
        context.load_cert_chain(*holder.write(self.root / "web", "web"))
        (self.root / "ca.pem").write_bytes(TRUST.pem())
        self.monkeypatch.setenv("MAILRAVEN_TLS_CA", str(self.root / "ca.pem"))
        with aside(PolicyHost(context, text.encode())) as host:
            self.monkeypatch.setenv("MAILRAVEN_QUEUE_POLICY_PORT", str(host.port))
            yield


@pytest.fixture
def town(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Town:
    return Town(tmp_path / "town", capsys, monkeypatch)


def test_what_domain_dns_prints_is_all_that_is_wanted(town: Town) -> None:
    with town.published(town.zone()), town.policy():
        assert town.check() == (0, {})
        code, text = town.run("dnscheck")
    assert code == 0
    assert f"ok       MX      {DOMAIN}  10 {HOST}." in text
    assert "192.0.2.25: pass" in text
    assert "0 note, 0 broken, 0 unknown" in text


BROKEN = [
    ("@ IN MX 10 mx.example.org.", "", "MX", DOMAIN, "address of the domain itself"),
    ("@ IN MX 10 mx", "@ IN MX 10 other", "MX", DOMAIN, "never comes here"),
    ("@ IN MX 10 mx.example.org.", "@ IN MX 0 .", "MX", DOMAIN, "takes no mail at all"),
    ("v=spf1 mx -all", "v=spf1 ip4:192.0.2.1 -all", "SPF", DOMAIN, "fails SPF"),
    ("v=spf1 mx -all", "v=spf1 +all", "TXT", DOMAIN, "lets everybody send"),
    ("v=spf1 mx -all", "spf2", "TXT", DOMAIN, "Anybody can send in its name"),
    (
        "v=DMARC1; p=quarantine; rua",
        "v=DMARC1; ruf",
        "TXT",
        f"_dmarc.{DOMAIN}",
        "as if there were none",
    ),
    ("_dmarc IN TXT", "_marc IN TXT", "TXT", f"_dmarc.{DOMAIN}", "Forged mail"),
    ("id=", "id=old", "TXT", f"_mta-sts.{DOMAIN}", "do not hear that the policy has changed"),
    ("mta-sts IN A", "mta IN A", "HTTPS", f"mta-sts.{DOMAIN}", "announced, but cannot be had"),
    ("TLSA 3 1 1 ", "TLSA 3 1 0 00", "TLSA", f"_25._tcp.{HOST}", "not the key in use"),
    (
        " IN PTR mx.example.org.",
        " IN PTR a.example.",
        "PTR",
        "25.2.0.192.in-addr.arpa",
        "leads back",
    ),
    ("25.2.0.192.", "26.2.0.192.", "PTR", "25.2.0.192.in-addr.arpa", "has no name"),
    (
        "_imaps._tcp IN SRV 0 1 ",
        "_imaps._tcp IN SRV 0 1 1 mx ; ",
        "SRV",
        f"_imaps._tcp.{DOMAIN}",
        "is not",
    ),
]


@pytest.mark.parametrize(("was", "instead", "kind", "name", "why"), BROKEN)
def test_what_breaks_is_said_and_is_the_exit_code(
    town: Town, was: str, instead: str, kind: str, name: str, why: str
) -> None:
    code, findings = town.check_of((was, instead))
    finding = findings[kind, name]
    assert code == 1
    assert finding["level"] == "broken"
    assert why in finding["why"]
    assert finding["wanted"]


REPORTS = "rua=mailto:postmaster@example.org"
ELSEWHERE = "rua=mailto:a@example.org,mailto:r@reports.example; ruf=mailto:f@forensics.example"
AGREES = '"\nexample.org._report._dmarc.{}. IN TXT "v=DMARC1'

NOTES = [
    (
        REPORTS,
        ELSEWHERE + AGREES.format("forensics.example"),
        "TXT",
        "example.org._report._dmarc.reports.example",
        "so nobody sends any to r@reports.example",
    ),
    (
        REPORTS,
        ELSEWHERE + AGREES.format("reports.example"),
        "TXT",
        "example.org._report._dmarc.forensics.example",
        "is for the operator of forensics.example to publish",
    ),
    (REPORTS, "rua=reports@example.org", "TXT", f"_dmarc.{DOMAIN}", "it is not understood"),
    (
        "@ IN MX 10",
        "@ IN MX 5 other.example.org.\n@ IN MX 10",
        "MX",
        DOMAIN,
        "other.example.org first",
    ),
    ("v=spf1 mx -all", "v=spf1 mx", "TXT", DOMAIN, "does not end in -all"),
    ("p=quarantine", "p=none", "TXT", f"_dmarc.{DOMAIN}", "reports alone"),
    ("_mta-sts IN TXT", "_mta IN TXT", "TXT", f"_mta-sts.{DOMAIN}", "nothing demands TLS"),
    ("_smtp._tls IN TXT", "_smtp IN TXT", "TXT", f"_smtp._tls.{DOMAIN}", "Nobody tells you"),
    ("_25._tcp", "_26._tcp", "TLSA", f"_25._tcp.{HOST}", "Only where the zone is signed"),
    ("_imaps._tcp", "_imap4._tcp", "SRV", f"_imaps._tcp.{DOMAIN}", "by hand"),
    ("autoconfig IN", "config IN", "CNAME", f"autoconfig.{DOMAIN}", "Thunderbird"),
]


@pytest.mark.parametrize(("was", "instead", "kind", "name", "why"), NOTES)
def test_what_could_be_better_is_said_and_breaks_no_script(
    town: Town, was: str, instead: str, kind: str, name: str, why: str
) -> None:
    code, findings = town.check_of((was, instead))
    finding = findings[kind, name]
    assert code == 0
    assert finding["level"] == "note"
    assert why in finding["why"]


def test_reports_go_to_others_who_agree(town: Town) -> None:
    # RFC 7489 §7.1
    records = "".join(AGREES.format(f"{one}.example") for one in ("reports", "forensics"))
    assert town.check_of((REPORTS, ELSEWHERE + records)) == (0, {})


def test_a_key_that_is_not_published_is_named(town: Town) -> None:
    zone = town.zone()
    selector = next(line.split()[0] for line in zone.splitlines() if line.startswith("rsa"))
    with town.published(zone.replace(selector, "elsewhere")), town.policy():
        code, findings = town.check()
    finding = findings["TXT", f"{selector}.{DOMAIN}"]
    assert code == 1
    assert "Every signature by it fails" in finding["why"]
    assert finding["wanted"].startswith('"v=DKIM1; k=rsa; p=')


def test_a_policy_of_before_that_is_still_served_is_told(town: Town) -> None:
    zone = town.zone()
    with town.published(zone), town.policy():
        assert town.run("domain", "set", DOMAIN, "sts=enforce")[0] == 0
        code, findings = town.check()
    assert code == 1  # the id of the new one is not announced
    assert findings["TXT", f"_mta-sts.{DOMAIN}"]["level"] == "broken"
    assert "It is not the policy of" in findings["HTTPS", f"mta-sts.{DOMAIN}"]["why"]


def test_addresses_that_a_domain_sends_from_are_those_that_count(town: Town) -> None:
    with town.published(town.zone()), town.policy():
        assert town.run("domain", "set", DOMAIN, "source_addresses=192.0.2.99")[0] == 0
        code, findings = town.check()
    assert code == 1
    assert findings["PTR", "99.2.0.192.in-addr.arpa"]["level"] == "broken"
    assert findings["SPF", DOMAIN]["found"] == "192.0.2.99: fail -all"


def test_with_a_smarthost_spf_is_its_providers_to_say(town: Town) -> None:
    with town.published(town.zone()), town.policy():
        town.monkeypatch.setenv("MAILRAVEN_QUEUE_SMARTHOST", "smart.example.net:587")
        code, findings = town.check()
    assert code == 0
    assert "smart.example.net:587" in findings["SPF", DOMAIN]["why"]


def test_what_is_forged_on_the_way_is_no_answer(town: Town) -> None:
    forged = signed(town.zone())
    forged.text = forged.text.replace("v=spf1 mx -all", "v=spf1 +all")
    with validating(town.root / "unbound", forged) as endpoint, town.policy():
        town.monkeypatch.setenv("MAILRAVEN_DNS_RESOLVERS", endpoint)
        code, findings = town.check()
    assert code == 3
    assert findings["TXT", DOMAIN]["level"] == "unknown"


@pytest.mark.req("FR-022")
def test_keys_rotate_as_unbound_shows_them(town: Town) -> None:
    with town.published(town.zone()):
        code, text = town.run("dkim", "rotate", DOMAIN)
    records = [line for line in text.splitlines() if " IN TXT " in line]
    assert (code, len(records)) == (1, 2)
    with town.published(ROOT + "\n".join(records) + "\n"):
        code, text = town.run("dkim", "rotate", DOMAIN)
        assert code == 0
        assert text.count("signs with") == text.count("Leave ") == 2
        assert town.run("dkim", "rotate", "--if-older", "180d") == (0, "")
        _, listing = town.run("dkim", "list", "--json")
    states = sorted((key["state"], key["dns"]) for key in json.loads(listing))
    assert states == [("kept", "missing")] * 2 + [("signing", "shown")] * 2


def test_only_domains_of_ours_are_checked(town: Town) -> None:
    assert town.run("dnscheck", "example.net") == (1, "")
