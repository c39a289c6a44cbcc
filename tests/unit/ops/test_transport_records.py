"""What others need to encrypt mail to us: the policy, its id, the key."""

import pytest
from msgspec.structs import replace

from mailraven.cli.main import main
from mailraven.config.schema import Config
from mailraven.ops.certificates import ensure_authority, ensure_server_certificate
from mailraven.ops.dns_records import dns_records
from mailraven.ops.domains import add_domain, remove_domain, set_domain
from mailraven.ops.errors import OperationError
from mailraven.ops.policy_files import keep_policy_files, policy_file
from mailraven.ops.renewal import renew_certificate
from mailraven.ops.transport_records import sts_id, sts_policy, tlsa_lines
from mailraven.smtp.mta_sts import parse_policy


def test_policy_follows_domain_toml_and_the_id_follows_the_policy(config: Config) -> None:
    before = sts_policy(config, "example.org")
    assert parse_policy(before.encode()).mode == "testing"
    assert sts_policy(config, "example.org") == before
    set_domain(config, "example.org", {"sts": "enforce"})
    after = sts_policy(config, "example.org")
    policy = parse_policy(after.encode())
    assert (policy.mode, policy.hosts) == ("enforce", ("mx.example.org",))
    assert sts_id(after) != sts_id(before)
    assert f"v=STSv1; id={sts_id(after)}" in dns_records(config, "example.org")


def test_command_prints_what_is_to_be_served(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    etc = config.paths.data / "etc"
    assert main(["--etc", str(etc), "domain", "sts", "example.org"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "version: STSv1"
    assert "id=" not in said.out
    assert sts_id(sts_policy(config, "example.org")) in said.err


def test_tlsa_record_is_of_the_key_in_use(config: Config) -> None:
    assert "TLSA 3 1 1" not in dns_records(config, "example.org")
    folder = config.tls.certificate.parent
    ensure_server_certificate(folder, None, ["mx.example.org"])
    (line,) = tlsa_lines(config)
    assert line.startswith("_25._tcp.mx.example.org. IN TLSA 3 1 1 ")
    assert line in dns_records(config, "example.org")
    (folder / "fullchain.pem").unlink()
    ensure_server_certificate(folder, None, ["mx.example.org"])
    assert tlsa_lines(config) != [line]


def with_key_kept(config: Config, *, keep: bool) -> Config:
    return replace(config, tls=replace(config.tls, keep_key=keep))


def test_tlsa_record_stays_when_the_key_is_kept(config: Config) -> None:
    folder = config.tls.certificate.parent
    ensure_server_certificate(folder, None, ["mx.example.org", "192.0.2.1"])
    before, zone = config.tls.certificate.read_bytes(), dns_records(config, "example.org")
    assert "TLSA 3 1 1" in zone
    assert renew_certificate(with_key_kept(config, keep=True))
    assert config.tls.certificate.read_bytes() != before
    assert dns_records(config, "example.org") == zone
    assert not renew_certificate(with_key_kept(config, keep=False))
    assert dns_records(config, "example.org") != zone
    assert ensure_server_certificate(folder, None, ["mx.example.org", "192.0.2.1"]) is False
    assert config.tls.key.stat().st_mode & 0o777 == 0o600


def test_certificate_of_an_authority_is_not_ours_to_renew(config: Config) -> None:
    with pytest.raises(OperationError, match="no certificate to renew"):
        renew_certificate(config)
    authority = ensure_authority(config.paths.data / "ca", "somebody")
    ensure_server_certificate(config.tls.certificate.parent, authority, ["mx.example.org"])
    with pytest.raises(OperationError, match="has to renew it"):
        renew_certificate(config)
    config.tls.certificate.write_text("x")
    with pytest.raises(OperationError, match="cannot be understood"):
        renew_certificate(config)


def test_policy_file_follows_the_domain(config: Config) -> None:
    path = policy_file(config, "example.org")
    assert path == config.paths.data / "mta-sts/mta-sts.example.org/.well-known/mta-sts.txt"
    keep_policy_files(config)
    assert path.read_bytes().decode() == sts_policy(config, "example.org")
    assert keep_policy_files(config) == []
    set_domain(config, "example.org", {"sts": "enforce"})
    assert b"mode: enforce\r\n" in path.read_bytes()
    other = add_domain(config, "example.net")
    assert policy_file(config, other).exists()
    remove_domain(config, other)
    assert not policy_file(config, other).exists()
    assert path.stat().st_mode & 0o777 == 0o644


def test_policy_file_stays_while_domain_toml_is_broken(config: Config) -> None:
    keep_policy_files(config)
    before = policy_file(config, "example.org").read_bytes()
    (config.paths.domains / "example.org" / "domain.toml").write_text("sts = ")
    assert keep_policy_files(config) == []
    assert policy_file(config, "example.org").read_bytes() == before
