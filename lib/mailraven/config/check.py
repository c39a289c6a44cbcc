"""What two keys may not say together; each alone would be fine."""

from collections.abc import Iterator

from mailraven.config.schema import Config
from mailraven.config.toml_text import KeyPath
from mailraven.config.units import split_endpoint
from mailraven.config.widths import demand_narrow


def contradictions(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Key and sentence for each contradiction."""
    yield from _ports_taken_twice(config)
    yield from _careless_limits(config)
    queue = config.queue
    if queue.smarthost_user and not queue.smarthost_password:
        yield ("queue", "smarthost_user"), "needs smarthost_password, too"
    if queue.smarthost_user and not queue.smarthost:
        yield ("queue", "smarthost_user"), "needs smarthost, too"
    if queue.smarthost_user and queue.smarthost_tls != "required":
        why = "must be required with smarthost_user: a password goes over verified TLS only"
        yield ("queue", "smarthost_tls"), why
    if queue.delay_notice >= queue.lifetime:
        yield ("queue", "delay_notice"), "is not shorter than queue.lifetime"


def _careless_limits(config: Config) -> Iterator[tuple[KeyPath, str]]:
    for network in config.limits.exempt:
        try:
            demand_narrow(network)
        except ValueError as error:
            yield ("limits", "exempt"), str(error)
    store = config.limits.store
    if store and not store.startswith("/"):
        try:
            split_endpoint(store)
        except ValueError as error:
            yield ("limits", "store"), f"{error}, nor the path of a socket"


def _ports_taken_twice(config: Config) -> Iterator[tuple[KeyPath, str]]:
    listeners: dict[KeyPath, tuple[str, ...]] = {
        ("smtp", "listen"): config.smtp.listen,
        ("smtp", "submission"): config.smtp.submission,
        ("smtp", "submissions"): config.smtp.submissions,
        ("imap", "listen"): config.imap.listen,
        ("imap", "listen_tls"): config.imap.listen_tls,
        ("http", "listen"): config.http.listen,
        ("http", "listen_tls"): config.http.listen_tls,
    }
    taken: dict[str, str] = {}
    for key, endpoints in listeners.items():
        for endpoint in endpoints:
            if endpoint.endswith(":0"):  # any free port: never the same twice
                continue
            if endpoint in taken:
                yield key, f"{endpoint} is taken by {taken[endpoint]}"
            taken.setdefault(endpoint, ".".join(key))
