"""Counters and histograms of prometheus-client, shared by all processes of one daemon.

The library decides at its own import where values live: in multiprocess mode when the environment
names a folder for them. daemons/service.py names it before it imports any room.
"""

import os
from functools import cache

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from mailraven.observe.value_files import VALUE_FOLDER


def counter(name: str, help: str, labels: tuple[str, ...] = ()) -> Counter:
    """A number that only grows; `name` ends in _total."""
    return Counter(name, help, labels)


@cache
def child(parent: Counter, *labels: str) -> Counter:
    """`parent.labels(...)` of few and known labels: the library takes long to find one."""
    return parent.labels(*labels)


def gauge(name: str, help: str, labels: tuple[str, ...] = ()) -> Gauge:
    """A number that goes up and down; living processes are summed."""
    return Gauge(name, help, labels, multiprocess_mode="livesum")


def histogram(name: str, help: str, buckets: tuple[float, ...]) -> Histogram:
    """How often a value (seconds, octets) fell into which bucket."""
    return Histogram(name, help, buckets=buckets)


def exposition() -> str:
    """All metrics of this daemon, its other processes included, in Prometheus' text format."""
    if VALUE_FOLDER not in os.environ:
        return generate_latest(REGISTRY).decode()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library is untyped here
    return generate_latest(registry).decode()
