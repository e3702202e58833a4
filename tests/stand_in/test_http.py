"""The stand-in exchange over real HTTP, on loopback, with a clock that the test moves."""

import asyncio
import json
import socket
import threading
import urllib.request
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from sluicegate.testing import (
    BanRule,
    Endpoint,
    Limit,
    StandInExchange,
    Statistics,
    Table,
    binance_spot,
)
from sluicegate.testing.latency import Latency

SECOND = 1_000_000_000


class Clock:
    """Nanoseconds that pass only when a test lets them."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


SMALL = Table(
    limits=(Limit("REQUEST_WEIGHT", 10, 60.0), Limit("ORDERS", 2, 10.0)),
    endpoints=(
        Endpoint("GET", "/light", {"REQUEST_WEIGHT": 1}),
        Endpoint("GET", "/heavy", {"REQUEST_WEIGHT": 5}),
        Endpoint("POST", "/order", {"REQUEST_WEIGHT": 1, "ORDERS": 1}),
    ),
    default_weights={"REQUEST_WEIGHT": 2},
    ban=BanRule(tolerated=2, within=60.0, first=120.0),
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def exchange(clock: Clock) -> AsyncIterator[StandInExchange]:
    async with StandInExchange(SMALL, clock=clock) as running:
        yield running


@pytest.fixture
async def client(exchange: StandInExchange) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(exchange.url) as session:
        yield session


async def status(client: aiohttp.ClientSession, path: str, method: str = "GET") -> int:
    async with client.request(method, path) as response:
        await response.read()
        return response.status


async def test_request_is_answered_with_the_weight_it_used(client: aiohttp.ClientSession) -> None:
    for used in ("5", "10"):
        async with client.get("/heavy") as response:
            assert response.status == 200
            assert await response.json() == {}
            assert response.headers["X-MBX-USED-WEIGHT-1M"] == used


async def test_order_is_answered_with_the_order_count(client: aiohttp.ClientSession) -> None:
    async with client.post("/order") as response:
        assert response.headers["X-MBX-ORDER-COUNT-10S"] == "1"
        assert response.headers["X-MBX-USED-WEIGHT-1M"] == "1"


async def test_client_that_goes_one_over_is_rejected_and_reported(
    client: aiohttp.ClientSession, exchange: StandInExchange
) -> None:
    statuses = [await status(client, "/light") for _ in range(11)]
    assert statuses == [200] * 10 + [429]
    seen = exchange.statistics()
    assert (seen.accepted, seen.rejected) == (10, 1)
    assert seen.limit("REQUEST_WEIGHT").worst_window == 11


async def test_rejection_tells_when_to_come_back(
    client: aiohttp.ClientSession, clock: Clock
) -> None:
    await status(client, "/order", "POST")
    clock.now = SECOND // 2
    await status(client, "/order", "POST")
    clock.now = 7 * SECOND // 10
    async with client.post("/order") as response:
        assert response.status == 429
        # The rejected one counts too, so that two have to leave: in 9.8 s, which is rounded up.
        assert response.headers["Retry-After"] == "10"
        answer = await response.json()
    assert answer["code"] == -1015
    assert answer["retryAfter"] == 9.8
    assert "ORDERS is 2 per 10 seconds" in answer["msg"]
    clock.now += round(answer["retryAfter"] * SECOND)
    assert await status(client, "/order", "POST") == 200


async def test_client_that_goes_on_is_banned_and_told_until_when(
    client: aiohttp.ClientSession, clock: Clock, exchange: StandInExchange
) -> None:
    assert [await status(client, "/heavy") for _ in range(5)] == [200, 200, 429, 429, 418]
    clock.now += 20 * SECOND
    async with client.get("/light") as response:
        assert response.status == 418
        assert response.headers["Retry-After"] == "100"
        assert (await response.json())["code"] == -1003
    clock.now += 100 * SECOND
    assert await status(client, "/light") == 200
    assert exchange.statistics().bans == 1


async def test_unknown_path_is_404_and_costs_the_default(client: aiohttp.ClientSession) -> None:
    async with client.get("/nowhere") as response:
        assert response.status == 404
        assert "GET /nowhere" in (await response.json())["msg"]
        assert response.headers["X-MBX-USED-WEIGHT-1M"] == "2"
    assert await status(client, "/order", "GET") == 404


async def test_statistics_over_http_are_those_of_the_object(
    client: aiohttp.ClientSession, exchange: StandInExchange, clock: Clock
) -> None:
    await asyncio.gather(*(status(client, "/light") for _ in range(12)))
    clock.now += SECOND
    async with client.get("/stand-in/stats") as response:
        seen = Statistics.from_json(await response.json())
    assert seen == exchange.statistics()
    assert seen.requests == 12
    assert seen.elapsed == 1.0


async def test_reset_forgets_arrivals_bans_and_statistics(
    client: aiohttp.ClientSession, exchange: StandInExchange
) -> None:
    assert await status(client, "/heavy") == 200
    assert 418 in [await status(client, "/heavy") for _ in range(6)]
    assert await status(client, "/stand-in/reset", "POST") == 200
    assert exchange.statistics().requests == 0
    assert await status(client, "/heavy") == 200


async def test_request_counts_when_it_arrives_between_sending_and_answer() -> None:
    loop = asyncio.get_running_loop()
    before, after = Latency(0.06, 0.06, seed=1).draw()
    async with (
        StandInExchange(SMALL, latency=(0.06, 0.06), seed=1) as exchange,
        aiohttp.ClientSession(exchange.url) as client,
    ):
        sent = loop.time()
        assert await status(client, "/light") == 200
        answered = loop.time()
        arrived = loop.time() - exchange.statistics().elapsed
    # Lower bounds only: a busy machine makes each part longer, never shorter.
    assert arrived - sent >= before * 0.99
    assert answered - arrived >= after * 0.99


def test_latencies_stay_in_their_range_and_arrivals_anywhere_within() -> None:
    latency = Latency(0.02, 0.25, seed=7)
    drawn = [latency.draw() for _ in range(1_000)]
    assert all(0.02 <= before + after <= 0.25 + 1e-9 for before, after in drawn)
    assert all(before >= 0 and after >= 0 for before, after in drawn)
    parts = [before / (before + after) for before, after in drawn]
    assert min(parts) < 0.05
    assert max(parts) > 0.95


def test_same_seed_draws_the_same_latencies() -> None:
    one, other = Latency(0.0, 1.0, seed=3), Latency(0.0, 1.0, seed=3)
    assert [one.draw() for _ in range(9)] == [other.draw() for _ in range(9)]


async def test_endpoint_added_while_it_runs_is_served_and_charged(
    client: aiohttp.ClientSession, exchange: StandInExchange
) -> None:
    async def balances(request: web.Request) -> dict[str, str]:
        return {"asset": request.query["asset"]}

    exchange.add_endpoint(Endpoint("GET", "/balances", {"REQUEST_WEIGHT": 4}), balances)
    async with client.get("/balances?asset=BTC") as response:
        assert await response.json() == {"asset": "BTC"}
        assert response.headers["X-MBX-USED-WEIGHT-1M"] == "4"


async def test_endpoint_added_again_takes_the_place_of_the_first(
    client: aiohttp.ClientSession, exchange: StandInExchange
) -> None:
    exchange.add_endpoint(Endpoint("GET", "/heavy", {"REQUEST_WEIGHT": 9}))
    async with client.get("/heavy") as response:
        assert response.headers["X-MBX-USED-WEIGHT-1M"] == "9"


async def test_endpoint_on_an_unknown_limit_changes_nothing(exchange: StandInExchange) -> None:
    before = exchange.table
    with pytest.raises(ValueError, match="names the limit 'WEIGHT'"):
        exchange.add_endpoint(Endpoint("GET", "/new", {"WEIGHT": 4}))
    assert exchange.table is before


async def test_handler_may_give_a_response_of_its_own() -> None:
    handlers = {("get", "/light"): lambda _: web.Response(text="tea", status=503)}
    async with (
        StandInExchange(SMALL, handlers=handlers) as exchange,
        aiohttp.ClientSession(exchange.url) as client,
        client.get("/light") as response,
    ):
        assert (response.status, await response.text()) == (503, "tea")
        assert response.headers["X-MBX-USED-WEIGHT-1M"] == "1"


BINANCE = [
    ("GET", "ping", {}),
    ("GET", "time", {"serverTime"}),
    ("GET", "exchangeInfo", {"rateLimits", "symbols"}),
    ("GET", "depth?symbol=BTCUSDT&limit=5", {"lastUpdateId", "bids", "asks"}),
    ("GET", "ticker/price?symbol=BTCUSDT", {"symbol", "price"}),
    ("GET", "ticker/24hr?symbol=BTCUSDT", {"lastPrice", "volume"}),
    ("GET", "ticker/bookTicker?symbol=BTCUSDT", {"bidPrice", "askPrice"}),
    ("POST", "order?symbol=BTCUSDT&side=SELL", {"orderId", "status"}),
    ("DELETE", "order?symbol=BTCUSDT&orderId=28", {"orderId", "status"}),
]


async def test_binance_endpoints_answer_plausibly() -> None:
    async with StandInExchange() as exchange, aiohttp.ClientSession(exchange.url) as client:
        for method, path, names in BINANCE:
            async with client.request(method, f"/api/v3/{path}") as response:
                assert response.status == 200, path
                assert (await response.json()).keys() >= set(names), path
        async with client.get("/api/v3/depth?symbol=BTCUSDT&limit=5") as response:
            book = await response.json()
            assert len(book["bids"]) == len(book["asks"]) == 5
            assert float(book["bids"][0][0]) < float(book["asks"][0][0])
        async with client.get("/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=3") as response:
            candles = await response.json()
            assert [len(candle) for candle in candles] == [12, 12, 12]
            assert candles[1][0] - candles[0][0] == 60_000
        async with client.get("/api/v3/ticker/price") as response:
            assert len(await response.json()) > 1


async def test_request_is_charged_by_its_query() -> None:
    async with StandInExchange() as exchange, aiohttp.ClientSession(exchange.url) as client:
        for query, used in (("limit=100", "5"), ("limit=500", "30"), ("limit=5000", "280")):
            async with client.get(f"/api/v3/depth?symbol=BTCUSDT&{query}") as response:
                assert response.headers["X-MBX-USED-WEIGHT-1M"] == used


async def test_exchange_info_lists_the_limits_of_the_table() -> None:
    async with (
        StandInExchange(binance_spot(minute=6)) as exchange,
        aiohttp.ClientSession(exchange.url) as client,
        client.get("/api/v3/exchangeInfo") as response,
    ):
        limits = (await response.json())["rateLimits"]
    assert limits[0] == {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "SECOND",
        "intervalNum": 6,
        "limit": 6000,
    }
    assert [limit["rateLimitType"] for limit in limits[1:3]] == ["ORDERS", "ORDERS"]


def test_program_without_an_event_loop_serves_from_a_thread() -> None:
    # Threads of an earlier test may end in between: only new ones count.
    before = set(threading.enumerate())
    with StandInExchange(SMALL) as exchange:
        assert set(threading.enumerate()) - before
        with urllib.request.urlopen(f"{exchange.url}/heavy") as response:
            assert json.load(response) == {}
        assert exchange.statistics().accepted == 1
    assert not set(threading.enumerate()) - before


def test_stopped_exchange_has_no_address_and_frees_its_port() -> None:
    with StandInExchange(SMALL) as exchange:
        port = int(exchange.url.rsplit(":", 1)[1])
    with pytest.raises(RuntimeError, match="not running"):
        _ = exchange.url
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))


def test_port_that_is_taken_is_an_error_where_it_is_started() -> None:
    with StandInExchange(SMALL) as first:
        port = int(first.url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match="address already in use"), StandInExchange(port=port):
            pass


async def test_exchange_that_runs_is_not_started_again(exchange: StandInExchange) -> None:
    with pytest.raises(RuntimeError, match="running already"):
        await exchange.start()
    with pytest.raises(RuntimeError, match="running already"), exchange:
        pass
    assert exchange.url


async def test_request_under_way_is_answered_when_it_stops() -> None:
    exchange = StandInExchange(SMALL, latency=(1, 1))
    await exchange.start()
    async with aiohttp.ClientSession(exchange.url) as client:
        request = asyncio.create_task(status(client, "/light"))
        await asyncio.sleep(0.3)
        await exchange.stop()
        assert await request == 200


@pytest.mark.parametrize(
    ("latency", "message"),
    [
        ((-0.1, 0.2), r"latency must be 0 seconds or more .*, got -0.1"),
        ((0.3, 0.2), r"got \(0.3, 0.2\), whose first is the longer one"),
        ((0.1, float("nan")), "got nan"),
        (("20ms", 1), "two numbers of seconds, got '20ms'"),
    ],
)
def test_latency_that_cannot_be_is_refused(latency: tuple[float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StandInExchange(latency=latency)
