"""The paths under /stand-in/, by which another process steers the exchange and reads its counts.

They take and give JSON, take no latency, count nowhere, and never fail. A value that is not allowed
is answered 400 with `{"error": …}`, and changes nothing. A request that a web page sends is
answered 403 (see `origin`).
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sluicegate.tables.ban import BanRule
from sluicegate.tables.values import check_names, read_json, shown
from sluicegate.testing.habits import Habits
from sluicegate.testing.origin import foreign
from sluicegate.testing.others import Others
from sluicegate.testing.price import Price

if TYPE_CHECKING:
    from sluicegate.testing.exchange import StandInExchange

PREFIX = "/stand-in/"
STATISTICS_PATH = "/stand-in/stats"
RESET_PATH = "/stand-in/reset"
CALLS_PATH = "/stand-in/calls"
DELIST_PATH = "/stand-in/delist"
RELIST_PATH = "/stand-in/relist"
PRICES_PATH = "/stand-in/prices"
LATENCY_PATH = "/stand-in/latency"
FAIL_PATH = "/stand-in/fail"
HEAL_PATH = "/stand-in/heal"
OTHERS_PATH = "/stand-in/others"
LIMITS_PATH = "/stand-in/limits"
BAN_PATH = "/stand-in/ban"
CLOCK_PATH = "/stand-in/clock"
HABITS_PATH = "/stand-in/habits"

FAIL_NAMES = ("share", "every", "status", "drop", "overload", "paths", "seed")


class Control:
    """Answers the paths under /stand-in/ of one exchange."""

    def __init__(self, exchange: "StandInExchange") -> None:
        """The control of this exchange."""
        self._exchange = exchange
        self._answers: dict[tuple[str, str], Callable[[Mapping[str, Any]], Any]] = {
            ("GET", STATISTICS_PATH): lambda _: exchange.statistics().to_json(),
            ("POST", RESET_PATH): _bare("reset", exchange.reset),
            ("DELETE", CALLS_PATH): _bare("calls", exchange.clear_calls),
            ("POST", DELIST_PATH): self._delist,
            ("POST", RELIST_PATH): self._relist,
            ("POST", PRICES_PATH): self._set_prices,
            ("POST", LATENCY_PATH): self._set_latency,
            ("POST", FAIL_PATH): self._fail,
            ("POST", HEAL_PATH): _bare("heal", exchange.heal),
            ("POST", OTHERS_PATH): self._set_others,
            ("POST", LIMITS_PATH): exchange.set_limits,
            ("POST", BAN_PATH): self._set_ban,
            ("POST", CLOCK_PATH): self._set_clock,
            ("POST", HABITS_PATH): self._set_habits,
        }

    async def answer(self, request: web.Request) -> web.Response | None:
        """The answer; None if the request is for another path, and so for the exchange."""
        if not request.path.startswith(PREFIX):
            return None
        refusal = foreign(request.headers)
        if refusal is not None:
            return _error(refusal, 403)
        key = (request.method, request.path)
        if key == ("GET", CALLS_PATH):
            calls = self._exchange.calls(request.query.get("path"))
            return web.json_response([call.to_json() for call in calls])
        answer = self._answers.get(key)
        if answer is None:
            return None
        try:
            return web.json_response(answer(await _read(request)) or {})
        except ValueError as error:
            return _error(str(error), 400)

    def _delist(self, given: Mapping[str, Any]) -> None:
        check_names("delist", given, ("symbols", "vanish"))
        self._exchange.market.delist(*_symbols(given), vanish=given.get("vanish", False))

    def _relist(self, given: Mapping[str, Any]) -> None:
        check_names("relist", given, ("symbols",))
        self._exchange.market.relist(*_symbols(given))

    def _set_prices(self, given: Mapping[str, Any]) -> None:
        self._exchange.market.set_prices({symbol: _price(symbol, x) for symbol, x in given.items()})

    def _set_latency(self, given: Mapping[str, Any]) -> None:
        if given.keys() != {"shortest", "longest"}:
            raise ValueError(
                f'latency must be {{"shortest": seconds, "longest": seconds}}, got {shown(given)}'
            )
        self._exchange.latency = (given["shortest"], given["longest"])

    def _fail(self, given: Mapping[str, Any]) -> None:
        check_names("fail", given, FAIL_NAMES)
        self._exchange.fail(**given)

    def _set_others(self, given: Mapping[str, Any]) -> None:
        self._exchange.set_others({name: _others(name, x) for name, x in given.items()})

    def _set_ban(self, given: Mapping[str, Any]) -> None:
        check_names("ban", given, _names(BanRule))
        self._exchange.set_ban(BanRule(**given))

    def _set_clock(self, given: Mapping[str, Any]) -> None:
        if given.keys() != {"skew"}:
            raise ValueError(f'clock must be {{"skew": seconds}}, got {shown(given)}')
        self._exchange.skew = given["skew"]

    def _set_habits(self, given: Mapping[str, Any]) -> None:
        check_names("habits", given, _names(Habits))
        self._exchange.habits = Habits(**given)


def _bare(name: str, act: Callable[[], None]) -> Callable[[Mapping[str, Any]], None]:
    """An act that takes nothing."""

    def answer(given: Mapping[str, Any]) -> None:
        check_names(name, given, ())
        act()

    return answer


def _error(message: str, status: int) -> web.Response:
    return web.json_response({"error": message}, status=status)


async def _read(request: web.Request) -> Mapping[str, Any]:
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise ValueError("the body must be at most 1 MiB") from None
    except web.RequestPayloadError as error:
        raise ValueError(f"the body cannot be read: {error}") from None
    given = read_json(body) if body else {}
    if not isinstance(given, Mapping):
        raise ValueError(f"the body must be a JSON object, got {shown(given)}")
    return given


def _symbols(given: Mapping[str, Any]) -> list[str]:
    symbols = given.get("symbols")
    if not isinstance(symbols, list) or not all(isinstance(name, str) for name in symbols):
        raise ValueError(f'symbols must be a list such as ["BTCUSDT"], got {shown(symbols)}')
    return symbols


def _price(symbol: str, given: Any) -> Price:
    if not isinstance(given, Mapping):
        return Price(given)
    check_names(f"the price of {symbol}", given, ("last", "bid", "ask"))
    if "last" not in given:
        raise ValueError(f"the price of {symbol} needs 'last', got {shown(given)}")
    return Price(**given)


def _others(limit: str, given: Any) -> Others | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        return Others(given)
    check_names(f"others of {limit}", given, _names(Others))
    if "share" not in given:
        raise ValueError(f"others of {limit} need 'share', got {shown(given)}")
    return Others(**given)


def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
