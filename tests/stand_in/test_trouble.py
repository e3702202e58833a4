"""The stand-in exchange in trouble: requests that fail, and answers that take long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sluicegate.testing import BanRule, Endpoint, Limit, StandInExchange, Table
from sluicegate.testing.failing import Failing
from tests.stand_in.client import ask

PING, TIME = "/api/v3/ping", "/api/v3/time"


@pytest.fixture
async def exchange() -> AsyncIterator[StandInExchange]:
    async with StandInExchange() as running:
        yield running


@pytest.fixture
async def client(exchange: StandInExchange) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(exchange.url) as session:
        yield session


async def statuses(client: aiohttp.ClientSession, path: str, count: int) -> list[int]:
    return [(await ask(client, path))[0] for _ in range(count)]


async def test_all_requests_fail_until_it_heals(
    client: aiohttp.ClientSession, exchange: StandInExchange
) -> None:
    exchange.fail()
    status, answer = await ask(client, "ping")
    assert (status, answer["code"]) == (503, -1001)
    exchange.fail(status=500)
    assert await statuses(client, "ping", 2) == [500, 500]
    exchange.heal()
    assert await statuses(client, "ping", 2) == [200, 200]
    assert exchange.statistics().failed == 3


async def test_each_nth_request_of_some_paths_fails(
    client: aiohttp.ClientSession, exchange: StandInExchange
) -> None:
    exchange.fail(every=3, paths=[PING])
    assert await statuses(client, "time", 3) == [200, 200, 200]
    assert await statuses(client, "ping", 6) == [200, 200, 503, 200, 200, 503]


def test_share_fails_about_so_many_and_the_same_ones_for_a_seed() -> None:
    one, other = Failing(share=0.25, seed=5), Failing(share=0.25, seed=5)
    picked = [one.picks(PING) for _ in range(2_000)]
    assert picked == [other.picks(PING) for _ in range(2_000)]
    assert 400 < sum(picked) < 600
    rest = Failing(share=0.25, seed=6)
    assert picked != [rest.picks(PING) for _ in range(2_000)]


async def test_dropped_connection_has_no_answer_and_is_in_the_log(
    client: aiohttp.ClientSession, exchange: StandInExchange
) -> None:
    exchange.fail(drop=True)
    # The one method that aiohttp's client does not send anew by itself.
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ask(client, "order", method="POST")
    exchange.heal()
    assert await statuses(client, "ping", 1) == [200]
    assert [call.status for call in exchange.calls()] == [None, 200]


async def test_request_that_fails_counts_against_its_limits(
    client: aiohttp.ClientSession, exchange: StandInExchange
) -> None:
    exchange.fail()
    async with client.get(TIME) as response:
        assert response.headers["X-MBX-USED-WEIGHT-1M"] == "1"
    assert exchange.statistics().accepted == 1


async def test_request_over_a_limit_is_rejected_and_does_not_fail() -> None:
    table = Table((Limit("R", 1, 60.0),), (Endpoint("GET", PING, {"R": 1}),), ban=BanRule())
    async with StandInExchange(table) as exchange, aiohttp.ClientSession(exchange.url) as client:
        exchange.fail()
        assert await statuses(client, "ping", 2) == [503, 429]
        assert exchange.statistics().failed == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"share": 0}, "share must be above 0 and at most 1, got 0"),
        ({"share": 1.5}, "share must be above 0 and at most 1, got 1.5"),
        ({"every": 0}, "every must be a whole number of at least 1, got 0"),
        ({"share": 0.5, "every": 2}, "give share or every, not both: got 0.5 and 2"),
        ({"status": 404}, "status must be from 500 to 599, got 404"),
        ({"paths": PING}, "paths must be a list such as"),
        ({"paths": ["ping"]}, "paths must begin with '/', got 'ping'"),
    ],
)
async def test_trouble_that_cannot_be_changes_nothing(
    client: aiohttp.ClientSession, exchange: StandInExchange, given: dict[str, Any], message: str
) -> None:
    exchange.fail(status=500)
    with pytest.raises(ValueError, match=message):
        exchange.fail(**given)
    assert await statuses(client, "ping", 1) == [500]


async def test_latency_set_while_it_runs_holds_for_the_next_request(
    client: aiohttp.ClientSession, exchange: StandInExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("sluicegate.testing.exchange.asyncio.sleep", sleep)
    assert exchange.latency == (0.0, 0.0)
    await ask(client, "ping")
    assert slept == []
    exchange.latency = (3_600, 3_600)
    await ask(client, "ping")
    assert sum(slept) == pytest.approx(3_600)
    with pytest.raises(ValueError, match="whose first is the longer one"):
        exchange.latency = (2, 1)
    assert exchange.latency == (3_600, 3_600)


async def test_status_of_a_handler_that_raises_is_in_the_log(
    client: aiohttp.ClientSession, exchange: StandInExchange
) -> None:
    def closed(request: web.Request) -> None:
        raise web.HTTPForbidden

    exchange.add_endpoint(Endpoint("GET", "/account", {}), closed)
    async with client.get("/account") as response:
        assert response.status == 403
    assert exchange.calls("/account")[0].status == 403
