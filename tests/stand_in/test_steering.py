"""Another process steers the stand-in exchange over HTTP, or starts it with options."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from sluicegate.testing import Market, Price, StandInExchange, Statistics, load_table
from tests.stand_in.client import ask, steer


@pytest.fixture
async def exchange() -> AsyncIterator[StandInExchange]:
    async with StandInExchange(market=Market()) as running:
        yield running


@pytest.fixture
async def client(exchange: StandInExchange) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(exchange.url) as session:
        yield session


async def test_delist_and_relist(client: aiohttp.ClientSession, exchange: StandInExchange) -> None:
    assert await steer(client, "delist", {"symbols": ["BTC/USDT", "ETHUSDT"]}) == (200, {})
    assert exchange.market.trading == ("BNBUSDT", "SOLUSDT", "XRPUSDT")
    assert len(exchange.market.symbols) == 5
    await steer(client, "delist", {"symbols": ["BTC/USDT"], "vanish": True})
    assert len(exchange.market.symbols) == 4
    assert await steer(client, "relist", {"symbols": ["BTCUSDT", "ETHUSDT"]}) == (200, {})
    assert len(exchange.market.trading) == 5


async def test_prices(client: aiohttp.ClientSession, exchange: StandInExchange) -> None:
    body = {"BTC/USDT": {"last": 10, "bid": 9, "ask": 11}, "ETHUSDT": 20}
    assert await steer(client, "prices", body) == (200, {})
    assert exchange.market.price("BTCUSDT") == Price(10, 9, 11)
    assert exchange.market.price("ETHUSDT") == Price(20)


async def test_latency(client: aiohttp.ClientSession, exchange: StandInExchange) -> None:
    assert await steer(client, "latency", {"shortest": 0, "longest": 0.4}) == (200, {})
    assert exchange.latency == (0, 0.4)


async def test_fail_and_heal_while_the_control_itself_never_fails(
    client: aiohttp.ClientSession,
) -> None:
    given = {"every": 2, "status": 500, "paths": ["/api/v3/ping"]}
    assert await steer(client, "fail", given) == (200, {})
    assert [(await ask(client, "ping"))[0] for _ in range(3)] == [200, 500, 200]
    assert await steer(client, "fail") == (200, {})
    assert (await ask(client, "time"))[0] == 503
    assert await steer(client, "heal") == (200, {})
    assert (await ask(client, "time"))[0] == 200


async def test_calls_are_read_and_cleared(
    client: aiohttp.ClientSession, exchange: StandInExchange
) -> None:
    await ask(client, "depth", symbol="BTCUSDT")
    await ask(client, "ping")
    _, calls = await steer(client, "calls", method="GET")
    assert calls == [call.to_json() for call in exchange.calls()]
    _, calls = await steer(client, "calls?path=/api/v3/depth", method="GET")
    assert [call["query"] for call in calls] == [{"symbol": "BTCUSDT"}]
    _, stats = await steer(client, "stats", method="GET")
    assert stats["calls"] == {"GET /api/v3/depth": 1, "GET /api/v3/ping": 1}
    assert await steer(client, "calls", method="DELETE") == (200, {})
    assert await steer(client, "calls", method="GET") == (200, [])


async def test_others_take_a_share_until_they_are_sent_away(
    client: aiohttp.ClientSession, exchange: StandInExchange
) -> None:
    assert await steer(client, "others", {"REQUEST_WEIGHT": 0.5}) == (200, {})
    given = {"share": [[1, 0.5], [1, 0]], "every": 0.5, "seed": 1}
    assert await steer(client, "others", {"ORDERS": given}) == (200, {})
    _, stats = await steer(client, "stats", method="GET")
    seen = {limit["name"]: limit for limit in stats["limits"]}
    assert [name for name, limit in seen.items() if "others_timeline" in limit] == list(seen)
    assert Statistics.from_json(stats).limit("ORDERS").others_timeline == ()
    assert await steer(client, "others", {"REQUEST_WEIGHT": None}) == (200, {})
    await steer(client, "reset")
    assert exchange.statistics().requests == 0


async def test_limits_are_lowered_and_told(client: aiohttp.ClientSession) -> None:
    assert await steer(client, "limits", {"REQUEST_WEIGHT": 300, "ORDERS": 7}) == (200, {})
    _, info = await ask(client, "exchangeInfo")
    assert [x["limit"] for x in info["rateLimits"]][:2] == [300, 7]
    statuses = [(await ask(client, "depth", limit=5000))[0] for _ in range(2)]
    assert statuses == [200, 429]


async def test_ban_rule_habits_and_clock_are_changed(
    client: aiohttp.ClientSession, exchange: StandInExchange
) -> None:
    assert await steer(client, "ban", {"tolerated": 0, "first": 30, "prolong": 5}) == (200, {})
    given = {"retry_after": "ms", "headers": {"X-MBX-USED-WEIGHT-1M": "X-Used"}}
    assert await steer(client, "habits", given) == (200, {})
    assert await steer(client, "clock", {"skew": -2.5}) == (200, {})
    assert (exchange.skew, exchange.table.ban.prolong) == (-2.5, 5)
    _, answer = await ask(client, "time")
    assert -2_600 < answer["serverTime"] - time.time() * 1_000 < -2_400
    async with client.get("/api/v3/ping") as response:
        assert "X-Used" in response.headers
    await steer(client, "limits", {"RAW_REQUESTS": 1})
    async with client.get("/api/v3/ping") as response:
        assert response.status == 418
        assert 29_000 < int(response.headers["Retry-After"]) <= 30_000


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("others", {"WEIGHT": 0.5}, "no limit 'WEIGHT': the table has 'REQUEST_WEIGHT'"),
        ("others", {"ORDERS": 35}, "share must be above 0 and at most 1"),
        ("others", {"ORDERS": {"shaer": 1}}, "has no 'shaer': it takes share, every, seed"),
        ("others", {"ORDERS": {"every": 1}}, "others of ORDERS need 'share', got {'every': 1}"),
        ("limits", {"ORDERS": 0}, "must be a whole number of at least 1"),
        ("limits", {"ORDERS": 5, "REQUEST_WEIGHT": 10}, "must be 1 to 10, got"),
        ("limits", {"ORDER": 5}, "no limit 'ORDER': the table has"),
        ("ban", {"first": -1}, "first must be seconds above 0"),
        ("ban", {"lenght": 1}, "ban has no 'lenght': it takes tolerated"),
        ("clock", {"skew": "2"}, "skew must be a number of seconds from minus to plus ten years"),
        ("clock", {}, 'clock must be {"skew": seconds}, got {}'),
        ("habits", {"retry_after": "days"}, "retry_after must be one of seconds, http-date, ms"),
        ("habits", {"headers": {"X-No": ""}}, "no header 'X-No': the table has 'X-MBX-USED"),
        ("fail", {"overload": True, "drop": True}, "give overload alone"),
        ("delist", {"symbols": "BTCUSDT"}, "must be a list such as"),
        ("delist", {}, 'symbols must be a list such as ["BTCUSDT"], got None'),
        ("delist", {"symbols": ["DOGEUSDT"]}, "no symbol 'DOGEUSDT'"),
        ("delist", {"symbols": ["BTCUSDT"], "vanihs": True}, "it takes symbols, vanish"),
        ("prices", {"BTCUSDT": {"last": 1, "bid": 2}}, "bid must be at most ask"),
        ("prices", {"BTCUSDT": "1"}, "last must be a price, got '1'"),
        ("prices", {"BTCUSDT": 10**400}, "at least 1e-08 (and at most 1e+15), got 1000"),
        ("prices", {"BTCUSDT": 1e308}, "at least 1e-08 (and at most 1e+15), got 1e+308"),
        ("prices", {"": 5}, "a symbol must be a name such as 'BTCUSDT', got ''"),
        ("prices", {"BTCUSDT": {"lats": 1}}, "has no 'lats': it takes last, bid, ask"),
        ("prices", {"BTCUSDT": {"bid": 1}}, "the price of BTCUSDT needs 'last'"),
        ("delist", {"symbols": ["BTCUSDT"], "vanish": "no"}, "must be true or false, got 'no'"),
        ("latency", {"longest": 1}, 'must be {"shortest": seconds, "longest": seconds}'),
        ("latency", {"shortest": 2, "longest": 1}, "whose first is the longer one"),
        ("fail", {"share": 2}, "share must be above 0 and at most 1, got 2"),
        ("latency", {"shortest": 0, "longest": 1e300}, "at most 86,400, a day), got 1e+300"),
        ("latency", {"shortest": 10**400, "longest": 10**400}, "at most 86,400, a day), got 1000"),
        ("fail", {"shaer": 0.2}, "fail has no 'shaer': it takes share, every"),
        ("fail", {"drop": "no"}, "drop must be true or false, got 'no'"),
        ("fail", {"paths": 5}, "paths must be a list such as"),
        ("fail", {"seed": [1]}, "seed must be a whole number, or left out, got [1]"),
        ("reset", {"all": True}, "reset has no 'all': it takes nothing"),
        ("fail", [1], "the body must be a JSON object, got [1]"),
    ],
)
async def test_what_cannot_be_is_400_and_says_what_would_be_right(
    client: aiohttp.ClientSession, exchange: StandInExchange, path: str, body: Any, message: str
) -> None:
    status, answer = await steer(client, path, body)
    assert status == 400
    assert message in answer["error"]
    assert len(exchange.market.trading) == 5
    assert (await ask(client, "ping"))[0] == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[" * 100_000, "nested too deeply: use fewer brackets"),
        (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "nested too deeply: use fewer brackets"),
        (b'{"share":' + b"9" * 5_000 + b"}", "a number with too many digits"),
        (b"\xff", "must be UTF-8 text"),
        (b"{share: 1}", "this is not JSON: Expecting property name"),
        (b"x" * 2_000_000, "the body must be at most 1 MiB"),
    ],
)
async def test_body_that_cannot_be_read_is_400_and_says_why(
    client: aiohttp.ClientSession, body: bytes, message: str
) -> None:
    # Whatever encoding the header claims, a body is read as JSON is: in UTF-8.
    header = {"Content-Type": "application/json; charset=klingon"}
    async with client.post("/stand-in/fail", data=BytesIO(body), headers=header) as response:
        assert response.status == 400
        assert message in (await response.json())["error"]


async def test_body_that_cannot_be_unpacked_is_400(
    client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    header = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    async with client.post("/stand-in/fail", data=b"no gzip", headers=header) as response:
        assert response.status == 400
        assert "the body cannot be read" in (await response.json())["error"]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=x", b"garbage"),
        ("multipart/form-data", b"garbage"),
        ("application/x-www-form-urlencoded; charset=klingon", b"symbol=BTCUSDT"),
        ("application/x-www-form-urlencoded", b"symbol=\xff\xfe"),
    ],
)
async def test_order_whose_body_cannot_be_read_is_refused(
    client: aiohttp.ClientSession, kind: str, body: bytes
) -> None:
    header = {"Content-Type": kind}
    async with client.post("/api/v3/order", data=body, headers=header) as response:
        assert (response.status, (await response.json())["code"]) == (400, -1102)


async def test_other_paths_and_methods_are_the_exchanges_own(
    client: aiohttp.ClientSession, exchange: StandInExchange
) -> None:
    for method, path in (("GET", "delist"), ("POST", "nonsense")):
        status, answer = await steer(client, path, {}, method=method)
        assert (status, answer["code"]) == (404, 404)
    assert exchange.statistics().requests == 2


def test_process_of_its_own_trades_as_many_markets_as_it_is_told_to() -> None:
    command = [sys.executable, "-m", "sluicegate.testing", "--markets", "120", "--coingecko"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}/api/v3/ticker/price") as response:
            assert len(json.load(response)) == 120
        with urllib.request.urlopen(f"{url}/coingecko/api/v3/coins/list") as response:
            assert json.load(response)
        process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize("wrong", [None, 0.5, "REQUEST_WEIGHT", b"x", ["REQUEST_WEIGHT"], object()])
def test_arguments_of_a_wrong_type_are_refused_with_what_would_be_right(wrong: Any) -> None:
    exchange = StandInExchange()
    with pytest.raises(TypeError, match="others must be by name of limit, as"):
        exchange.set_others(wrong)
    with pytest.raises(TypeError, match="limits must be by name of limit, as"):
        exchange.set_limits(wrong)
    with pytest.raises(TypeError, match=r"habits must be Habits\(…\), got"):
        exchange.habits = wrong
    with pytest.raises(ValueError, match="ban of a table must be a BanRule, got"):
        exchange.set_ban(wrong)
    if wrong is not None:
        with pytest.raises(TypeError, match="table must be a Table, such as load_table"):
            StandInExchange(wrong)
    with pytest.raises(ValueError, match="no table and no file ''"):
        load_table("")


def test_process_of_no_market_says_what_would_be_right() -> None:
    command = [sys.executable, "-m", "sluicegate.testing", "--markets", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "size must be a whole number from 1 to 1,000,000, got 0" in done.stderr
