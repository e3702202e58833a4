"""A bot that starts, and does not know what was used before."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import ccxt
import ccxt.async_support as ccxt_async
import pytest

from sluicegate.ccxt import install
from sluicegate.clients.first_answer import PATIENCE
from sluicegate.testing import StandInExchange, binance_spot
from tests.ccxt.strict import Server, ask, asynchronous, synchronous
from tests.helpers.threads import auntil, until

AT_ONCE = 50
MINUTE = 30.0


@pytest.fixture
def at_the_limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInExchange]:
    """Binance spot, of whose weight all is used. Its minute is 30 s."""
    # A busy machine may need more than the 2 s for which requests wait for the first answer.
    monkeypatch.setattr("sluicegate.ccxt.first_answers.PATIENCE", 60.0)
    # Its minute begins now: if it ended meanwhile, nothing would be used up.
    begins = -(time.time() % MINUTE)
    table = binance_spot(minute=MINUTE)
    with StandInExchange(table, latency=(0.02, 0.05), seed=1, skew=begins) as exchange:
        for _ in range(24):
            url = f"{exchange.url}/api/v3/depth?symbol=BTCUSDT&limit=5000"
            with urllib.request.urlopen(url):
                pass
        yield exchange


def config(stand_in: StandInExchange) -> dict[str, Any]:
    api = dict.fromkeys(("public", "private", "v1", "v3", "sapi"), f"{stand_in.url}/api/v3")
    return {"apiKey": "k", "secret": "s", "urls": {"api": api}}


async def test_who_starts_at_the_limit_with_many_at_once_is_refused_once(
    at_the_limit: StandInExchange,
) -> None:
    install()
    exchange = ccxt_async.binance(config(at_the_limit))
    try:
        asked = [asyncio.ensure_future(exchange.publicGetPing()) for _ in range(AT_ONCE)]
        await auntil(lambda: at_the_limit.statistics().rejected > 0)
        # The others are asked at once, should the first answer not hold them.
        await asyncio.sleep(0.3)
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    finally:
        await exchange.close()
    seen = at_the_limit.statistics()
    assert (seen.rejected, seen.banned) == (1, 0)


def test_threads_of_many_objects_are_refused_once(at_the_limit: StandInExchange) -> None:
    install()

    # To make one takes long: they shall ask at the same time.
    asks = [ccxt.binance(config(at_the_limit)).publicGetPing for _ in range(20)]
    threads = [threading.Thread(target=_quietly, args=(ask,), daemon=True) for ask in asks]
    for thread in threads:
        thread.start()
    until(lambda: at_the_limit.statistics().rejected > 0)
    threading.Event().wait(0.3)
    assert at_the_limit.statistics().rejected == 1


def _quietly(what: Any) -> None:
    with contextlib.suppress(ccxt.NetworkError):
        what()


async def test_once_there_was_an_answer_all_go_at_once() -> None:
    install()
    server = Server(latency=(0.2, 0.2))
    exchange = asynchronous(server)
    await ask(exchange)
    before = len(server.arrivals)
    await asyncio.gather(*(ask(exchange) for _ in range(5)))
    arrivals = server.arrivals[before:]
    assert max(arrivals) - min(arrivals) < 0.2, "side by side"
    await exchange.close()


def test_if_the_first_fails_the_next_one_goes_alone() -> None:
    install()
    server = Server()
    exchange = synchronous(server)
    fetch, failed = exchange.fetch, []

    def fails(*args: Any, **kwargs: Any) -> Any:
        if not failed:
            failed.append(1)
            raise ccxt.RequestTimeout("no answer")
        return fetch(*args, **kwargs)

    exchange.fetch = fails
    with pytest.raises(ccxt.RequestTimeout):
        ask(exchange)
    for _ in range(3):
        ask(exchange)
    assert len(server.arrivals) == 3


async def test_nobody_waits_for_long_for_an_answer_that_does_not_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sluicegate.ccxt.first_answers.PATIENCE", 0.05)
    assert PATIENCE == 2.0
    install()
    server = Server(latency=(30.0, 30.0))
    exchange = asynchronous(server)
    asked = [asyncio.ensure_future(ask(exchange)) for _ in range(4)]
    drawn: list[int] = []
    draw = server.draw
    monkeypatch.setattr(server, "draw", lambda: (drawn.append(1), draw())[1])
    await auntil(lambda: len(drawn) == 4)
    for one in asked:
        one.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    await exchange.close()
