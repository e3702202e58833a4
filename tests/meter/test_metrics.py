"""`sluicegate.metrics`: the numbers, the names, and `promtool`'s opinion of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sluicegate import LoadingCache, RateLimit, Throttler, TTLCache
from sluicegate._meter.serving import read
from sluicegate.metrics import Collector
from tests.helpers.repository import ROOT


def scrape() -> str:
    registry = CollectorRegistry()
    registry.register(Collector())
    return generate_latest(registry).decode()


def value(text: str, name: str, **labels: str) -> float:
    """The value of the last series with these labels: throttlers of other tests may live on."""
    found = [
        line
        for line in text.splitlines()
        if line.startswith(f"{name}{{")
        and all(f'{label}="{wanted}"' in line for label, wanted in labels.items())
    ]
    return float(found[-1].rsplit(" ", 1)[1])


def test_limits_tell_what_is_used_passed_refused_and_waited() -> None:
    throttler = Throttler([RateLimit("metrics/x", 3, 0.2)])
    assert throttler.charge("metrics/x", units=3)
    assert not throttler.charge("metrics/x")
    with pytest.raises(TimeoutError), throttler.execute_task("metrics/x", units=3, timeout=0.01):
        pass
    with throttler.execute_task("metrics/x"):
        throttler.pause("metrics/x", 50, reason="HTTP 429")
        text = scrape()

    def of(name: str, **labels: str) -> float:
        return value(text, f"sluicegate_limit_{name}", limit="metrics/x", **labels)

    assert (of("units"), of("used_units"), of("in_flight_units")) == (3, 1, 1)
    assert of("passed_requests_total") == 2
    assert of("refused_requests_total") == 1
    assert of("timed_out_requests_total") == 1
    assert (of("pauses_total"), of("waiting_requests")) == (1, 0)
    assert 49 < of("paused_seconds") <= 50
    assert of("wait_seconds_count") == 1
    assert 0 < of("wait_seconds_sum") <= 0.25
    assert of("wait_seconds_bucket", le="0.001") <= of("wait_seconds_bucket", le="0.5") == 1
    assert throttler.counters()["metrics/x"].keys() == {
        *("passed", "refused", "timed_out", "pauses", "waits", "waited", "oldest_wait")
    }


def test_caches_tell_their_hits_and_loads() -> None:
    cache = TTLCache[str, int](1, 60)
    cache._meter_name = "metrics"  # type: ignore[attr-defined]
    twin = LoadingCache[str, int](1, 60)
    twin._meter_name = "metrics"
    cache["a"] = 1
    cache["b"] = 2
    assert (cache.get("a"), cache.get("b")) == (None, 2)
    assert twin.get_or_load("c", lambda _: 3) == 3
    text = scrape()

    def of(name: str) -> float:
        return value(text, f"sluicegate_cache_{name}", cache="metrics")

    assert (of("hits_total"), of("evictions_total")) == (1, 1)
    assert (of("loads_total"), of("entries")) == (1, 2), "caches of one name are one"


def test_a_registry_refuses_a_second_collector() -> None:
    registry = CollectorRegistry()
    registry.register(Collector())
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        registry.register(Collector())


def test_what_is_described_is_what_is_collected() -> None:
    collector = Collector()
    described = [(one.name, one.type, one.documentation) for one in collector.describe()]
    assert described == [(one.name, one.type, one.documentation) for one in collector.collect()]


@pytest.mark.parametrize(
    "name", ['a "b" c', "a\nb", "a\\", "{}", 'x"} 1\n', "ключ", "a\0b", "", "\x1b"]
)
def test_a_limit_of_any_name_is_one_line(name: str) -> None:
    throttler = Throttler([RateLimit(name, 3, 1)])
    throttler.charge(name)
    text = scrape()
    for family in text_string_to_metric_families(text):
        if family.name == "sluicegate_limit_used_units":
            assert name in [sample.labels["limit"] for sample in family.samples]
    assert_promtool_agrees(text)


def test_promtool_has_no_complaint() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not there: install Debian's package prometheus to try this")
    throttler = Throttler([RateLimit("metrics/y", 3, 1)])
    throttler.charge("metrics/y")
    assert_promtool_agrees(scrape())


def assert_promtool_agrees(text: str) -> None:
    """Where it is installed, it has no complaint."""
    promtool = shutil.which("promtool")
    if promtool is not None:
        words = [promtool, "check", "metrics"]
        done = subprocess.run(words, input=text, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_dashboard_uses_metrics_that_exist() -> None:
    dashboard = json.loads((ROOT / "docs" / "dashboard.json").read_text())
    queries = [
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())
    ]
    assert len(queries) >= 8
    cache = TTLCache[str, int](1, 60)
    throttler = Throttler([RateLimit("metrics/z", 3, 1)])
    there = set(re.findall(r"^# TYPE (\w+)", scrape(), re.MULTILINE))
    there |= {f"{name}{end}" for name in there for end in ("_bucket", "_sum", "_count")}
    used = {name for query in queries for name in re.findall(r"sluicegate_\w+", query)}
    assert used <= there
    # And the page tells what each of them means.
    page = (ROOT / "docs" / "watching.md").read_text()
    named = {name for name in there if not name.endswith(("_bucket", "_sum", "_count", "_created"))}
    assert {name for name in named if f"`{name}`" not in page} == set()
    del cache, throttler


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("9464", ("127.0.0.1", 9464)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:80", ("::1", 80)),
        ("a", None),
        ("", None),
        ("70000", None),
        ("-1", None),
        ("0", None),
    ],
)
def test_a_place_is_a_port_or_an_address_and_a_port(
    text: str, place: tuple[str, int] | None
) -> None:
    if place is not None:
        assert read(text) == place
    else:
        with pytest.raises(ValueError, match="write a port"):
            read(text)


def test_run_serves_metrics_from_the_programs_own_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    code = """
import sys
from sluicegate import RateLimit, Throttler
throttler = Throttler([RateLimit("/served", 5, 60)])
throttler.charge("/served")
print("ready", flush=True)
sys.stdin.read()
"""
    words = ["-m", "sluicegate", "run", "--metrics", port, "-c", code]
    program = subprocess.Popen(
        [sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert program.stdout is not None
        program.stdout.readline()
        text = ""
        until = time.monotonic() + 20
        while not text and time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                    text = answer.read().decode()
            except urllib.error.URLError:
                time.sleep(0.05)
        assert value(text, "sluicegate_limit_used_units", limit="/served") == 1
    finally:
        program.kill()
        program.communicate()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no os.fork here")
def test_a_forked_child_does_not_keep_the_port_of_its_parent() -> None:
    code = """
import os, socket, sys
from sluicegate.metrics import serve
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
serve(port)
child = os.fork()
if child == 0:
    print(port, flush=True)
    sys.stdin.read()
os._exit(0)
"""
    words = [sys.executable, "-W", "ignore", "-c", code]
    program = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        port = int(program.stdout.readline())
        assert program.wait() == 0
        # The child is alive. Nobody listens, so who asks is told so at once.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
    finally:
        program.communicate()
