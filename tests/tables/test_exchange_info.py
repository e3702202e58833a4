"""Binance's live limits, put into a table."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sluicegate import tables
from sluicegate.tables import Table
from sluicegate.testing.answers import rate_limits


def row(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def limits(table: Table) -> dict[str, tuple[int, float]]:
    return {limit.name: (limit.limit, limit.interval) for limit in table.limits}


def test_what_the_exchange_tells_now_stands() -> None:
    data = {
        "rateLimits": [
            row("REQUEST_WEIGHT", "MINUTE", 1, 1_200),
            row("ORDERS", "SECOND", 10, 50),
            row("ORDERS", "DAY", 1, 160_000),
            row("RAW_REQUESTS", "MINUTE", 5, 6_100),
            row("CONNECTIONS", "MINUTE", 5, 300),
        ]
    }
    assert limits(Table.from_exchange_info(data)) == {
        "REQUEST_WEIGHT": (1_200, 60),
        "ORDERS": (50, 10),
        "ORDERS_1D": (160_000, 86_400),
        "RAW_REQUESTS": (6_100, 300),
        "WS_CONNECTIONS": (300, 300),
    }


def test_limit_that_is_not_told_stays_and_one_that_is_new_is_taken_from() -> None:
    table = Table.from_exchange_info({"rateLimits": [row("ORDERS", "HOUR", 1, 5_000)]})
    assert limits(table) == {**limits(tables.load("binance-spot")), "ORDERS_1H": (5_000, 3_600)}
    assert table.endpoint("POST", "/api/v3/orderList/oto").weights["ORDERS_1H"] == 2
    assert "ORDERS_1H" not in table.endpoint("DELETE", "/api/v3/order").weights
    assert table.limits[-1].header_name == "X-MBX-ORDER-COUNT-1H"


def test_an_answer_may_be_given_as_it_came() -> None:
    text = json.dumps({"rateLimits": [row("ORDERS", "SECOND", 10, 50)]})
    assert limits(Table.from_exchange_info(text))["ORDERS"] == (50, 10)
    assert limits(Table.from_exchange_info(text.encode()))["ORDERS"] == (50, 10)


@pytest.mark.parametrize("table", ["binance-spot", 1, {}, []])
def test_a_table_with_the_endpoints_must_be_one(table: Any) -> None:
    says = f"table must be a Table, such as load(…) returns, got {table!r}"
    with pytest.raises(TypeError, match=re.escape(says)):
        Table.from_exchange_info([row("ORDERS", "SECOND", 10, 50)], table)


def test_of_two_for_the_same_the_stricter_stands() -> None:
    rows = [row("ORDERS", "DAY", 1, n) for n in (5_000, 4_000, 6_000)]
    assert limits(Table.from_exchange_info(rows))["ORDERS_1D"] == (4_000, 86_400)


def test_futures_are_known_by_their_answer() -> None:
    data = {"futuresType": "U_MARGINED", "rateLimits": [row("ORDERS", "MINUTE", 1, 2_000)]}
    table = Table.from_exchange_info(data)
    assert table.name == "binance-usdm"
    assert limits(table)["ORDERS_1M"] == (2_000, 60)


def test_the_stand_ins_answer_is_understood() -> None:
    spot = tables.load("binance-spot")
    assert Table.from_exchange_info({"rateLimits": rate_limits(spot)}) == spot


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "must have a list 'rateLimits', got None"),
        ({}, "must have a list 'rateLimits', got {}"),
        ("<html>", "this is not JSON"),
        (b"\xff", "must be UTF-8"),
        ('{"rateLimits": 1}', "must have a list 'rateLimits', got {'rateLimits': 1}"),
        ({"rateLimits": []}, "has no REQUEST_WEIGHT"),
        ({"rateLimits": [3]}, r"rateLimits\[0\] must be an object, got 3"),
        ({"rateLimits": [row("ORDERS", "WEEK", 1, 5)]}, "interval must be one of SECOND"),
        (
            {"rateLimits": [row("ORDERS", "DAY", 0, 5)]},
            "intervalNum must be a whole .* got 0",
        ),
        ({"rateLimits": [row("ORDERS", "DAY", 1, -5)]}, "limit must be a whole number .* got -5"),
        ({"rateLimits": [{"limit": 5}]}, "rateLimitType must be a text, got None"),
    ],
)
def test_answer_that_is_none_is_refused_with_its_place(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Table.from_exchange_info(data)
