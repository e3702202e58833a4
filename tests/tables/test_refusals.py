"""What Bybit, OKX, KuCoin and Kraken answer when they refuse, and what it has a throttler do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tables.asking import DATE, NOW, ask

SPOT, FUTURES = "https://api.kucoin.com", "https://api-futures.kucoin.com"

# ---- Bybit


def test_bybit_tells_the_use_of_the_endpoint_in_its_headers() -> None:
    headers = {
        "X-Bapi-Limit": "20",
        "X-Bapi-Limit-Status": "19",
        "X-Bapi-Limit-Reset-Timestamp": str(NOW * 1000 + 400),
        **DATE,
    }
    query = {"category": "spot", "symbol": "BTCUSDT"}
    heard, fake = ask("bybit", "POST", "/v5/order/create", 200, headers, {"retCode": 0}, query)
    assert heard.means == "ok"
    [(limit_id, told)] = fake.observed
    assert limit_id == "POST /v5/order/create?category=spot"
    assert (told["limit"], told["remaining"]) == (20, 19)
    assert told["reset"] == pytest.approx(0.4)


def test_bybit_10006_closes_the_endpoint_alone_until_its_reset() -> None:
    headers = {"X-Bapi-Limit-Reset-Timestamp": str(NOW * 1000 + 500), **DATE}
    body = {"retCode": 10006, "retMsg": "Too many visits!"}
    heard, fake = ask("bybit", "GET", "/v5/order/realtime", 200, headers, body)
    assert heard.means == "over"
    [(limit_id, seconds)] = fake.paused
    assert limit_id == "GET /v5/order/realtime"
    assert seconds == pytest.approx(1.5)


def test_bybit_10006_without_its_header_has_the_endpoint_count_as_full() -> None:
    heard, fake = ask("bybit", "GET", "/v5/order/realtime", 200, {}, {"retCode": 10006})
    assert (heard.means, heard.wait) == ("over", None)
    assert fake.observed == [("GET /v5/order/realtime", {"remaining": 0})]


def test_bybit_10006_for_public_data_has_all_wait_a_moment() -> None:
    heard, fake = ask("bybit", "GET", "/v5/market/kline", 200, {}, {"retCode": 10006})
    assert heard.means == "over"
    assert fake.paused == [(None, 1.0)]


def test_bybit_403_closes_the_address_for_ten_minutes() -> None:
    heard, fake = ask("bybit", "GET", "/v5/market/kline", 403, {}, "403, access too frequent")
    assert heard.means == "banned"
    assert fake.paused == [("ADDRESS", 601.0), ("WS_CONNECTIONS", 601.0)]


def test_bybit_403_for_another_reason_is_no_ban() -> None:
    body = "The Amazon CloudFront distribution is configured to block access from your country."
    heard, fake = ask("bybit", "GET", "/v5/market/kline", 403, {}, body)
    assert heard.means == "ok"
    assert not fake.paused


@pytest.mark.parametrize(("status", "body"), [(429, ""), (200, {"retCode": 429})])
def test_bybit_under_load_pauses_nothing(status: int, body: Any) -> None:
    heard, fake = ask("bybit", "POST", "/v5/order/create", status, {}, body)
    assert heard.means == "overloaded"
    assert not fake.paused
    assert not fake.observed


# ---- OKX


@pytest.mark.parametrize("status", [200, 429])
def test_okx_50011_has_the_windows_of_the_request_count_as_full(status: int) -> None:
    body = {"code": "50011", "msg": "Too Many Requests", "data": []}
    heard, fake = ask("okx", "GET", "/api/v5/market/ticker?instId=BTC-USDT", status, {}, body)
    assert heard.means == "over"
    assert fake.observed == [("GET /api/v5/market/ticker", {"remaining": 0})]


def test_okx_50061_of_one_order_of_a_batch_fills_the_orders_of_the_account() -> None:
    orders = [{"instId": "BTC-USDT"}, {"instId": "ETH-USDT"}]
    body = {"code": "2", "data": [{"sCode": "0"}, {"sCode": "50061"}]}
    heard, fake = ask("okx", "POST", "/api/v5/trade/batch-orders", 200, {}, body, orders)
    assert heard.means == "over"
    assert fake.observed == [("ORDERS", {"remaining": 0})]


@pytest.mark.parametrize(("status", "code"), [(429, "50013"), (503, "50001")])
def test_okx_under_load_pauses_nothing(status: int, code: str) -> None:
    heard, fake = ask("okx", "GET", "/api/v5/account/balance", status, {}, {"code": code})
    assert heard.means == "overloaded"
    assert not fake.paused
    assert not fake.observed


# ---- KuCoin


def test_kucoin_tells_the_use_of_the_pool_that_the_request_took_from() -> None:
    headers = {
        "gw-ratelimit-limit": "6000",
        "gw-ratelimit-remaining": "5990",
        "gw-ratelimit-reset": "1489",
    }
    _, fake = ask("kucoin", "GET", f"{SPOT}/api/v1/hf/fills", 200, headers)
    assert fake.observed == [("SPOT", {"limit": 6000, "remaining": 5990, "reset": 1.489})]


def test_kucoin_429000_closes_its_pool_until_the_header_says() -> None:
    headers = {"gw-ratelimit-remaining": "0", "gw-ratelimit-reset": "12000"}
    heard, fake = ask(
        "kucoin", "GET", f"{FUTURES}/api/v1/positions", 429, headers, {"code": "429000"}
    )
    assert heard.means == "over"
    assert fake.paused == [("FUTURES", 13.0)]


def test_kucoin_429000_without_its_headers_is_no_usage() -> None:
    url = f"{FUTURES}/api/v1/positions"
    heard, fake = ask("kucoin", "GET", url, 429, {}, {"code": "429000"})
    assert heard.means == "overloaded"
    assert not fake.paused
    assert not fake.observed


# ---- Kraken


def test_kraken_tells_errors_with_200_and_each_of_its_own_counter() -> None:
    body = {"error": ["EAPI:Rate limit exceeded"]}
    heard, fake = ask("kraken", "POST", "/0/private/Balance", 200, {}, body)
    assert heard.means == "over"
    assert fake.observed == [("CALLS", {"remaining": 0})]
    body = {"error": ["EOrder:Rate limit exceeded"]}
    heard, fake = ask("kraken", "POST", "/0/private/EditOrder", 200, {}, body)
    assert fake.observed == [("TRADING", {"remaining": 0})]


def test_kraken_too_many_requests_fills_the_count_of_the_pair() -> None:
    body = {"error": ["EGeneral:Too many requests"]}
    heard, fake = ask("kraken", "GET", "/0/public/OHLC?pair=XBTUSD", 200, {}, body)
    assert heard.means == "over"
    assert fake.observed == [("PUBLIC_PAIR [XBTUSD]", {"remaining": 0})]


def test_kraken_throttled_closes_all_until_the_instant_that_it_tells() -> None:
    body = {"error": [f"EService: Throttled: {NOW + 5}"]}
    heard, fake = ask("kraken", "POST", "/0/private/Balance", 200, DATE, body)
    assert heard.means == "over"
    [(limit_id, seconds)] = fake.paused
    assert limit_id is None
    assert seconds == pytest.approx(6.0)


def test_kraken_throttled_without_an_instant_has_all_wait_a_moment() -> None:
    body = {"error": ["EService:Throttled"]}
    _, fake = ask("kraken", "POST", "/0/private/Balance", 200, DATE, body)
    assert fake.paused == [(None, 1.0)]


def test_kraken_lockout_closes_the_account_and_leaves_market_data() -> None:
    body = {"error": ["EGeneral:Temporary lockout"]}
    heard, fake = ask("kraken", "POST", "/0/private/Balance", 200, {}, body)
    assert heard.means == "banned"
    assert sorted(fake.paused) == [("CALLS", 901.0), ("TRADING", 901.0)]


def test_kraken_out_of_service_pauses_nothing() -> None:
    body = {"error": ["EService:Unavailable"]}
    heard, fake = ask("kraken", "POST", "/0/private/AddOrder", 200, {}, body)
    assert heard.means == "overloaded"
    assert not fake.paused


@pytest.mark.parametrize("name", ["bybit", "okx", "kucoin", "kraken"])
def test_an_answer_that_refuses_nothing_is_ok(name: str) -> None:
    bodies: list[Any] = [{"code": "0"}, {"retCode": 0}, {"error": []}, {"code": "200000"}, "", "{"]
    for body in bodies:
        heard, fake = ask(name, "GET", "/nowhere", 200, {}, body)
        assert heard.means == "ok"
        assert not fake.paused
