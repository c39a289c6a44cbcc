"""What others need to encrypt mail to us: the policy, its id, the key."""

import pytest

from mailraven.cli.main import main
from mailraven.config.schema import Config
from mailraven.ops.certificates import ensure_server_certificate
from mailraven.ops.dns_records import dns_records
from mailraven.ops.domains import set_domain
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
