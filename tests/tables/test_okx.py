"""OKX V5: limits by instrument, batches, and the orders of an account."""

import pytest

from sluicegate import tables

TABLE = tables.load("okx")
ORDER = "/api/v5/trade/order"


def takes(method: str, path: str, query: object = None) -> dict[str, int]:
    route = TABLE.route(method, path, query)
    return {name: units for name, (_, units) in route.takes.items()}


def rate(method: str, path: str) -> tuple[int, float, str, tuple[str, ...]]:
    found = TABLE.endpoint(method, path)
    return found.limit, found.interval, found.scope, found.key


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("GET", "/api/v5/market/tickers", (20, 2, "address", ())),
        ("GET", "/api/v5/market/books", (40, 2, "address", ())),
        ("GET", "/api/v5/market/trades", (100, 2, "address", ())),
        ("GET", "/api/v5/public/time", (10, 2, "address", ())),
        ("GET", "/api/v5/public/instruments", (20, 2, "address", ("instType",))),
        ("GET", "/api/v5/public/funding-rate", (10, 2, "address", ("instId",))),
        ("GET", "/api/v5/account/balance", (10, 2, "account", ())),
        ("GET", ORDER, (60, 2, "account", ("instId",))),
        ("GET", "/api/v5/trade/orders-history-archive", (20, 2, "account", ())),
        ("POST", "/api/v5/account/set-leverage", (20, 2, "account", ())),
        ("POST", "/api/v5/account/bills-history-archive", (12, 86_400, "account", ())),
        ("GET", "/api/v5/asset/currencies", (6, 1, "account", ())),
    ],
)
def test_endpoints_have_the_limits_of_their_pages(
    method: str, path: str, limit: tuple[int, float, str, tuple[str, ...]]
) -> None:
    assert rate(method, path) == limit


def test_each_instrument_has_a_count_of_its_own_and_all_orders_one_together() -> None:
    btc = takes("POST", ORDER, {"instId": "BTC-USDT", "side": "buy"})
    eth = takes("POST", ORDER, {"instId": "ETH-USDT", "side": "buy"})
    assert btc == {"PLACE [BTC-USDT]": 1, "ORDERS": 1}
    assert eth == {"PLACE [ETH-USDT]": 1, "ORDERS": 1}


def test_cancels_are_no_orders_of_the_account() -> None:
    body = {"instId": "BTC-USDT", "ordId": "1"}
    assert takes("POST", "/api/v5/trade/cancel-order", body) == {"CANCEL [BTC-USDT]": 1}


def test_a_batch_of_one_counts_as_the_single_order_that_it_is() -> None:
    assert takes("POST", "/api/v5/trade/batch-orders", [{"instId": "BTC-USDT"}]) == {
        "PLACE [BTC-USDT]": 1,
        "ORDERS": 1,
    }


def test_a_batch_counts_each_order_with_its_instrument() -> None:
    body = [{"instId": "BTC-USDT"}, {"instId": "BTC-USDT"}, {"instId": "ETH-USDT"}]
    assert takes("POST", "/api/v5/trade/batch-orders", body) == {
        "POST /api/v5/trade/batch-orders [BTC-USDT]": 2,
        "POST /api/v5/trade/batch-orders [ETH-USDT]": 1,
        "ORDERS": 3,
    }
    assert "ORDERS" not in takes("POST", "/api/v5/trade/cancel-batch-orders", body)


def test_tiers_are_those_of_the_fill_ratio_and_of_lead_traders() -> None:
    sizes = {tier: TABLE.at(tier).limits for tier in TABLE.tiers}
    orders = {tier: limits[0].limit for tier, limits in sizes.items()}
    assert orders == {
        "tier2": 1250,
        "tier3": 1500,
        "tier4": 1750,
        "tier5": 2000,
        "tier6": 2500,
        "tier7": 3000,
        "tier8": 10_000,
        "lead-trader": 1000,
    }
    assert [x.limit for x in sizes["lead-trader"]][1:4] == [4, 4, 60]
