"""Which id a request has, in whatever form the request is given."""

from __future__ import annotations

import copy
import json
import pickle
import re
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate import Throttler, tables
from sluicegate.tables import OTHER, Endpoint, Limit, Table
from sluicegate.tables.condition import condition
from sluicegate.tables.request import parameters
from sluicegate.tables.route import MOST_ASKED, MOST_MADE

SPOT = tables.load("binance-spot")
DEEP = "GET /api/v3/depth?limit<=5000"

SMALL = Table(
    (
        Limit("ALL", 100, 10.0, ""),
        Limit("PER_SYMBOL", 50, 1.0, "", key=("symbol",)),
        Limit("FAMILY", 20, 1.0, "", key=("instId|instFamily", "side")),
    ),
    (
        Endpoint("GET", "/orders/open", {"ALL": 1}),
        Endpoint("GET", "/orders/{id}", {"ALL": 2}),
        Endpoint("GET", "/orders/{id}/fills", {"ALL": 3}),
        Endpoint("GET", "/{kind}/{id}/fills", {"ALL": 4}, id="any fills"),
        Endpoint("POST", "/order", {"ALL": 1, "PER_SYMBOL": 1}),
        Endpoint("POST", "/mass", {"FAMILY": 1}),
        Endpoint("POST", "/own", {"ALL": 1}, limit=5, interval=1.0, key=("symbol",)),
        Endpoint(
            "POST",
            "/batch",
            {"ALL": 1},
            each={"": {"own": 1}},
            limit=30,
            interval=2.0,
            key=("symbol",),
        ),
        Endpoint("POST", "/list", {"ALL": 1}, each={"orders": {"PER_SYMBOL": 2}}),
        Endpoint("POST", "/count", {"ALL": 1}, each={"symbols": {"ALL": 4}}),
        Endpoint("GET", "/same", {"ALL": 1}, host="spot.x.com"),
        Endpoint("GET", "/same", {"ALL": 2}, host="futures.x.com"),
    ),
    default_weights={"ALL": 5},
    hosts=("spot.x.com",),
)


def taken(method: str, path: str, query: object = None) -> dict[str, int]:
    return {name: units for name, (_, units) in SMALL.route(method, path, query).takes.items()}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v3/depth", {"limit": "5000"}),
        ("/api/v3/depth", {"limit": 5000}),
        ("/api/v3/depth", {"limit": 5000.0}),
        ("/api/v3/depth", {"limit": ["5000"]}),
        ("/api/v3/depth", "limit=5000&symbol=BTCUSDT"),
        ("/api/v3/depth", "?symbol=BTCUSDT&limit=5000"),
        ("/api/v3/depth", b"symbol=BTCUSDT&limit=5000"),
        ("/api/v3/depth", bytearray(b"limit=5000")),
        ("/api/v3/depth", '{"limit": 5000}'),
        ("/api/v3/depth", b'{"limit": "5000"}'),
        ("/api/v3/depth", [("symbol", "BTCUSDT"), ("limit", "5000")]),
        ("/api/v3/depth", (("limit", 5000),)),
        ("/api/v3/depth", "lim%69t=%35000"),
        ("/api/v3/depth?limit=5000", None),
        ("/api/v3/depth?limit=5000", {"symbol": "BTCUSDT"}),
        ("/api/v3/depth?limit=5000#top", None),
        ("/api/v3/depth/?limit=5000", None),
        ("/api//v3/depth", {"limit": "5000"}),
        ("/API/v3/Depth", {"limit": "5000"}),
        ("/api/v3/%64epth", {"limit": "5000"}),
        ("https://api.binance.com/api/v3/depth?limit=5000", None),
        ("https://me:secret@API.binance.com:443/api/v3/depth/?limit=5000", None),
        ("http://127.0.0.1:8080/api/v3/depth", {"limit": "5000"}),
        ("http://[::1]:8080/api/v3/depth", {"limit": "5000"}),
        (b"/api/v3/depth?limit=5000", None),
    ],
)
def test_a_request_is_found_in_any_form(path: Any, query: Any) -> None:
    assert SPOT.find("GET", path, query) == DEEP
    assert SPOT.find("get", path, query) == DEEP


def test_urls_of_the_clients_are_found() -> None:
    yarl = pytest.importorskip("yarl")
    url = yarl.URL("https://api.binance.com/api/v3/depth?limit=5000")
    assert SPOT.find("GET", url) == DEEP


@pytest.mark.parametrize(
    "query",
    [
        None,
        {},
        "",
        b"",
        {"limit": "what"},
        {"limit": ""},
        {"limit": None},
        {"limit": "nan"},
        {"limit": [1, 2]},
        {"limit": {"a": 1}},
        "limit",
        "&&&=",
        5,
        [1, 2],
        "[1,",
        "{",
    ],
)
def test_parameter_that_is_none_is_as_if_it_were_not_there(query: Any) -> None:
    assert SPOT.find("GET", "/api/v3/depth", query) == "GET /api/v3/depth?limit<=100"


def test_a_number_beyond_all_is_the_most_expensive() -> None:
    for text in ("1e400", "inf", "9" * 400, 10**400):
        assert SPOT.find("GET", "/api/v3/depth", {"limit": text}) == DEEP


@pytest.mark.parametrize(
    "path", ["", "/", "nowhere", "/nowhere", "https://", "?", "//", "/orders", "%"]
)
def test_unknown_paths_have_the_id_of_all_others(path: str) -> None:
    assert SMALL.find("GET", path) == OTHER
    assert taken("GET", path) == {"ALL": 5}
    with pytest.raises(KeyError, match="no endpoint for 'GET'"):
        SMALL.endpoint("GET", path)


def test_templates_are_matched_and_fixed_paths_go_first() -> None:
    assert SMALL.find("GET", "/orders/open") == "GET /orders/open"
    assert SMALL.find("GET", "/orders/12345") == "GET /orders/{id}"
    assert SMALL.find("GET", "/orders/12345/") == "GET /orders/{id}"
    assert SMALL.find("GET", "/orders/1/fills") == "GET /orders/{id}/fills"
    assert SMALL.find("GET", "/trades/1/fills") == "any fills"
    assert SMALL.find("DELETE", "/orders/1") == OTHER


def test_hosts_tell_two_entries_of_one_path_apart() -> None:
    assert taken("GET", "https://spot.x.com/same") == {"ALL": 1}
    assert taken("GET", "https://FUTURES.x.com:443/same") == {"ALL": 2}
    # A proxy or a stand-in: nobody knows which, so the first.
    assert taken("GET", "http://localhost:8080/same") == {"ALL": 1}
    assert taken("GET", "/same") == {"ALL": 1}


# ---- Keys and items


def test_each_key_has_limits_of_its_own() -> None:
    assert SMALL.find("POST", "/order", {"symbol": "btc"}) == "POST /order [BTC]"
    assert taken("POST", "/order", {"symbol": "btc"}) == {"ALL": 1, "PER_SYMBOL [BTC]": 1}
    assert taken("POST", "/own", {"symbol": "BTC"}) == {"ALL": 1, "POST /own [BTC]": 1}
    assert taken("POST", "/mass", {"instFamily": "A", "side": "buy"}) == {"FAMILY [A|BUY]": 1}
    assert taken("POST", "/mass", {"instId": "I", "instFamily": "A"}) == {"FAMILY [I]": 1}


def test_a_request_without_the_key_is_counted_with_its_like() -> None:
    assert SMALL.find("POST", "/order") == "POST /order"
    assert taken("POST", "/order") == {"ALL": 1, "PER_SYMBOL": 1}
    assert taken("POST", "/own", {"symbol": ""}) == {"ALL": 1, "POST /own": 1}


def test_items_are_counted_by_their_keys() -> None:
    body = [{"symbol": "A"}, {"symbol": "b"}, {"symbol": "A"}]
    for form in (body, json.dumps(body), json.dumps(body).encode()):
        assert SMALL.find("POST", "/batch", form) == "POST /batch [A x2, B]"
        assert taken("POST", "/batch", form) == {
            "ALL": 1,
            "POST /batch [A]": 2,
            "POST /batch [B]": 1,
        }
    assert taken("POST", "/list", {"symbol": "C", "orders": [{}, {"symbol": "D"}]}) == {
        "ALL": 1,
        "PER_SYMBOL [C]": 2,
        "PER_SYMBOL [D]": 2,
    }


@pytest.mark.parametrize(
    "symbols", [["a", "b", "c"], ("a", "b", "c"), "a,b,c", '["a","b","c"]', ['["a","b","c"]']]
)
def test_items_are_counted_in_any_form(symbols: Any) -> None:
    assert taken("POST", "/count", {"symbols": symbols}) == {"ALL": 13}
    assert SMALL.find("POST", "/count", {"symbols": symbols}) == "POST /count [x3]"


def test_more_items_than_can_pass_take_the_whole_limit() -> None:
    assert taken("POST", "/count", {"symbols": ["a"] * 1_000}) == {"ALL": 100}
    throttler = SMALL.throttler()
    limit_id = SMALL.prepare(throttler, "POST", "/count", {"symbols": ["a"] * 1_000})
    assert throttler.charge(limit_id)


KEYS = st.sampled_from(["A", "B", "A x2", "A, B", "", "x2"])
ITEMS = st.lists(st.fixed_dictionaries({}, optional={"symbol": KEYS}), max_size=4)


@settings(max_examples=500)
@given(
    st.sampled_from(["/batch", "/list", "/order", "/own", "/count", "/mass"]),
    *[
        st.one_of(
            ITEMS,
            st.fixed_dictionaries(
                {},
                optional={
                    "symbol": KEYS,
                    "orders": ITEMS,
                    "symbols": st.lists(KEYS),
                    "instId": KEYS,
                },
            ),
        )
    ]
    * 2,
)
def test_requests_of_one_id_take_the_same(path: str, one: Any, other: Any) -> None:
    """Or a throttler would charge the second as the first."""
    first, second = SMALL.route("POST", path, one), SMALL.route("POST", path, other)
    if first.id == second.id:
        assert dict(first.takes) == dict(second.takes)


def test_a_key_that_looks_like_two_is_one() -> None:
    two = SMALL.find("POST", "/mass", {"instId": "A", "side": "B"})
    assert two != SMALL.find("POST", "/mass", {"instId": "A|B"})
    for key in ("A, B", "A x2", "A; B", "[A, B]", "A| B"):
        one = SMALL.find("POST", "/batch", [{"symbol": key}])
        two = SMALL.find("POST", "/batch", [{"symbol": "A"}, {"symbol": "B"}])
        assert one != two
        assert one != SMALL.find("POST", "/batch", [{"symbol": "A"}, {"symbol": "A"}])


def test_a_throttler_has_each_id_that_was_prepared_for_it() -> None:
    throttler = SMALL.throttler()
    for query in ([{"symbol": "A"}], [{"symbol": "A"}, {"symbol": "B"}], {"symbol": "A"}, None):
        for path in ("/batch", "/order", "/own", "/list", "/mass", "/none"):
            limit_id = SMALL.prepare(throttler, "POST", path, query)
            assert limit_id == SMALL.find("POST", path, query)
            assert throttler.charge(limit_id)
    assert throttler.usage("POST /batch [A]").used == 3
    # Another table is in force: the id comes back.
    throttler.set_rate_limits(SMALL.rate_limits())
    limit_id = SMALL.prepare(throttler, "POST", "/order", {"symbol": "Z"})
    assert throttler.charge(limit_id)


def test_routes_that_are_kept_are_bounded() -> None:
    for i in range(MOST_MADE + 100):
        SMALL.find("POST", "/order", {"symbol": str(i)})
    assert len(SMALL._router._made) <= MOST_MADE
    assert SMALL.find("POST", "/order", {"symbol": "x" * 10_000}) == f"POST /order [{'X' * 100}]"


# ---- The quick way is the same as the slow one

VALUES = st.one_of(
    st.none(),
    st.text(max_size=3),
    st.integers(),
    st.floats(),
    st.sampled_from(["99", "100", "101", "१०", "+5", " 7", "1e2", "-1", "0x10", True]),
    st.lists(st.text(max_size=2), max_size=2),
)


@given(
    st.sampled_from(
        [
            Endpoint("GET", "/a", {}, up_to={"limit": 100}),
            Endpoint("GET", "/a", {}, has=("limit",)),
            Endpoint("GET", "/a", {}, has=("limit",), up_to={"limit": 99}),
            Endpoint("GET", "/a", {}, up_to={"a.b": 5}),
        ]
    ),
    st.fixed_dictionaries(
        {}, optional={"limit": VALUES, "a": st.dictionaries(st.just("b"), VALUES)}
    ),
)
def test_condition_is_what_the_endpoint_says(endpoint: Endpoint, query: dict[str, Any]) -> None:
    quick = condition(endpoint)
    assert quick is not None
    assert quick(query) == endpoint.applies(query)


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=5))
def test_a_query_string_is_read_as_it_was_written(query: dict[str, str]) -> None:
    assert dict(parameters(urlencode(query))) == query


@given(st.text(), st.text(), st.one_of(st.none(), st.text(), st.binary(), st.lists(VALUES)))
def test_whatever_a_request_is_it_has_an_id(method: str, path: str, query: Any) -> None:
    for table in (SMALL, SPOT, tables.load("okx"), tables.load("kucoin")):
        assert isinstance(table.find(method, path, query), str)
        assert isinstance(table.find("POST", quote(path), query), str)


@pytest.mark.parametrize("name", tables.names())
def test_each_endpoint_is_found_by_its_url_as_by_its_path(name: str) -> None:
    table = tables.load(name)
    host = table.hosts[0] if table.hosts else "x"
    for endpoint in table.endpoints:
        if endpoint.host in ("", host):
            path = re.sub(r"\{\w+\}", "1", endpoint.path)
            by_path = table.find(endpoint.method, path)
            assert table.find(endpoint.method, f"https://{host}{path}") == by_path


@pytest.mark.parametrize("name", tables.names())
def test_a_table_that_was_used_can_be_pickled_and_copied(name: str) -> None:
    table = tables.load(name)
    table.find("GET", "/api/v3/depth")
    table.needs_body(200)
    for other in (pickle.loads(pickle.dumps(table)), copy.deepcopy(table), copy.copy(table)):
        assert other == table
        assert other.find("GET", "/nowhere") == OTHER


def test_what_is_asked_again_is_found_again_whatever_its_query() -> None:
    table = tables.load("binance-spot")
    for _ in range(2):
        for limit, units in ((100, 5), (5000, 250)):
            route = table.route("GET", f"/api/v3/depth?symbol=BTCUSDT&limit={limit}")
            assert route.takes["REQUEST_WEIGHT"][1] == units
        assert table.find("GET", "/api/v3/ping?x=1") == table.find("GET", "/api/v3/ping")
        assert table.find("POST", "/api/v3/ping?x=1") == OTHER
    for number in range(2 * MOST_ASKED):
        table.route("GET", f"/api/v3/depth?symbol=X{number}&limit=100")
    assert len(table._router._asked) <= MOST_ASKED


def test_limits_of_the_table_are_limits_of_a_throttler() -> None:
    throttler = Throttler(SMALL.rate_limits())
    assert throttler.charge(OTHER)
    assert throttler.usage("ALL").used == 5
