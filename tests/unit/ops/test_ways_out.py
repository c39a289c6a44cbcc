"""Smarthosts and addresses of domains and accounts, set and checked by the operator."""

import pytest
from msgspec.structs import replace

from mailraven.config.directory import Directory, WayOut
from mailraven.config.schema import Config
from mailraven.config.smarthosts import Smarthost
from mailraven.ops.accounts import set_account
from mailraven.ops.check import problems_of_domains
from mailraven.ops.dns_records import dns_records
from mailraven.ops.domains import set_domain
from mailraven.ops.errors import OperationError


def way_out(config: Config, account: str, sender: str = "") -> WayOut:
    return Directory(config.paths.domains, config.paths.mail).way_out(account, sender or account)


def test_what_was_set_is_the_way_out(config: Config) -> None:
    assert way_out(config, "alice@example.org") == WayOut()
    set_domain(
        config, "example.org", {"smarthost": "office", "source_addresses": "192.0.2.1,2001:db8::1"}
    )
    sources = ("192.0.2.1", "2001:db8::1")
    assert way_out(config, "alice@example.org") == WayOut("office", sources)
    set_account(config, "alice@example.org", {"smarthost": "mx"})
    assert way_out(config, "Alice@example.org", "info@example.org") == WayOut("mx", sources)


def test_mail_that_is_forwarded_has_the_servers_way_out(config: Config) -> None:
    set_domain(config, "example.org", {"smarthost": "office"})
    directory = Directory(config.paths.domains, config.paths.mail)
    assert directory.way_out(None, "stranger@far.example") == WayOut()
    assert directory.way_out(None, "") == WayOut()


def test_name_that_can_be_none_is_refused(config: Config) -> None:
    with pytest.raises(OperationError, match="is no name"):
        set_domain(config, "example.org", {"smarthost": "smtp.example.com:25"})


def test_smarthost_that_is_not_configured_is_found_by_the_check(config: Config) -> None:
    set_domain(config, "example.org", {"smarthost": "office"})
    set_account(config, "alice@example.org", {"smarthost": "press"})
    folder = config.paths.domains / "example.org"
    assert [str(problem) for problem in problems_of_domains(config)] == [
        f"{folder}/domain.toml:0: smarthost: queue.smarthosts has no office",
        f"{folder}/accounts/alice.toml:0: smarthost: queue.smarthosts has no press",
    ]


def test_spf_record_has_the_addresses_that_mail_goes_out_from(config: Config) -> None:
    assert '@ IN TXT "v=spf1 mx -all"' in dns_records(config, "example.org")
    set_domain(config, "example.org", {"source_addresses": "192.0.2.2,2001:db8::2"})
    zone = dns_records(config, "example.org")
    assert '@ IN TXT "v=spf1 mx ip4:192.0.2.2 ip6:2001:db8::2 -all"' in zone
    assert "its mail goes out by" not in zone


def test_zone_says_that_a_smarthost_has_to_be_in_the_spf_record(config: Config) -> None:
    set_domain(config, "example.org", {"smarthost": "office"})
    office = {"office": Smarthost("office", "smtp.example.com:587")}
    queue = replace(config.queue, smarthosts=office, smarthost="relay.example.net:25")
    with_it = replace(config, queue=queue)
    hint = "; its mail goes out by smtp.example.com:587: add what they say"
    assert hint in dns_records(with_it, "example.org")
    set_domain(config, "example.org", {"smarthost": ""})
    assert "by relay.example.net:25:" in dns_records(with_it, "example.org")
    set_domain(config, "example.org", {"smarthost": "mx"})
    assert "its mail goes out by" not in dns_records(with_it, "example.org")
