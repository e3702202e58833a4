"""The paths under /stand-in/ by which another process steers the exchange, and asks what it saw.

They take and give JSON, take no latency, count nowhere, and never fail. What cannot be is answered
400 with `{"error": …}`, and changes nothing.
"""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sluicegate.testing.price import Price

if TYPE_CHECKING:
    from sluicegate.testing.exchange import StandInExchange

STATISTICS_PATH = "/stand-in/stats"
RESET_PATH = "/stand-in/reset"
CALLS_PATH = "/stand-in/calls"
DELIST_PATH = "/stand-in/delist"
RELIST_PATH = "/stand-in/relist"
PRICES_PATH = "/stand-in/prices"
LATENCY_PATH = "/stand-in/latency"
FAIL_PATH = "/stand-in/fail"
HEAL_PATH = "/stand-in/heal"


class Control:
    """Answers the paths under /stand-in/ of one exchange."""

    def __init__(self, exchange: "StandInExchange") -> None:
        """The control of this exchange."""
        self._exchange = exchange
        self._answers: dict[tuple[str, str], Callable[[Mapping[str, Any]], Any]] = {
            ("GET", STATISTICS_PATH): lambda _: exchange.statistics().to_json(),
            ("POST", RESET_PATH): lambda _: exchange.reset(),
            ("DELETE", CALLS_PATH): lambda _: exchange.clear_calls(),
            ("POST", DELIST_PATH): self._delist,
            ("POST", RELIST_PATH): self._relist,
            ("POST", PRICES_PATH): self._set_prices,
            ("POST", LATENCY_PATH): self._set_latency,
            ("POST", FAIL_PATH): lambda given: exchange.fail(**given),
            ("POST", HEAL_PATH): lambda _: exchange.heal(),
        }

    async def answer(self, request: web.Request) -> web.Response | None:
        """The answer; None if the request is for another path, and so for the exchange."""
        key = (request.method, request.path)
        if key == ("GET", CALLS_PATH):
            calls = self._exchange.calls(request.query.get("path"))
            return web.json_response([call.to_json() for call in calls])
        answer = self._answers.get(key)
        if answer is None:
            return None
        try:
            # A misspelt name is a TypeError of the method that is called.
            return web.json_response(answer(await _read(request)) or {})
        except (TypeError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)

    def _delist(self, given: Mapping[str, Any]) -> None:
        options = {**given}
        self._exchange.market.delist(*_symbols(options), **options)

    def _relist(self, given: Mapping[str, Any]) -> None:
        options = {**given}
        self._exchange.market.relist(*_symbols(options), **options)

    def _set_prices(self, given: Mapping[str, Any]) -> None:
        self._exchange.market.set_prices(
            {
                symbol: Price(**price) if isinstance(price, Mapping) else price
                for symbol, price in given.items()
            }
        )

    def _set_latency(self, given: Mapping[str, Any]) -> None:
        if given.keys() != {"shortest", "longest"}:
            raise ValueError(
                f'latency must be {{"shortest": seconds, "longest": seconds}}, got {given!r}'
            )
        self._exchange.latency = (given["shortest"], given["longest"])


async def _read(request: web.Request) -> Mapping[str, Any]:
    text = await request.text()
    given = json.loads(text) if text else {}
    if not isinstance(given, Mapping):
        raise ValueError(f"the body must be a JSON object, got {given!r}")
    return given


def _symbols(given: dict[str, Any]) -> list[str]:
    """The symbols of a body, which are taken out of it."""
    symbols = given.pop("symbols", None)
    if not isinstance(symbols, list) or not all(isinstance(name, str) for name in symbols):
        raise ValueError(f'symbols must be a list such as ["BTCUSDT"], got {symbols!r}')
    return symbols
