"""Kraken spot: two counters that fall, three tiers, and what cancels cost at most."""

import pytest

from sluicegate import tables

TABLE = tables.load("kraken")


def takes(name: str, body: object = None) -> dict[str, int]:
    route = TABLE.route("POST", f"https://api.kraken.com/0/private/{name}", body)
    return {name: units for name, (_, units) in route.takes.items()}


@pytest.mark.parametrize(
    ("tier", "calls", "calls_fall", "trading", "trading_fall"),
    [
        ("", 15, 0.33, 60, 1.0),
        ("intermediate", 20, 0.5, 125, 2.34),
        ("pro", 20, 1.0, 180, 3.75),
    ],
)
def test_the_counters_are_buckets_that_fall_no_faster_than_the_page_says(
    tier: str, calls: int, calls_fall: float, trading: int, trading_fall: float
) -> None:
    table = TABLE.at(tier) if tier else TABLE
    by_name = {limit.name: limit for limit in table.limits}
    for name, size, fall in (("CALLS", calls, calls_fall), ("TRADING", trading, trading_fall)):
        limit = by_name[name]
        assert limit.kind == "bucket"
        assert limit.limit == size
        assert 0.995 * fall <= limit.limit / limit.interval <= fall
    assert by_name["CALLS"].scope == "key"
    assert by_name["TRADING"].scope == "account"


def test_calls_cost_1_and_histories_2() -> None:
    assert takes("Balance") == {"CALLS": 1}
    assert takes("Ledgers") == takes("TradesHistory") == {"CALLS": 2}


def test_orders_take_from_the_counter_of_the_trading_engine() -> None:
    assert takes("AddOrder", "pair=XBTUSD&type=buy") == {"TRADING": 1}
    assert takes("CancelOrder", "txid=O1") == {"TRADING": 8}
    assert takes("AmendOrder") == {"CALLS": 1, "TRADING": 4}
    assert takes("EditOrder") == {"CALLS": 1, "TRADING": 7}


@pytest.mark.parametrize(("n", "units"), [(2, 1), (3, 2), (4, 2), (5, 3), (14, 7), (15, 8)])
def test_a_batch_of_orders_costs_half_of_it_rounded_up(n: int, units: int) -> None:
    assert takes("AddOrderBatch", {"pair": "XBTUSD", "orders": [{}] * n})["TRADING"] == units


def test_a_batch_whose_orders_cannot_be_counted_costs_what_the_largest_does() -> None:
    assert takes("AddOrderBatch", "pair=XBTUSD&orders[0][type]=buy")["TRADING"] == 8
    assert takes("CancelOrderBatch", "orders[0]=O1")["TRADING"] == 60


def test_a_batch_of_cancels_costs_each_of_them() -> None:
    assert takes("CancelOrderBatch", {"orders": ["O1", "O2", "O3"]}) == {"CALLS": 1, "TRADING": 24}


def test_candles_and_trades_are_counted_by_pair_and_all_else_by_address() -> None:
    assert TABLE.find("GET", "/0/public/OHLC?pair=XBTUSD") == "GET /0/public/OHLC [XBTUSD]"
    assert TABLE.find("GET", "/0/public/Depth?pair=XBTUSD") == "GET /0/public/Depth"
