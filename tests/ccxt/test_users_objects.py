"""Objects as users make them: subclasses, sandboxes, callbacks, and what goes wrong in them."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from typing import Any

import ccxt
import ccxt.async_support as ccxt_async
import pytest

from sluicegate.ccxt import install, throttler, uninstall, usage
from tests.ccxt.strict import Server, ask, asynchronous, paces

PACE = "rateLimit 20 ms in 1000 ms"


class Answers(ccxt.bitstamp):  # type: ignore[misc]
    """Sends nothing."""

    def fetch(self, *_: Any, **__: Any) -> Any:
        return {}


def used(exchange: Any) -> dict[str, float]:
    return {name: one.used / 1_000_000 for name, one in paces(exchange).items()}


def in_flight(exchange: Any) -> list[int]:
    return [one.in_flight + one.waiting for one in usage(exchange).values() if one.in_flight]


def test_a_sandbox_has_a_budget_of_its_own_and_the_other_one_is_as_it_was() -> None:
    install()
    exchange = ccxt.binance()
    exchange.fetch = lambda *_, **__: {}
    exchange.publicGetPing()
    main = throttler(exchange)
    exchange.set_sandbox_mode(True)
    exchange.publicGetPing()
    assert throttler(exchange) is not main
    exchange.set_sandbox_mode(False)
    exchange.publicGetPing()
    assert throttler(exchange) is main


def test_another_hostname_is_another_budget() -> None:
    install()
    exchange = ccxt.bybit()
    exchange.fetch = lambda *_, **__: {}
    exchange.publicGetV5MarketTickers({"category": "spot"})
    main = throttler(exchange)
    exchange.hostname = "bybit.example"
    exchange.publicGetV5MarketTickers({"category": "spot"})
    assert throttler(exchange) is not main


def test_methods_of_a_subclass_that_call_ccxts_own_are_charged_once() -> None:
    class Mine(Answers):
        asked = 0

        def throttle(self, cost: Any = None) -> Any:
            Mine.asked += 1
            return super().throttle(cost)

        def fetch2(self, *args: Any, **kwargs: Any) -> Any:
            return super().fetch2(*args, **kwargs)

    install()
    exchange = Mine({"rateLimit": 20})
    for _ in range(3):
        ask(exchange)
    assert Mine.asked == 3
    assert used(exchange) == {PACE: 3}


def test_a_throttle_of_the_user_s_that_raises_leaves_nothing_in_flight() -> None:
    class Mine(Answers):
        def throttle(self, cost: Any = None) -> Any:
            raise ValueError(f"not now: {cost}")

    install()
    exchange = Mine({"rateLimit": 20})
    for _ in range(3):
        with pytest.raises(ValueError, match="not now"):
            ask(exchange)
    assert in_flight(exchange) == []


def test_what_a_subclass_sets_for_all_its_objects_counts() -> None:
    install()
    mine = type("Mine", (Answers,), {"https_proxy": "http://proxy:8080"})({"rateLimit": 20})
    ask(mine)
    assert used(mine) == {f"{PACE} via http://proxy:8080": 1}


def test_an_object_that_chooses_proxies_is_collected() -> None:
    class Mine(Answers):
        def choose(self, *_: Any) -> str:
            return "http://proxy:8080"

    install()
    exchange = Mine({"rateLimit": 20})
    exchange.httpsProxyCallback = exchange.choose
    ask(exchange)
    assert [name.partition(" via ")[2][:18] for name in used(exchange)] == ["httpsProxyCallback"]
    gone = weakref.ref(exchange)
    del exchange
    gc.collect()
    assert gone() is None


def test_a_method_that_chooses_proxies_is_one_egress_for_all_requests_and_objects() -> None:
    class Mine(Answers):
        def httpsProxyCallback(self, *_: Any) -> str:  # as ccxt calls it
            return "http://proxy:8080"

    install()
    for exchange in (Mine({"rateLimit": 20}), Mine({"rateLimit": 20})):
        ask(exchange)
        ask(exchange)
    assert list(used(exchange).values()) == [4]


def test_the_signing_that_shows_where_a_request_goes_changes_nothing_of_it() -> None:
    class Mine(Answers):
        def sign(self, path: Any, api: Any, method: Any, params: Any, *more: Any) -> Any:
            tags.append(params.pop("tag", None))
            return super().sign(path, api, method, params, *more)

    tags = list[Any]()
    install()
    Mine({"rateLimit": 20}).publicGetTickerPair({"pair": "btcusd", "tag": "T"})
    assert tags == ["T", "T"]


async def test_a_throttle_of_the_user_s_may_make_a_task_of_ccxts_own() -> None:
    server = Server()
    as_in_ccxt = asyncio.iscoroutinefunction(ccxt_async.bitstamp.throttle)  # In newer versions.
    install()

    class Mine(type(asynchronous(server))):  # type: ignore[misc]
        async def throttle(self, cost: Any = None) -> None:
            await asyncio.create_task(super().throttle(cost))

    exchange = Mine({"rateLimit": 20})
    exchange.server = server
    await ask(exchange)
    assert used(exchange) == {PACE: 1}
    assert asyncio.iscoroutinefunction(ccxt_async.bitstamp.throttle) == as_in_ccxt
    await exchange.close()


async def test_requests_that_wait_when_an_object_is_closed_go_on_and_leave_nothing() -> None:
    install()
    exchange = asynchronous(Server(), rateLimit=50)
    await asyncio.gather(*(ask(exchange) for _ in range(20)))
    waiting = [asyncio.create_task(ask(exchange)) for _ in range(10)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for task in waiting[:7]:
        task.cancel()
    await exchange.close()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in answers] == [True] * 7 + [False] * 3
    assert in_flight(exchange) == []
    assert used(exchange) == {"rateLimit 50 ms in 1000 ms": 3}


def test_event_loops_of_several_threads_share_an_object() -> None:
    install()
    server = Server()
    exchange = asynchronous(server)
    done: list[int] = []

    def run() -> None:
        async def many() -> None:
            done.append(len(await asyncio.gather(*(ask(exchange) for _ in range(20)))))

        asyncio.run(many())

    threads = [threading.Thread(target=run, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert done == [20] * 4
    assert server.over(50) == 0


async def test_requests_that_wait_when_the_drop_in_ends_still_leave_in_time() -> None:
    install()
    server = Server()
    exchange = asynchronous(server)
    waiting = asyncio.gather(*(ask(exchange) for _ in range(60)))
    await asyncio.sleep(0.1)
    uninstall()
    assert len(await asyncio.wait_for(waiting, 30)) == 60
    assert server.over(50) == 0
    assert isinstance(exchange, ccxt_async.bitstamp)
    await exchange.close()


def test_what_is_imported_after_the_installation_is_covered() -> None:
    program = """
import asyncio, sys
import sluicegate.ccxt

sluicegate.ccxt.install()
assert "ccxt.async_support" not in sys.modules
import ccxt.async_support as ccxt

async def main():
    exchange = ccxt.bitstamp()
    async def fetch(*_, **__):
        return {}
    exchange.fetch = fetch
    await exchange.publicGetTickerPair({"pair": "btcusd"})
    print([one.used for name, one in sluicegate.ccxt.usage(exchange).items() if "ms" in name])
    await exchange.close()

asyncio.run(main())
sluicegate.ccxt.uninstall()
print("__wrapped__" in vars(ccxt.Exchange.__init__), "__wrapped__" in vars(ccxt.Exchange.fetch2))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[1000000]\nFalse False\n", done.stderr
