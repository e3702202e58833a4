"""The stand-in exchange in a process of its own, steered over HTTP."""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType
from typing import Any

import requests


class StandIn:
    """An exchange with so many markets, and CoinGecko beside it, as long as the block lasts.

    Args:
        markets: How many symbols it trades against USDT.
        seconds: How long each of its answers takes.
    """

    def __init__(self, markets: int, seconds: float) -> None:
        """It does not run yet."""
        self._words = [sys.executable, "-m", "sluicegate.testing", "--coingecko"]
        self._words += ["--markets", str(markets), "--latency", str(seconds), str(seconds)]
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> StandIn:
        """Starts it, and waits until it answers."""
        self._process = subprocess.Popen(
            self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("the stand-in exchange did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends it."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    @property
    def coin_gecko(self) -> str:
        """CoinGecko's address."""
        return f"{self.url}/coingecko/api/v3/"

    def calls(self) -> int:
        """How many calls the exchange has answered since `forget_calls`; CoinGecko's are none."""
        return sum(call["path"].startswith("/api/") for call in self._steer("GET", "calls"))

    def forget_calls(self) -> None:
        """Counts from 0 again."""
        self._steer("DELETE", "calls")

    def take(self, seconds: float) -> None:
        """From now on, each answer takes so long."""
        self._steer("POST", "latency", {"shortest": seconds, "longest": seconds})

    def delist(self, symbols: list[str]) -> None:
        """These trade no more: a request for one of them is refused with 400."""
        self._steer("POST", "delist", {"symbols": symbols})

    def _steer(self, method: str, what: str, body: object = None) -> Any:
        answer = requests.request(method, f"{self.url}/stand-in/{what}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()
