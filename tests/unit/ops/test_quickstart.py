"""A production server from nothing, and what DNS has to say about it."""

import os
import pwd
import stat
from base64 import b64encode
from pathlib import Path

import dkim
import dns.zone
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mailraven.auth.passwords import find_entry, matches, prepare
from mailraven.config.directory import Directory
from mailraven.config.load import load
from mailraven.ops import ownership
from mailraven.ops.errors import OperationError
from mailraven.ops.quickstart import NewServer, Place, quickstart

MESSAGE = b"From: you@example.org\r\nTo: a@example.net\r\nSubject: hi\r\n\r\nhi\r\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "etc", tmp_path / "data", None)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("home")
    return Place(root / "etc", root / "data", None)


@pytest.fixture(scope="module")
def server(home: Place) -> NewServer:
    """Made once, in `home`, for all who only look: its keys and hashes take half a second."""
    return quickstart("You@Example.org", home)


def zone_of(server: NewServer) -> dns.zone.Zone:
    return dns.zone.from_text(server.zone + "@ IN SOA a. b. 1 1 1 1 1\n@ IN NS a.\n")


def texts(zone: dns.zone.Zone, name: str) -> list[str]:
    found = zone.find_rdataset(name, "TXT")
    return [b"".join(record.strings).decode() for record in found]


@pytest.mark.req("AS11")
def test_the_first_account_is_an_admin_with_the_password_shown(
    server: NewServer, home: Place
) -> None:
    config = load(home.etc, {})
    account = Directory(config.paths.domains, config.paths.mail).account("you@example.org")
    assert account is not None
    assert account.role == "admin"
    entry = find_entry(config.paths.domains / "example.org" / "passwords", "you")
    assert entry is not None
    assert matches(entry.argon2, prepare(server.password))


def test_the_password_is_nowhere_on_disk(server: NewServer, home: Place) -> None:
    for path in [*home.etc.rglob("*"), *home.data.rglob("*")]:
        assert not path.is_file() or server.password.encode() not in path.read_bytes()


def test_postmaster_and_abuse_reach_the_admin(server: NewServer) -> None:
    paths = server.config.paths
    directory = Directory(paths.domains, paths.mail)
    for duty in ("postmaster", "abuse"):
        assert directory.expand(f"{duty}@example.org").local[0].address == "you@example.org"


def test_a_postmaster_can_be_the_admin_himself(place: Place) -> None:
    server = quickstart("postmaster@example.org", place)
    directory = Directory(server.config.paths.domains, server.config.paths.mail)
    assert directory.expand("postmaster@example.org").local


def test_nothing_is_overwritten(place: Place) -> None:
    quickstart("You@Example.org", place)
    before = {path: path.stat().st_mtime_ns for path in place.data.rglob("*")}
    with pytest.raises(OperationError, match="nothing is overwritten"):
        quickstart("you@example.org", place)
    (place.etc / "mailraven.toml").unlink()
    with pytest.raises(OperationError, match="nothing is overwritten"):
        quickstart("you@example.org", place)
    assert {path: path.stat().st_mtime_ns for path in place.data.rglob("*")} == before


@pytest.mark.parametrize("address", ["you", "@example.org", "../x@example.org", "you@../x", "a@ü"])
def test_a_wrong_address_makes_nothing(place: Place, address: str) -> None:
    with pytest.raises(OperationError):
        quickstart(address, place)
    assert not place.etc.exists()
    assert not place.data.exists()


@pytest.mark.usefixtures("server")
def test_the_configuration_is_whole_and_names_its_folders(home: Place) -> None:
    config = load(home.etc, {})
    assert config.hostname == "mx.example.org"
    assert config.paths.data == home.data
    assert config.paths.run == home.data / "run"


def test_keys_are_rsa_2048_and_ed25519_and_nobody_else_reads_them(server: NewServer) -> None:
    folder = server.config.paths.domains / "example.org" / "dkim"
    keys = [load_pem_private_key(path.read_bytes(), None) for path in sorted(folder.glob("*.pem"))]
    assert isinstance(keys[0], ed25519.Ed25519PrivateKey)
    assert isinstance(keys[1], rsa.RSAPrivateKey)
    assert keys[1].key_size == 2048
    private = [*folder.glob("*.pem"), server.config.tls.key]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


@pytest.mark.parametrize("kind", ["rsa", "ed"])
def test_the_records_of_both_keys_verify_signatures(server: NewServer, kind: str) -> None:
    folder = server.config.paths.domains / "example.org" / "dkim"
    (path,) = folder.glob(f"{kind}*.pem")
    key = load_pem_private_key(path.read_bytes(), None)
    secret, algorithm = path.read_bytes(), b"rsa-sha256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        secret, algorithm = b64encode(key.private_bytes_raw()), b"ed25519-sha256"
    signature = dkim.sign(
        MESSAGE, path.stem.encode(), b"example.org", secret, signature_algorithm=algorithm
    )
    published = {
        f"{path.stem}._domainkey.example.org.".encode(): texts(
            zone_of(server), f"{path.stem}._domainkey"
        )[0].encode()
    }
    assert dkim.verify(signature + MESSAGE, dnsfunc=lambda name, timeout=5: published[name])


def test_the_zone_has_all_that_a_domain_needs(server: NewServer) -> None:
    zone = zone_of(server)
    assert str(zone.find_rdataset("@", "MX")[0]) == "10 mx"
    assert texts(zone, "@") == ["v=spf1 mx -all"]
    assert texts(zone, "_dmarc")[0].startswith("v=DMARC1; p=quarantine;")
    assert texts(zone, "_mta-sts")[0].startswith("v=STSv1; id=")
    assert texts(zone, "_smtp._tls")[0] == "v=TLSRPTv1; rua=mailto:postmaster@example.org"
    ports = {"_imaps": 993, "_submissions": 465, "_submission": 587, "_imap": 143}
    for service, port in ports.items():
        assert zone.find_rdataset(f"{service}._tcp", "SRV")[0].port == port
    for alias in ("autoconfig", "mta-sts"):
        assert str(zone.find_rdataset(alias, "CNAME")[0]) == "mx"


def test_the_policy_text_of_mta_sts_is_in_the_zone_file(server: NewServer) -> None:
    assert ";   version: STSv1\n;   mode: testing\n;   mx: mx.example.org\n" in server.zone


def test_a_host_name_elsewhere_is_named_in_full(place: Place) -> None:
    server = quickstart("you@example.org", Place(place.etc, place.data, "mail.example.net"))
    assert "@ IN MX 10 mail.example.net.\n" in server.zone


def test_there_is_a_certificate_for_the_host_name_from_the_start(server: NewServer) -> None:
    certificate = x509.load_pem_x509_certificate(server.config.tls.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mx.example.org"]


def test_what_root_makes_belongs_to_the_daemons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "DAEMON_USER", "nobody")
    place = Place(tmp_path / "etc", tmp_path / "data", "mx.example.org")
    quickstart("you@example.org", place)
    owner = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    strangers = [
        path.relative_to(place.data)
        for path in place.data.rglob("*")
        if path.stat().st_uid != owner and not path.name.strip(".").startswith("passwords")
    ]
    assert strangers == []
