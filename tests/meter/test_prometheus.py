"""A real Prometheus that scrapes a bot: its graph is what the exchange counted."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sluicegate import LinkedLimitWeightPair, RateLimit, Throttler
from sluicegate.metrics import serve
from sluicegate.testing import StandInExchange, binance_spot, rolling

HOUR = 3_600.0
POOL = "prometheus/REQUEST_WEIGHT"
WEIGHTS = {"/api/v3/ping": 1, "/api/v3/depth": 5, "/api/v3/ticker/24hr": 2}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


class Prometheus:
    """Asks one that runs."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def is_ready(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self._url}/-/ready") as answer:
            return bool(answer.status == 200)
        return False

    def values(self, query: str) -> list[float]:
        """All samples of the one series that a query finds, oldest first."""
        words = urllib.parse.urlencode({"query": f"{query}[1h]"})
        with urllib.request.urlopen(f"{self._url}/api/v1/query?{words}") as answer:
            found = json.load(answer)["data"]["result"]
        assert len(found) <= 1
        return [float(value) for series in found for _, value in series["values"]]


@pytest.fixture
def scraped(tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes this process four times a second."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not there: install Debian's package to try this")
    own, its = free_port(), free_port()
    serve(own)
    job: dict[str, Any] = {
        "job_name": "bots",
        "scrape_interval": "250ms",
        "scrape_timeout": "250ms",
        "static_configs": [{"targets": [f"127.0.0.1:{own}"]}],
    }
    config = tmp_path / "prometheus.yml"
    config.write_text(json.dumps({"scrape_configs": [job]}))  # YAML, too.
    words = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{its}",
        "--log.level=error",
    ]
    with subprocess.Popen(words) as running:
        prometheus = Prometheus(its)
        until(prometheus.is_ready)
        yield prometheus
        running.terminate()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_the_graph_of_used_weight_is_what_the_exchange_counted(scraped: Prometheus) -> None:
    throttler = Throttler(
        [
            RateLimit(POOL, 6_000, HOUR),
            *(
                RateLimit(path, 6_000, HOUR, linked_limits=[LinkedLimitWeightPair(POOL, weight)])
                for path, weight in WEIGHTS.items()
            ),
        ]
    )
    labels = f'{{limit="{POOL}"}}'
    counted = [0]
    with StandInExchange(rolling(binance_spot(HOUR))) as exchange:
        for requests in (1, 7, 20, 3):
            for number in range(requests):
                path = list(WEIGHTS)[number % len(WEIGHTS)]
                url = f"{exchange.url}{path}?symbol=BTCUSDT"
                with throttler.execute_task(path), urllib.request.urlopen(url) as answer:
                    weight = int(answer.headers["X-MBX-USED-WEIGHT-1M"])
            counted.append(weight)
            until(
                lambda: scraped.values(f"sluicegate_limit_used_units{labels}")[-1:] == counted[-1:]
            )
        asked = len(exchange.calls())
    graph = scraped.values(f"sluicegate_limit_used_units{labels}")
    assert graph == sorted(graph)
    assert set(counted[1:]) <= set(graph)
    passed = scraped.values(f"sluicegate_limit_passed_requests_total{labels}")
    assert passed[-1] == asked == 31
