"""What Gate, Bitget, Coinbase, MEXC, HTX, Hyperliquid and dYdX answer: use, and refusals."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any

import pytest

from sluicegate import tables
from sluicegate.tables import Endpoint, Header, Limit, Refusal, Table
from tests.tables.asking import DATE, NOW, ask
from tests.tables.fake_throttler import FakeThrottler

# ---- Gate

GATE_TICKERS = "https://api.gateio.ws/api/v4/spot/tickers"
GATE_ORDERS = "https://api.gateio.ws/api/v4/spot/orders"


def test_gate_tells_what_is_left_of_an_endpoints_own_limit() -> None:
    headers = {
        "X-Gate-RateLimit-Requests-Remain": "199",
        "X-Gate-RateLimit-Limit": "200",
        "X-Gate-RateLimit-Reset-Timestamp": str(NOW),
    }
    heard, fake = ask("gate", "GET", GATE_TICKERS, 200, headers)
    assert heard.means == "ok"
    assert fake.observed == [("GET /api/v4/spot/tickers", {"remaining": 199, "limit": 200})]


def test_gates_headers_say_nothing_of_the_limit_that_orders_share() -> None:
    headers = {"X-Gate-RateLimit-Requests-Remain": "0", "X-Gate-RateLimit-Limit": "5"}
    order = {"currency_pair": "BTC_USDT", "side": "buy"}
    assert not ask("gate", "POST", GATE_ORDERS, 201, headers, {}, order)[1].observed


def test_gate_429_closes_the_markets_orders_until_the_reset_of_its_own_clock() -> None:
    headers = {"X-Gate-RateLimit-Reset-Timestamp": str(NOW + 2), **DATE}
    body = {"label": "TOO_MANY_REQUESTS", "message": "Request Rate limit Exceeded (211)"}
    order = {"currency_pair": "BTC_USDT", "side": "buy"}
    heard, fake = ask("gate", "POST", GATE_ORDERS, 429, headers, body, order)
    assert heard.means == "over"
    assert fake.paused == [("SPOT_ORDERS [BTC_USDT]", pytest.approx(3.0))]


def test_gate_too_fast_is_of_withdrawals_alone() -> None:
    url = "https://api.gateio.ws/api/v4/withdrawals"
    _, fake = ask("gate", "POST", url, 400, {}, {"label": "TOO_FAST", "message": "…"})
    assert fake.observed == [("POST /api/v4/withdrawals", {"remaining": 0})]
    assert ask("gate", "POST", url, 400, {}, {"label": "INVALID_PARAM_VALUE"})[0].means == "ok"


# ---- Bitget


def test_bitgets_used_header_tells_what_remains() -> None:
    url = "https://api.bitget.com/api/v2/spot/trade/place-order"
    headers = {"x-mbx-used-remain-limit": "9"}
    _, fake = ask("bitget", "POST", url, 200, headers, {"code": "00000"}, {"symbol": "BTCUSDT"})
    assert fake.observed == [("POST /api/v2/spot/trade/place-order", {"remaining": 9})]


def test_bitget_429_has_the_endpoint_count_as_full_and_not_the_address() -> None:
    url = "https://api.bitget.com/api/v2/spot/market/tickers"
    heard, fake = ask("bitget", "GET", url, 429, {}, {"code": "429", "msg": "Too Many Requests"})
    assert heard.limits == ("GET /api/v2/spot/market/tickers",)
    assert fake.observed == [("GET /api/v2/spot/market/tickers", {"remaining": 0})]


# ---- Coinbase


def test_coinbase_429_empties_the_bucket_of_the_request_alone() -> None:
    url = "https://api.exchange.coinbase.com/products/BTC-USD/book?level=2"
    heard, fake = ask("coinbase-exchange", "GET", url, 429, {}, {"message": "Public rate limit"})
    assert (heard.means, heard.limits) == ("over", ("PUBLIC",))
    assert fake.observed == [("PUBLIC", {"remaining": 0})]


def test_coinbases_accounts_have_a_bucket_of_their_own() -> None:
    own = tables.load("coinbase-exchange").endpoint("GET", "/accounts").own
    assert own
    assert (own.kind, own.limit, own.limit / own.interval) == ("bucket", 50, 25)
    url = "https://api.exchange.coinbase.com/accounts"
    assert ask("coinbase-exchange", "GET", url, 429)[0].limits == ("GET /accounts",)


# ---- MEXC


def test_mexc_429_closes_what_the_order_takes_from_for_the_time_that_it_tells() -> None:
    url = "https://api.mexc.com/api/v3/order"
    heard, fake = ask("mexc", "POST", url, 429, {"Retry-After": "7"}, {"code": 429})
    assert heard.means == "over"
    assert sorted(fake.paused) == [("ACCOUNT", 8.0), ("ADDRESS", 8.0), ("ORDERS", 8.0)]


def test_mexc_418_is_a_ban_of_everything() -> None:
    url = "https://api.mexc.com/api/v3/depth?symbol=BTCUSDT"
    heard, fake = ask("mexc", "GET", url, 418, {"Retry-After": "120"})
    assert heard.means == "banned"
    assert fake.paused == [(None, 121.0)]


# ---- HTX

HTX_PLACE = "https://api.huobi.pro/v1/order/orders/place"


def test_htx_tells_what_is_left_of_an_endpoints_own_limit() -> None:
    headers = {"X-HB-RateLimit-Requests-Remain": "99", "X-HB-RateLimit-Requests-Expire": "1000"}
    _, fake = ask("htx", "POST", HTX_PLACE, 200, headers, {"status": "ok"})
    assert fake.observed == [("POST /v1/order/orders/place", {"remaining": 99})]


@pytest.mark.parametrize(
    ("url", "body"),
    [
        (HTX_PLACE, {"status": "error", "err-code": "rate-too-many-requests", "err-msg": ""}),
        (HTX_PLACE, {"status": "error", "err-code": "base-request-exceed-frequency-limit"}),
        ("https://api.huobi.pro/v2/algo-orders", {"code": 1006, "message": "Exceed rate limit"}),
    ],
)
def test_htx_refuses_with_http_200(url: str, body: Any) -> None:
    assert tables.load("htx").needs_body(200)
    heard, fake = ask("htx", "POST", url, 200, {}, body)
    assert (heard.means, heard.wait) == ("over", None)
    assert fake.observed == [
        (f"POST {url.removeprefix('https://api.huobi.pro')}", {"remaining": 0})
    ]


def test_htx_other_errors_are_no_refusals() -> None:
    body = {"status": "error", "err-code": "account-frozen-balance-insufficient-error"}
    assert ask("htx", "POST", HTX_PLACE, 200, {}, body)[0].means == "ok"
    order = {"code": 200, "data": {"orderSize": "1006", "code": 10060}}
    assert ask("htx", "POST", HTX_PLACE, 200, {}, order)[0].means == "ok"


# ---- Hyperliquid

HYPERLIQUID = "https://api.hyperliquid.xyz"
ORDER = {"action": {"type": "order", "orders": [{}]}}
CANCEL = {"action": {"type": "cancel", "cancels": [{}]}}


def test_hyperliquids_actions_that_are_too_many_for_the_volume_wait_10_seconds() -> None:
    body = {
        "status": "err",
        "response": "Too many cumulative requests sent (97460 > 97456) for cumulative volume "
        "traded $87457.46. Place taker orders to free up 1 request per USDC traded.",
    }
    assert tables.load("hyperliquid").needs_body(200)
    heard, fake = ask("hyperliquid", "POST", f"{HYPERLIQUID}/exchange", 200, {}, body, ORDER)
    assert (heard.means, heard.limits) == ("over", ("ACTIONS",))
    # Neither information nor cancels wait.
    assert fake.paused == [("ACTIONS", 11.0)]
    assert "ACTIONS" not in tables.load("hyperliquid").route("POST", "/exchange", CANCEL).takes


def test_hyperliquids_other_errors_are_no_refusals() -> None:
    body = {"status": "err", "response": "Order must have minimum value of $10."}
    assert (
        ask("hyperliquid", "POST", f"{HYPERLIQUID}/exchange", 200, {}, body, ORDER)[0].means == "ok"
    )


CANDLES = {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "1m"}}
CANDLE = {"t": 1681923600000, "T": 1681924499999, "s": "BTC", "i": "15m", "o": "29295.0", "n": 189}


@pytest.mark.parametrize(("n", "units"), [(0, 0), (1, 1), (60, 1), (61, 2), (5000, 84)])
def test_hyperliquids_candles_cost_in_the_end_what_they_returned(n: int, units: int) -> None:
    route = tables.load("hyperliquid").route("POST", "/info", CANDLES)
    assert {name: taken for name, (_, taken) in route.takes.items()} == {"ADDRESS": 20 + 84}
    heard, fake = ask("hyperliquid", "POST", "/info", 200, {}, [CANDLE] * n, CANDLES)
    assert heard.means == "ok"
    assert fake.corrected == ([("ADDRESS", units - 84)] if units < 84 else [])


@pytest.mark.parametrize(("status", "body"), [(200, ""), (500, [CANDLE]), (429, [CANDLE])])
def test_hyperliquids_answers_that_nobody_saw_cost_the_most(status: int, body: Any) -> None:
    assert not ask("hyperliquid", "POST", "/info", status, {}, body, CANDLES)[1].corrected
    assert not ask("hyperliquid", "POST", "/info", status, {}, None, CANDLES)[1].corrected


def test_hyperliquids_items_are_counted_in_bodies_of_any_form() -> None:
    table = tables.load("hyperliquid")
    text = json.dumps([CANDLE] * 61)
    for body in (text, text.encode(), bytearray(text.encode()), [CANDLE] * 61):
        fake = FakeThrottler(table)
        table.listen(fake, "POST", "/info", 200, {}, body, query=CANDLES)  # type: ignore[arg-type]
        assert fake.corrected == [("ADDRESS", -82)]


def test_hyperliquid_429_has_the_address_count_as_full() -> None:
    query = {"type": "allMids"}
    heard, fake = ask("hyperliquid", "POST", f"{HYPERLIQUID}/info", 429, {}, "null", query)
    assert heard.limits == ("ADDRESS",)
    assert fake.observed == [("ADDRESS", {"remaining": 0})]


# ---- dYdX

DYDX_CANDLES = "https://indexer.dydx.trade/v4/candles/perpetualMarkets/BTC-USD?resolution=1MIN"


def test_dydx_tells_what_is_left_of_the_pool_of_the_source() -> None:
    reset = str(NOW * 1000 + 4_000)
    headers = {
        "RateLimit-Limit": "100",
        "RateLimit-Remaining": "97",
        "RateLimit-Reset": reset,
        **DATE,
    }
    _, fake = ask("dydx", "GET", DYDX_CANDLES, 200, headers)
    [(limit_id, told)] = fake.observed
    assert limit_id == "CANDLES"
    assert (told["limit"], told["remaining"]) == (100, 97)
    assert told["reset"] == pytest.approx(4.0)


def test_dydx_retry_after_is_in_milliseconds() -> None:
    heard, fake = ask("dydx", "GET", DYDX_CANDLES, 429, {"Retry-After": "4521"})
    assert heard.wait == pytest.approx(5.521)
    assert fake.paused == [("CANDLES", pytest.approx(5.521))]


def test_dydx_429_without_retry_after_waits_until_the_reset() -> None:
    headers = {"RateLimit-Reset": str(NOW * 1000 + 3_000), **DATE}
    _, fake = ask("dydx", "GET", DYDX_CANDLES, 429, headers)
    assert fake.paused == [("CANDLES", pytest.approx(4.0))]


# ---- All


@pytest.mark.parametrize(
    "name",
    [
        "gate",
        "bitget",
        "htx",
        "mexc",
        "coinbase-exchange",
        "coinbase-advanced",
        "hyperliquid",
        "dydx",
    ],
)
def test_an_answer_that_refuses_nothing_is_ok(name: str) -> None:
    bodies: list[Any] = [{"code": "00000"}, {"status": "ok"}, [], "", "{", '["1006"]', None]
    for status in (200, 400, 401, 403, 404, 500, 502):
        for body in bodies:
            heard, fake = ask(name, "GET", "/nowhere", status, {}, body)
            assert heard.means == "ok"
            assert not fake.paused
            assert not fake.observed


@pytest.mark.parametrize("name", tables.names())
def test_what_http_itself_says_is_heard_of_every_exchange(name: str) -> None:
    """Also where its documents do not name Retry-After, or a status that every server may send."""
    table = tables.load(name)
    endpoint = next(x for x in table.endpoints if x.method != "WS" and (x.weights or x.limit))
    for body in (None, "", "<html>Too Many Requests</html>"):
        heard, fake = ask(name, endpoint.method, endpoint.path, 429, {"Retry-After": "9"}, body)
        if name == "bybit":  # Its 429 is overload.
            assert (heard.means, fake.paused) == ("overloaded", [])
        else:
            wait = 1.009 if name == "dydx" else 10.0  # It tells milliseconds.
            assert (heard.means, heard.wait) == ("over", pytest.approx(wait))
            assert fake.paused
            assert all(seconds == pytest.approx(wait) for _, seconds in fake.paused)
        heard, fake = ask(name, endpoint.method, endpoint.path, 418, {"Retry-After": "9"}, body)
        assert (heard.means, fake.paused) == ("banned", [(None, 10.0)])
        heard, fake = ask(name, endpoint.method, endpoint.path, 503, {"Retry-After": "9"}, body)
        assert heard.means == "overloaded"
        heard, fake = ask(name, endpoint.method, endpoint.path, 503, {}, body)
        assert (heard.means, fake.paused, fake.observed) == ("overloaded", [], [])


def test_a_429_that_no_refusal_of_a_table_fits_is_heard() -> None:
    """Who writes down the codes of his exchange alone must not be banned for that."""
    refusals = (Refusal("over", code=("50011",), limits=("ALL",)),)
    table = Table((Limit("ALL", 9, 60.0, ""),), (), {"ALL": 1}, refusals=refusals)
    for headers, told in (({}, "observed"), ({"Retry-After": "4"}, "paused")):
        fake = FakeThrottler(table)
        heard = table.listen(fake, "GET", "/a", 429, headers, b'{"code": 1}')  # type: ignore[arg-type]
        assert heard.means == "over"
        assert getattr(fake, told)
    fake = FakeThrottler()
    assert table.listen(fake, "GET", "/a", 418).means == "banned"  # type: ignore[arg-type]


def test_a_date_where_a_number_is_documented_is_read_all_the_same() -> None:
    date = formatdate(NOW + 30, usegmt=True)
    heard, _ = ask("dydx", "GET", DYDX_CANDLES, 429, {"Retry-After": date, **DATE})
    assert heard.wait == pytest.approx(31.0)


def test_a_limit_below_what_a_request_took_that_was_served_is_not_believed() -> None:
    table = Table(
        (Limit("ALL", 100, 60.0, "", headers=(Header("X-Limit", "limit"),)),),
        (Endpoint("GET", "/heavy", {"ALL": 40}),),
    )
    for status, told, observed in [
        (200, "39", []),
        (200, "40", [("ALL", {"limit": 40})]),
        (429, "39", [("ALL", {"limit": 39}), ("ALL", {"remaining": 0})]),
    ]:
        fake = FakeThrottler(table)
        table.listen(fake, "GET", "/heavy", status, {"X-Limit": told})  # type: ignore[arg-type]
        assert fake.observed == observed
