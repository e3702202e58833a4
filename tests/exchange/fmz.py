"""An FMZ-style exchange and a strategy's world, on a clock that tests move."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sluicegate import Throttler
from sluicegate._core import ManualClock
from sluicegate.exchange import LimitedExchange, limit

NOON = 1_780_315_200.0
"""12:00:00 of 1 June 2026, in UTC."""


class Exchange:
    """Answers at once, and remembers what it was asked."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.label = "A"

    def __repr__(self) -> str:
        return f"<Exchange {self.label}>"

    @property
    def total(self) -> int:
        return len(self.seen)

    def _answer(self, name: str, *args: Any) -> dict[str, Any]:
        self.seen.append(name)
        return {"Name": name, "Args": args, "Last": 60000.0}

    def GetTicker(self, symbol: str = "BTC_USDT") -> dict[str, Any]:
        return self._answer("GetTicker", symbol)

    def GetDepth(self, symbol: str = "BTC_USDT") -> dict[str, Any]:
        return self._answer("GetDepth", symbol)

    def GetAccount(self) -> dict[str, Any]:
        return self._answer("GetAccount")

    def GetPositions(self) -> dict[str, Any]:
        return self._answer("GetPositions")

    def CreateOrder(self, symbol: str, side: str, price: float, amount: float) -> dict[str, Any]:
        return self._answer("CreateOrder", symbol, side, price, amount)

    def CancelOrder(self, order: str) -> dict[str, Any]:
        return self._answer("CancelOrder", order)

    def Buy(self, price: float, amount: float) -> dict[str, Any]:
        return self.CreateOrder("BTC_USDT", "buy", price, amount)

    def Sell(self, price: float, amount: float) -> dict[str, Any]:
        return self.CreateOrder("BTC_USDT", "sell", price, amount)

    def IO(self, *args: Any) -> dict[str, Any]:
        return self._answer(f"IO/{args[0]}", *args[1:])

    def GetName(self) -> str:
        return "Stand-in"

    def GetRecords(self) -> None:
        raise ConnectionError("the exchange is down")


class World:
    """What a strategy finds: an exchange, `Sleep` and `Log`, on a clock of its own."""

    def __init__(self, hold: str = "start", timezone: str | None = "UTC") -> None:
        self.clock = ManualClock()
        self.clock.set_wall(NOON)
        self.throttler = Throttler([], clock=self.clock, hold=hold)  # type: ignore[arg-type]
        self.inner = Exchange()
        self.timezone = timezone
        self.exchange = self.limit(self.inner)
        self.log: list[tuple[float, tuple[object, ...]]] = []

    def limit(self, inner: Any, **options: Any) -> LimitedExchange:
        return limit(inner, throttler=self.throttler, timezone=self.timezone, **options)

    def Sleep(self, milliseconds: float) -> None:
        self.clock.advance(milliseconds / 1000)

    def Log(self, *what: object) -> None:
        self.log.append((round(self.clock.now, 6), what))

    def waiting(self) -> int:
        return sum(usage.waiting for usage in self.throttler.usage().values())

    def run(self, strategy: Callable[[], object]) -> None:
        """Runs a strategy, moving the clock on whenever it waits for its turn."""
        errors: list[BaseException] = []

        def main() -> None:
            try:
                strategy()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=main, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.0005)
            if self.waiting():
                usages = self.throttler.usage().values()
                steps = [use.resets_in for use in usages if use.waiting and use.resets_in > 0]
                if steps:
                    self.clock.advance(min(steps))
        if errors:
            raise errors[0]
