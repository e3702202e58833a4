"""What is special about single exchanges: what its page says, and what the table makes of it."""

import pytest

from sluicegate import tables


def units(name: str, method: str, path: str, query: object = None) -> dict[str, int]:
    """What a request takes from which limits."""
    route = tables.load(name).route(method, path, query)
    return {limit: units for limit, (_, units) in route.takes.items()}


def rate(name: str, limit: str) -> tuple[int, float]:
    found = next(x for x in tables.load(name).limits if x.name == limit)
    return found.limit, found.limit / found.interval


# ---- Gate


def test_gate_counts_spot_orders_by_market() -> None:
    order = {"currency_pair": "BTC_USDT", "side": "buy"}
    assert units("gate", "POST", "/api/v4/spot/orders", order) == {"SPOT_ORDERS [BTC_USDT]": 1}
    amended = units("gate", "PATCH", "/api/v4/spot/orders/7?currency_pair=ETH_USDT")
    assert amended == {"SPOT_ORDERS [ETH_USDT]": 1}
    triggered = units("gate", "POST", "/api/v4/spot/price_orders", {"market": "BTC_USDT"})
    assert triggered["SPOT_ORDERS [BTC_USDT]"] == 1


def test_gate_counts_each_order_of_a_batch_for_its_market() -> None:
    batch = [{"currency_pair": pair} for pair in ("BTC_USDT", "ETH_USDT", "BTC_USDT")]
    assert units("gate", "POST", "/api/v4/spot/batch_orders", batch) == {
        "SPOT_ORDERS [BTC_USDT]": 2,
        "SPOT_ORDERS [ETH_USDT]": 1,
    }
    futures = [{"contract": "BTC_USDT"}] * 4
    taken = units("gate", "POST", "/api/v4/futures/usdt/batch_orders", futures)
    assert taken == {"FUTURES_ORDERS": 4}


def test_gate_cancels_take_nothing_from_orders() -> None:
    for endpoint in tables.load("gate").endpoints:
        if endpoint.group == "cancel":
            assert endpoint.weights.keys() <= {"SPOT_CANCELS", "FUTURES_CANCELS"}


# ---- Bitget


def test_bitgets_used_header_tells_what_remains() -> None:
    (header,) = tables.load("bitget").headers
    assert header.name == "x-mbx-used-remain-limit"
    assert header.tells == "remaining"


def test_each_bitget_request_takes_from_its_own_limit_and_from_the_addresss() -> None:
    for endpoint in tables.load("bitget").endpoints:
        if endpoint.method == "WS":
            continue
        assert endpoint.own
        assert endpoint.weights == {"ADDRESS": 1}
        assert endpoint.own.scope == ("address" if endpoint.group == "market" else "account") or (
            endpoint.path == "/api/v2/mix/market/symbol-price"
        )


def test_bitgets_copy_traders_place_one_order_a_second() -> None:
    path = "/api/v2/spot/trade/place-order"
    assert tables.load("bitget").endpoint("POST", path).limit == 10
    assert tables.load("bitget", tier="copy-trader").endpoint("POST", path).limit == 1


# ---- Coinbase Exchange


@pytest.mark.parametrize(("limit", "burst", "a_second"), [("PUBLIC", 15, 10), ("PRIVATE", 30, 15)])
def test_coinbases_buckets_have_burst_and_rate_of_the_page(
    limit: str, burst: int, a_second: float
) -> None:
    assert rate("coinbase-exchange", limit) == (burst, pytest.approx(a_second))


def test_coinbases_fills_take_from_both_buckets() -> None:
    assert units("coinbase-exchange", "GET", "/fills", {"product_id": "BTC-USD"}) == {
        "PRIVATE": 1,
        "GET /fills": 1,
    }
    own = tables.load("coinbase-exchange").endpoint("GET", "/fills").own
    assert own
    assert (own.kind, own.limit, own.limit / own.interval) == ("bucket", 20, 10)


# ---- MEXC


def test_mexc_orders_take_weight_of_the_address_and_of_the_account() -> None:
    order = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=1"
    assert units("mexc", "POST", f"/api/v3/order?{order}") == {
        "ADDRESS": 1,
        "ACCOUNT": 1,
        "ORDERS": 1,
    }


def test_mexc_counts_each_order_of_a_batch() -> None:
    batch = {"batchOrders": '[{"symbol": "BTCUSDT"}, {"symbol": "ETHUSDT"}, {"symbol": "BTCUSDT"}]'}
    assert units("mexc", "POST", "/api/v3/batchOrders", batch)["ORDERS"] == 3


def test_mexc_statistics_of_all_symbols_cost_more() -> None:
    one = units("mexc", "GET", "/api/v3/ticker/24hr", {"symbol": "BTCUSDT"})
    assert one["ADDRESS"] < units("mexc", "GET", "/api/v3/ticker/24hr")["ADDRESS"]


# ---- HTX


def test_htx_endpoints_without_a_limit_share_the_old_rule() -> None:
    assert units("htx", "GET", "/v1/common/timestamp") == {"ADDRESS": 1}
    assert units("htx", "GET", "/v2/account/ledger") == {"KEY": 1}
    assert units("htx", "GET", "/v9/unknown") == {"ADDRESS": 1, "KEY": 1}


def test_htx_finds_a_path_with_an_account_in_it() -> None:
    found = tables.load("htx").find("GET", "https://api.huobi.pro/v1/account/accounts/42/balance")
    assert found == "GET /v1/account/accounts/{account-id}/balance"


# ---- Hyperliquid


@pytest.mark.parametrize(
    ("kind", "cost"),
    [
        ("allMids", 2),
        ("l2Book", 2),
        ("clearinghouseState", 2),
        ("meta", 20),
        ("userRole", 60),
        ("somethingNew", 20),
    ],
)
def test_hyperliquids_information_costs_by_the_type_in_the_body(kind: str, cost: int) -> None:
    body = f'{{"type": "{kind}", "user": "0x0"}}'
    assert units("hyperliquid", "POST", "https://api.hyperliquid.xyz/info", body) == {
        "ADDRESS": cost
    }


@pytest.mark.parametrize(("orders", "cost"), [(1, 1), (39, 1), (40, 2), (79, 2), (80, 3)])
def test_hyperliquids_batches_cost_one_more_for_each_forty(orders: int, cost: int) -> None:
    action = {"type": "order", "orders": [{"a": 0}] * orders}
    taken = units("hyperliquid", "POST", "/exchange", {"action": action, "nonce": 1})
    assert taken["ADDRESS"] == cost


def test_no_batch_of_hyperliquid_costs_less_than_the_page_says() -> None:
    for size in range(1, 1001):
        action = {"type": "cancel", "cancels": [{}] * size}
        assert (
            units("hyperliquid", "POST", "/exchange", {"action": action})["ADDRESS"]
            >= 1 + size // 40
        )


def test_hyperliquids_cancels_pass_while_the_budget_of_actions_is_used_up() -> None:
    (used_up,) = [x for x in tables.load("hyperliquid").refusals if x.text]
    assert used_up.limits == ("ACTIONS",)
    for action in ("cancel", "cancelByCloid", "scheduleCancel"):
        body = {"action": {"type": action}}
        assert "ACTIONS" not in units("hyperliquid", "POST", "/exchange", body)
    assert "ACTIONS" in units("hyperliquid", "POST", "/exchange", {"action": {"type": "order"}})


# ---- dYdX


def test_dydxs_limits_are_windows_that_the_first_request_opens() -> None:
    assert {x.kind for x in tables.load("dydx").limits} == {"first"}


def test_dydxs_retry_after_is_in_milliseconds_and_its_reset_an_instant() -> None:
    (over,) = tables.load("dydx").refusals
    assert over.wait[0] == tables.Wait(header="Retry-After", format="ms")
    formats = {x.format for limit in tables.load("dydx").limits for x in limit.headers}
    assert formats == {"", "epoch-ms"}


@pytest.mark.parametrize("limit", [None, 10, 100, 101, 1000])
def test_no_page_of_dydx_costs_less_than_in_its_source(limit: int | None) -> None:
    """Its source: 1 + (page - 1) * limit // 1000, of which more than 100 is always refused."""
    for page in [None, *range(1, 201)]:
        query = {k: str(v) for k, v in (("page", page), ("limit", limit)) if v is not None}
        cost = 1 + ((page or 1) - 1) * (limit or 1000) // 1000
        assert units("dydx", "GET", "/v4/fills", query)["FILLS"] >= min(cost, 100)


def test_dydxs_first_pages_and_small_pages_cost_one() -> None:
    for query in ({}, {"page": "1"}, {"page": "7", "limit": "50"}, {"limit": "1000"}):
        assert units("dydx", "GET", "/v4/trades/perpetualMarket/BTC-USD", query) == {"GET": 1}
