"""Bybit V5: limits by product, orders of a batch, and levels."""

import pytest

from sluicegate import tables

TABLE = tables.load("bybit")


def own_limit(path: str, tier: str = "", **body: object) -> int:
    table = TABLE.at(tier) if tier else TABLE
    return table.endpoint("POST", f"/v5/order/{path}", body).limit


@pytest.mark.parametrize(
    ("path", "category", "limit"),
    [
        ("create", "spot", 20),
        ("create", "linear", 10),
        ("create", "inverse", 10),
        ("create", "option", 10),
        ("amend", "spot", 10),
        ("amend", "linear", 10),
        ("cancel", "spot", 20),
        ("cancel-all", "option", 1),
        ("cancel-all", "linear", 10),
        ("cancel-all", "spot", 20),
        ("create-batch", "spot", 20),
        ("pre-check", "spot", 20),
    ],
)
def test_orders_are_limited_by_their_product(path: str, category: str, limit: int) -> None:
    assert own_limit(path, category=category) == limit


def test_linear_and_inverse_share_a_limit_and_spot_has_another() -> None:
    ids = {
        category: TABLE.find("POST", "/v5/order/create", {"category": category})
        for category in ("spot", "linear", "inverse", "option")
    }
    assert ids["linear"] == ids["inverse"]
    assert len(set(ids.values())) == 3


def test_an_order_without_a_product_counts_against_the_strictest() -> None:
    assert own_limit("create") == 10


@pytest.mark.parametrize(
    ("tier", "category", "limit"),
    [
        ("vip1", "spot", 25),
        ("vip1", "linear", 20),
        ("vip3", "option", 60),
        ("vip-supreme", "spot", 40),
        ("pro1", "spot", 200),
        ("pro6", "linear", 1200),
        ("mm3", "inverse", 1000),
    ],
)
def test_levels_raise_the_limits_of_orders(tier: str, category: str, limit: int) -> None:
    assert own_limit("create", tier, category=category) == limit


def test_levels_leave_alone_what_the_page_does_not_say_of_them() -> None:
    assert own_limit("amend", "vip5", category="spot") == 10
    assert own_limit("cancel-all", "pro1", category="option") == 1


def test_each_order_of_a_batch_counts_but_the_batch_is_one_request_of_the_address() -> None:
    body = {"category": "linear", "request": [{"symbol": "BTCUSDT"}] * 7}
    route = TABLE.route("POST", "/v5/order/create-batch", body)
    assert {name: units for name, (_, units) in route.takes.items()} == {
        "ADDRESS": 1,
        "POST /v5/order/create-batch": 7,
    }


def test_market_data_takes_from_the_address_alone() -> None:
    route = TABLE.route("GET", "https://api.bybit.com/v5/market/kline?category=spot")
    assert [(name, units) for name, (_, units) in route.takes.items()] == [("ADDRESS", 1)]
    other = TABLE.route("GET", "https://api.bybit.com/v5/not/there")
    assert [(name, units) for name, (_, units) in other.takes.items()] == [("ADDRESS", 1)]


def test_withdrawals_are_one_in_ten_seconds_for_each_coin_and_chain() -> None:
    body = {"coin": "USDT", "chain": "ETH", "amount": "1"}
    takes = TABLE.route("POST", "/v5/asset/withdraw/create", body).takes
    assert takes["WITHDRAWAL [USDT|ETH]"][1] == 1
    limit = next(one for one in TABLE.limits if one.name == "WITHDRAWAL")
    assert (limit.limit, limit.interval) == (1, 10)
