"""What runs within a request and is no part of it is paced by itself."""

from __future__ import annotations

import asyncio
import threading
from contextvars import copy_context
from typing import Any

import ccxt
import ccxt.async_support as ccxt_async
import pytest

from sluicegate.ccxt import install, installing, uninstall, usage
from tests.ccxt.strict import Server, ask, asynchronous, paces, synchronous

#: Older versions give each asynchronous object a `Throttler` of its own in the place of the method.
has_throttle = pytest.mark.skipif(
    not asyncio.iscoroutinefunction(ccxt_async.Exchange.throttle),
    reason="this ccxt has no asynchronous throttle()",
)


def used(exchange: Any) -> float:
    """Units of cost that are used."""
    return sum(one.used for one in paces(exchange).values()) / 1_000_000


def within(exchange: Any, *, run: Any) -> None:
    """Has an object's first `fetch` call this before it sends."""
    inner = exchange.fetch

    def fetch(*args: Any, **kwargs: Any) -> Any:
        exchange.fetch = inner
        run()
        return inner(*args, **kwargs)

    exchange.fetch = fetch


def within_async(exchange: Any, *, run: Any) -> None:
    """The same of an asynchronous object."""
    inner = exchange.fetch

    async def fetch(*args: Any, **kwargs: Any) -> Any:
        exchange.fetch = inner
        await run()
        return await inner(*args, **kwargs)

    exchange.fetch = fetch


def test_a_throttle_within_a_request_takes_from_the_budget() -> None:
    install()
    exchange = synchronous(Server())
    within(exchange, run=lambda: exchange.throttle(3))
    ask(exchange)
    assert used(exchange) == 4


def test_a_thread_that_a_request_starts_in_its_context_is_paced() -> None:
    install()
    exchange = synchronous(Server())

    def run() -> None:
        context = copy_context()
        thread = threading.Thread(target=context.run, args=(exchange.throttle, 3))
        thread.start()
        thread.join()

    within(exchange, run=run)
    ask(exchange)
    assert used(exchange) == 4


@has_throttle
async def test_tasks_that_a_request_starts_are_paced() -> None:
    install()
    exchange = asynchronous(Server())

    async def run() -> None:
        beside = asyncio.create_task(exchange.throttle(2))
        await asyncio.gather(exchange.throttle(3), ask(exchange))
        await beside

    within_async(exchange, run=run)
    await ask(exchange)
    assert used(exchange) == 7
    await exchange.close()


@has_throttle
async def test_a_task_that_a_request_started_is_paced_after_its_end() -> None:
    install()
    exchange = asynchronous(Server())
    go = asyncio.Event()
    tasks: list[asyncio.Task[Any]] = []

    async def background() -> None:
        await go.wait()
        await exchange.throttle(5)
        await ask(exchange)

    async def run() -> None:
        tasks.append(asyncio.create_task(background()))

    within_async(exchange, run=run)
    await ask(exchange)
    assert used(exchange) == 1
    go.set()
    await tasks[0]
    assert used(exchange) == 7
    await exchange.close()


@has_throttle
async def test_a_fetch2_of_the_user_s_may_ask_for_more_beside_ccxts_own() -> None:
    install()
    kind = type(asynchronous(Server()))

    class Dearer(kind):  # type: ignore[misc,valid-type]
        async def fetch2(self, *args: Any, **kwargs: Any) -> Any:
            answer, _ = await asyncio.gather(super().fetch2(*args, **kwargs), self.throttle(4))
            return answer

    exchange = Dearer({"rateLimit": 20})
    exchange.server = Server()
    await ask(exchange)
    assert used(exchange) == 5
    await exchange.close()


def test_a_pace_that_cannot_be_leaves_nothing_behind() -> None:
    install()
    exchange = synchronous(Server())
    exchange.rateLimit = "fast"
    with pytest.raises(TypeError, match="rateLimit must be a number"):
        exchange.throttle(1)
    exchange.rateLimit = 20
    ask(exchange)
    assert used(exchange) == 1


def test_an_answer_is_heard_although_the_user_s_method_does_not_call_ccxts() -> None:
    install()

    class Deaf(ccxt.bitstamp):  # type: ignore[misc]
        def on_rest_response(self, *args: Any) -> Any:
            return args[5]

        def fetch(self, url: str, method: str = "GET", *_: Any) -> Any:
            self.on_rest_response(429, "", url, method, {"Retry-After": "30"}, "{}", {}, None)
            raise ccxt.RateLimitExceeded("429")

    exchange = Deaf({"rateLimit": 20})
    own = Deaf.on_rest_response
    with pytest.raises(ccxt.RateLimitExceeded):
        ask(exchange)
    assert max(one.paused for one in usage(exchange).values()) > 29
    uninstall()
    assert Deaf.on_rest_response is own


def test_an_answer_is_heard_once_where_the_user_s_method_calls_ccxts() -> None:
    install()
    heard: list[int] = []

    class Listens(ccxt.bitstamp):  # type: ignore[misc]
        def on_rest_response(self, *args: Any) -> Any:
            heard.append(args[0])
            return super().on_rest_response(*args)

        def fetch(self, url: str, method: str = "GET", *_: Any) -> Any:
            return self.on_rest_response(200, "", url, method, {}, "{}", {}, None)

    listened: list[int] = []
    charges = installing.charges()
    listen = charges.listen

    def counted(*args: Any) -> None:
        listened.append(args[2])
        listen(*args)

    charges.listen = counted  # type: ignore[method-assign]
    exchange = Listens({"rateLimit": 20})
    assert ask(exchange) == "{}"
    assert (heard, listened) == ([200], [200])
