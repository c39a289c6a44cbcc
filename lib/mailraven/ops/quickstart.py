"""A production server from nothing: config, domain, DKIM keys, the first admin, DNS records."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mailraven.config.example import example_toml
from mailraven.config.load import FILE_NAME, load
from mailraven.config.schema import Config, Paths
from mailraven.ops.accounts import add_account
from mailraven.ops.aliases import add_alias
from mailraven.ops.certificates import ensure_server_certificate
from mailraven.ops.dns_records import dns_records
from mailraven.ops.domains import add_domain
from mailraven.ops.edit import replace_file
from mailraven.ops.errors import OperationError
from mailraven.ops.names import checked_account, checked_domain
from mailraven.ops.ownership import give_to_daemons, give_to_owner_of
from mailraven.ops.passwords import generate_password
from mailraven.queue.srs_secrets import ensure_secret

DUTIES = ("postmaster", "abuse")  # RFC 5321 §4.5.1, RFC 2142 §4


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server goes: folder of the configuration, folder of the data, its name in DNS."""

    etc: Path
    data: Path
    hostname: str | None  # None: mx. and the domain


@dataclass(frozen=True, slots=True)
class NewServer:
    """What was made; `password` is nowhere else in clear."""

    config: Config
    address: str
    password: str
    zone: str
    self_signed: bool


def quickstart(address: str, place: Place) -> NewServer:
    """Make it all; raises OperationError when there is a server already, and touches nothing."""
    local, domain = checked_account(address)
    hostname = checked_domain(place.hostname or f"mx.{domain}")
    file = place.etc / FILE_NAME
    for path in (file, place.data / "domains"):
        if path.exists():
            raise OperationError(f"{path} exists; nothing is overwritten (try: domain add)")
    place.etc.mkdir(mode=0o755, parents=True, exist_ok=True)
    place.data.mkdir(mode=0o750, parents=True, exist_ok=True)
    give_to_daemons(place.data)
    replace_file(file, example_toml(_settings(place, hostname)), mode=0o644)
    config = load(place.etc, {})
    for folder in (config.paths.domains, config.paths.mail, config.paths.spool, config.paths.tls):
        folder.mkdir(mode=0o750, exist_ok=True)
    # Before the domain: what is made within belongs to the owner of its folder.
    give_to_owner_of(place.data, config.paths.domains)
    add_domain(config, domain)
    password = generate_password()
    add_account(config, address, password, {"role": "admin"})
    for duty in DUTIES:
        if duty != local:
            add_alias(config, f"{duty}@{domain}", [local])
    ensure_secret(config.paths.srs_secrets)
    folder = config.paths.tls / hostname
    self_signed = ensure_server_certificate(folder, None, [hostname])
    give_to_owner_of(place.data, config.paths.mail, config.paths.spool, config.paths.tls)
    zone = dns_records(config, domain)
    return NewServer(config, f"{local}@{domain}", password, zone, self_signed)


def _settings(place: Place, hostname: str) -> Mapping[str, object]:
    """What differs from the defaults; data elsewhere takes run and cache with it."""
    data = place.data.absolute()
    settings: dict[str, object] = {"hostname": hostname}
    if data != Paths().data:
        settings |= {
            "paths.data": str(data),
            "paths.run": str(data / "run"),
            "paths.cache": str(data / "cache"),
        }
    return settings
