"""Tables of limits as data: what they cost, and what cannot be."""

import json
from pathlib import Path
from typing import Any

import pytest

from sluicegate import tables
from sluicegate.testing import (
    Endpoint,
    Limit,
    Table,
    binance_spot,
    load_table,
    table_from_file,
    table_from_json,
    table_to_json,
)


def cost(table: Table, method: str, path: str, **query: str) -> int:
    return table.endpoint(method, f"/api/v3/{path}", query).weights["REQUEST_WEIGHT"]


@pytest.mark.parametrize(
    ("path", "query", "weight"),
    [
        ("ping", {}, 1),
        ("time", {}, 1),
        ("exchangeInfo", {}, 20),
        ("depth", {}, 5),
        ("depth", {"limit": "100"}, 5),
        ("depth", {"limit": "101"}, 25),
        ("depth", {"limit": "500"}, 25),
        ("depth", {"limit": "1000"}, 50),
        ("depth", {"limit": "5000"}, 250),
        ("depth", {"limit": "what"}, 5),
        ("klines", {"limit": "1000"}, 2),
        ("ticker/24hr", {"symbol": "BTCUSDT"}, 2),
        ("ticker/24hr", {}, 80),
        ("ticker/price", {"symbol": "BTCUSDT"}, 2),
        ("ticker/price", {}, 4),
        ("ticker/bookTicker", {"symbol": "BTCUSDT"}, 2),
        ("ticker/bookTicker", {}, 4),
    ],
)
def test_binance_spot_costs_what_is_published(
    path: str, query: dict[str, str], weight: int
) -> None:
    assert cost(binance_spot(), "GET", path, **query) == weight


def test_new_orders_count_as_orders_and_cancels_do_not() -> None:
    table = binance_spot()
    new, cancel = (table.endpoint(method, "/api/v3/order").weights for method in ("POST", "DELETE"))
    assert new == {"REQUEST_WEIGHT": 1, "RAW_REQUESTS": 1, "ORDERS": 1, "ORDERS_1D": 1}
    assert cancel == {"REQUEST_WEIGHT": 1, "RAW_REQUESTS": 1}


def test_binance_spot_limits_are_the_published_ones() -> None:
    assert [(x.name, x.limit, x.interval) for x in binance_spot().limits] == [
        ("REQUEST_WEIGHT", 6_000, 60),
        ("ORDERS", 100, 10),
        ("ORDERS_1D", 200_000, 86_400),
        ("RAW_REQUESTS", 300_000, 300),
        ("WS_CONNECTIONS", 300, 300),
    ]


def test_scaled_minute_scales_every_window_and_ban_and_keeps_limits_and_headers() -> None:
    table, scaled = binance_spot(), binance_spot(minute=6)
    for limit, shorter in zip(table.limits, scaled.limits, strict=True):
        assert shorter.interval == pytest.approx(limit.interval / 10)
        assert (shorter.limit, shorter.header_name) == (limit.limit, limit.header_name)
    assert scaled.limits[0].header_name == "X-MBX-USED-WEIGHT-1M"
    assert scaled.ban.first == 12
    assert scaled.ban.within == 6


@pytest.mark.parametrize(
    ("limit", "header"),
    [
        (Limit("REQUEST_WEIGHT", 1, 60), "X-MBX-USED-WEIGHT-1M"),
        (Limit("REQUEST_WEIGHT", 1, 7200), "X-MBX-USED-WEIGHT-2H"),
        (Limit("REQUEST_WEIGHT", 1, 90), "X-MBX-USED-WEIGHT-90S"),
        (Limit("ORDERS", 1, 10), "X-MBX-ORDER-COUNT-10S"),
        (Limit("ORDERS_1D", 1, 86_400), "X-MBX-ORDER-COUNT-1D"),
        (Limit("A", 1, 0.5), None),
        (Limit("A", 1, 60, ""), None),
        (Limit("A", 1, 60, "X-Left"), "X-Left"),
    ],
)
def test_header_is_named_after_kind_and_interval(limit: Limit, header: str | None) -> None:
    assert limit.header_name == header


def test_table_comes_back_from_json_as_it_went() -> None:
    table = binance_spot(minute=6)
    assert table_from_json(json.loads(json.dumps(table_to_json(table)))) == table


def test_table_is_loaded_by_name_and_by_path(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(json.dumps(table_to_json(binance_spot(3))))
    assert load_table("binance-spot", minute=3) == binance_spot(3)
    assert load_table(str(path)) == binance_spot(3)


def test_name_that_is_neither_table_nor_file_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no table and no file 'binance-sport'.*binance-spot"):
        load_table("binance-sport")


def test_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"table\.json: this is not JSON: Expecting"):
        table_from_file(path)


def test_file_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"table\.json: the JSON is nested too deeply"):
        table_from_file(path)


A = {"name": "A", "limit": 5, "interval": 1.0}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], r"the table must be an object, got \[\]"),
        ({"limits": [A]}, "the table needs 'endpoints'"),
        ({"limits": {}, "endpoints": []}, "limits must be a list"),
        ({"limits": [], "endpoints": []}, "at least one limit, got none"),
        ({"limits": [A, A], "endpoints": []}, "limit 'A' is there twice"),
        ({"limits": [A], "endpoints": [], "bans": 1}, "the table has no 'bans': it takes limits"),
        ({"limits": [{"name": "A"}], "endpoints": []}, r"limits\[0\] needs 'limit'"),
        ({"limits": [A], "endpoints": [3]}, r"endpoints\[0\] must be an object, got 3"),
        ({"limits": [A], "endpoints": [], "ban": {"tolerated": -1}}, "got -1"),
        ({"limits": [A], "endpoints": [], "default_weights": 3}, "must be an object, got 3"),
        ({"limits": [A], "endpoints": [], "default_weights": {"B": 1}}, "the limit 'B'"),
    ],
)
def test_json_that_is_no_table_is_refused_with_its_place(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        table_from_json(data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", 1, 1.0), "name must be a text that is not empty"),
        ((5, 1, 1.0), "name must be a text that is not empty, got 5"),
        (("A", 0, 1.0), "limit of 'A' must be a whole number of at least 1 .*, got 0"),
        (("A", 10**400, 1.0), "at most 2\\*\\*63 - 1\\), got 1000"),
        (("A", True, 1.0), "got True"),
        (("A", 1.5, 1.0), "got 1.5"),
        (("A", 1, 0), "interval of 'A' must be seconds above 0 .*, got 0"),
        (("A", 1, 1e300), "at most 100 years\\), got 1e\\+300"),
        (("A", 1, 10**400), "at most 100 years\\), got 1000"),
        (("A", 1, 1.0, 5), "header of 'A' must be the name of an HTTP header .*, got 5"),
        (("A", 1, 1.0, "X-Used:"), "no space, colon or line break"),
        (("A", 1, 1.0, "X\nX-Injected: 1"), "no space, colon or line break"),
        (("A", 1, -1.0), "got -1.0"),
        (("A", 1, float("nan")), "got nan"),
        (("A", 1, float("inf")), "got inf"),
        (("A", 1, "1m"), "must be seconds above 0 .*, got '1m'"),
    ],
)
def test_limit_that_cannot_be_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Limit(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("GET /a", "/a", {}), "method must be a word such as 'GET', got 'GET /a'"),
        (("GET", "a", {}), "path must begin with '/', got 'a'"),
        (("GET", "/a", {"A": 0}), "'GET /a' on 'A' must be a whole number of at least 1, got 0"),
        (("GET", "/a", 3), "weights of 'GET /a' must be numbers by name, got 3"),
        (("GET", "/a?limit=5", {}), "path must be without a query, got '/a\\?limit=5': use has"),
        (("GET", "/a", {}, 5), "id of GET /a must be a text, got 5"),
        (("GET", "/a", {}, "", "symbol"), "must be a list of names, got 'symbol'"),
        (("GET", "/a", {}, "", 5), "must be a list of names, got 5"),
        (("GET", "/a", {}, "", (), {"limit": 10**400}), "must be a number, got 1000"),
        (("GET", "/a", {}, "", (), {"limit": "x"}), "on 'limit' must be a number, got 'x'"),
    ],
)
def test_endpoint_that_cannot_be_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Endpoint(*arguments)


def test_endpoint_on_an_unknown_limit_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'GET /a' names the limit 'B'; the table has 'A'"):
        Table((Limit("A", 5, 1.0),), (Endpoint("GET", "/a", {"B": 1}),))


def test_weight_above_its_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 1 to 5, got 6: the request could never pass"):
        Table((Limit("A", 5, 1.0),), (Endpoint("GET", "/a", {"A": 6}),))


def test_two_endpoints_with_one_id_are_refused() -> None:
    endpoint = Endpoint("GET", "/a", {"A": 1})
    with pytest.raises(ValueError, match="id 'GET /a' is there twice"):
        Table((Limit("A", 5, 1.0),), (endpoint, endpoint))


def test_minute_that_cannot_be_is_refused() -> None:
    for minute in (-6, 0, float("nan"), 1e300, 10**400, True, "6"):
        with pytest.raises(ValueError, match=r"minute must be seconds above 0 .*, got"):
            binance_spot(minute=minute)


def test_unknown_request_has_no_endpoint() -> None:
    with pytest.raises(KeyError, match="no endpoint for 'GET' '/nowhere'"):
        binance_spot().endpoint("GET", "/nowhere")


def test_clients_table_has_a_pool_for_each_limit_and_an_id_for_each_endpoint() -> None:
    table = binance_spot(minute=6)
    limits = {limit.limit_id: limit for limit in table.rate_limits()}
    assert list(limits) == [x.name for x in table.limits] + [x.id for x in table.endpoints] + [
        tables.OTHER
    ]
    assert (limits["REQUEST_WEIGHT"].limit, limits["REQUEST_WEIGHT"].time_interval) == (6_000, 6.0)
    for endpoint in table.endpoints:
        linked = {pair.limit_id: pair.weight for pair in limits[endpoint.id].linked_limits}
        if not endpoint.each:
            assert linked == endpoint.weights
