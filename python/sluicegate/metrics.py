"""Metrics for Prometheus: what limits and caches of this process do. Needs ``prometheus_client``.

>>> from prometheus_client import REGISTRY
>>> from sluicegate.metrics import Collector
>>> REGISTRY.register(Collector())

`sluicegate run --metrics 9464 COMMAND` does it for a program without a change to its code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from sluicegate._core import meter_snapshot
from sluicegate._needs import lacking

__all__ = ["Collector", "serve"]

if problem := lacking("sluicegate.metrics", ["prometheus_client"]):
    raise ImportError(problem)

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector as _Collector

#: A limit that limits nothing: routes through several limits have such ones.
_ENDLESS = 1 << 59

#: Of each limit: the name of the metric after ``sluicegate_limit_``, our name, and what it is.
_GAUGES = (
    ("units", "limit", "Units that fit in a window: what this process may use."),
    ("used_units", "used", "Units that are used: in the window, in flight, or used by others."),
    ("in_flight_units", "in_flight", "Units of requests that have not been answered yet."),
    ("foreign_units", "foreign", "Units that others have used, as the exchange said."),
    ("reserved_units", "reserved", "Units that are kept for requests of higher priorities."),
    ("waiting_requests", "waiting", "Requests that wait now."),
    ("oldest_wait_seconds", "oldest_wait", "For how long the oldest request waits now."),
    ("paused_seconds", "paused", "For how long nothing leaves; 0 if it is not paused."),
)
_COUNTERS = (
    ("passed_requests", "passed", "Requests that passed, at once or after a wait."),
    ("refused_requests", "refused", "Requests that were told at once that there is no room."),
    ("timed_out_requests", "timed_out", "Requests whose time was up before they could pass."),
    ("pauses", "pauses", "How often it was paused."),
)
#: The same of each cache, after ``sluicegate_cache_``.
_CACHE_COUNTERS = (
    ("hits", "hits", "Reads that found a value."),
    ("misses", "misses", "Reads that found none, or an expired one."),
    ("loads", "loads", "Keys that a loader was asked for."),
    ("load_errors", "errors", "Keys that a loader failed to load."),
    ("load_seconds", "load_time", "Seconds spent in loaders."),
    ("evictions", "evictions", "Entries removed to make room."),
    ("expirations", "expirations", "Entries removed because their time was over."),
)


class Collector(_Collector):
    """The limits and caches of this process, for a registry of ``prometheus_client``.

    A process needs one; a registry refuses a second one with a ``ValueError``. Nothing is counted
    or written before somebody scrapes. Limits have the labels ``throttler`` (a number, in the order
    in which they were made) and ``limit``; caches have ``cache``.
    """

    def collect(self) -> Iterable[Metric]:
        """Reads everything at one moment."""
        return _families(json.loads(meter_snapshot()))

    def describe(self) -> Iterable[Metric]:
        """The names, so that a registry refuses a second one: each number would be there twice."""
        return _families({"throttlers": [], "caches": [], "wait_buckets": []})


def _families(snapshot: dict[str, Any]) -> Iterable[Metric]:
    limits = [
        ([str(throttler["throttler"]), limit["limit_id"]], limit)
        for throttler in snapshot["throttlers"]
        for limit in throttler["limits"]
        if limit["limit"] < _ENDLESS
    ]
    labels = ["throttler", "limit"]
    for name, key, text in _GAUGES:
        gauge = GaugeMetricFamily(f"sluicegate_limit_{name}", text, labels=labels)
        for values, limit in limits:
            gauge.add_metric(values, limit[key])
        yield gauge
    for name, key, text in _COUNTERS:
        counter = CounterMetricFamily(f"sluicegate_limit_{name}", text, labels=labels)
        for values, limit in limits:
            counter.add_metric(values, limit[key])
        yield counter
    yield _waits(limits, labels, snapshot["wait_buckets"])
    yield from _of_caches(snapshot["caches"])


def _waits(
    limits: list[tuple[list[str], dict[str, Any]]], labels: list[str], ends: list[float]
) -> Metric:
    text = "How long requests waited that have passed; those that passed at once are not counted."
    waits = HistogramMetricFamily("sluicegate_limit_wait_seconds", text, labels=labels)
    for values, limit in limits:
        names = [*(str(float(end)) for end in ends), "+Inf"]
        buckets = list(zip(names, accumulate(limit["waits"]), strict=True))
        waits.add_metric(values, buckets, limit["waited"])
    return waits


def _of_caches(caches: list[dict[str, Any]]) -> Iterable[Metric]:
    # Caches of one name are one.
    by_name: dict[str, dict[str, float]] = {}
    for cache in caches:
        sums = by_name.setdefault(cache["cache"], {})
        for key, value in cache.items():
            if key != "cache":
                sums[key] = sums.get(key, 0) + value
    entries = GaugeMetricFamily("sluicegate_cache_entries", "Entries now.", labels=["cache"])
    for name, sums in by_name.items():
        entries.add_metric([name], sums["entries"])
    yield entries
    for metric, key, text in _CACHE_COUNTERS:
        counter = CounterMetricFamily(f"sluicegate_cache_{metric}", text, labels=["cache"])
        for name, sums in by_name.items():
            counter.add_metric([name], sums[key])
        yield counter


def serve(port: int, address: str = "127.0.0.1") -> None:
    """Serves the metrics of this process at ``http://ADDRESS:PORT/metrics``, in a thread.

    The child of a fork serves none: the port is its parent's. It may call this with another port.

    Args:
        port: The port: 0 to 65535.
        address: The address to listen at. By default only this machine can connect.

    Raises:
        OSError: The port is taken, or the address is none of this machine.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())
    server, _ = start_http_server(port, address, registry)
    if hasattr(os, "register_at_fork"):
        # Nobody in the child accepts. Were the socket left open there, who asks after the end of
        # the parent would wait for ever, and a parent that starts again would find the port taken.
        os.register_at_fork(after_in_child=server.socket.close)
