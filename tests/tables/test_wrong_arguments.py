"""Arguments of the wrong type: an error at once, which shows the value and what would be right."""

from __future__ import annotations

import math
import re
from functools import partial
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yarl

from sluicegate import Throttler, tables
from sluicegate.tables import (
    BanRule,
    Endpoint,
    Header,
    Limit,
    Refusal,
    ServerClock,
    Table,
    Wait,
)

TABLE = tables.load("binance-spot")
OKX = tables.load("okx")
DEPTH = "/api/v3/depth"
ODD = [None, math.nan, math.inf, -1, 1.5, True, 10**400, b"x", [], {}, (1,), object()]
"""What is neither a text, nor anything else that is asked for here."""

LIMIT = Limit("a", 1, 1.0)


def says(text: str) -> str:
    return f"^{re.escape(text)}"


def refused(error: type[Exception], text: str, call: Any) -> None:
    with pytest.raises(error, match=says(text)) as raised:
        call()
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("value", [x for x in ODD if not isinstance(x, bytes)])
def test_method_and_path_of_a_request_must_be_texts(value: Any) -> None:
    method, path = "method must be a text such as 'GET', got ", "path must be a text such as '/api/"
    for ask in (TABLE.find, TABLE.route, TABLE.endpoint):
        refused(TypeError, method, partial(ask, value, DEPTH))
        refused(TypeError, path, partial(ask, "GET", value))


@pytest.mark.parametrize(
    "path",
    [
        DEPTH,
        DEPTH.encode(),
        "api/v3/depth",
        f"{DEPTH}/?limit=5#x",
        f"https://api.binance.com{DEPTH}",
        httpx.URL(f"https://api.binance.com{DEPTH}"),
        yarl.URL(f"https://api.binance.com{DEPTH}"),
        yarl.URL(DEPTH),
        PurePosixPath(DEPTH),
    ],
)
def test_a_path_may_be_written_as_a_client_has_it(path: Any) -> None:
    assert TABLE.find("GET", path) == "GET /api/v3/depth?limit<=100"


def test_a_url_in_parts_is_none() -> None:
    with pytest.raises(TypeError, match="path must be a text"):
        TABLE.find("GET", urlsplit(f"https://api.binance.com{DEPTH}"))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [*ODD, "binance-spot"])
def test_what_an_answer_is_told_to_must_be_a_throttler(value: Any) -> None:
    """Also if the answer says nothing: nobody should hear of it with the first refusal only."""
    text = "throttler must be a sluicegate.Throttler, got "
    for status in (200, 429):
        refused(TypeError, text, lambda s=status: TABLE.listen(value, "GET", DEPTH, s))
    refused(TypeError, text, lambda: TABLE.prepare(value, "GET", DEPTH))


@pytest.mark.parametrize(
    ("name", "values", "text"),
    [
        ("status", [x for x in ODD if x not in (-1, 10**400)], "status must be an HTTP status"),
        ("limit_id", ODD[1:], "limit_id must be a text or None, got "),
        ("elapsed", ["1", b"1", [], {}], "elapsed must be seconds or None, got "),
        ("route", [*ODD[1:], "GET"], "route must be what Table.route returned, got "),
    ],
)
def test_arguments_of_listen_are_checked_before_anything_is_done(
    name: str, values: list[Any], text: str
) -> None:
    throttler = TABLE.throttler()
    for value in values:
        given = {"status": 429, name: value}
        refused(TypeError, text, lambda g=given: TABLE.listen(throttler, "GET", DEPTH, **g))
    assert throttler.wait_time("*") == 0


@pytest.mark.parametrize("value", [None, math.nan, 1.5, True, "429", b"429", (429,), object()])
def test_a_status_must_be_one(value: Any) -> None:
    refused(TypeError, "status must be an HTTP status such as 429", lambda: OKX.needs_body(value))


@pytest.mark.parametrize("value", [None, math.nan, 1, "POST /a", b"x", [], {}, object()])
def test_a_route_that_is_prepared_must_be_one(value: Any) -> None:
    route = OKX.route("POST", "/api/v5/trade/order", {"instId": "BTC-USDT"})
    text = "throttler must be a sluicegate.Throttler, got "
    refused(TypeError, text, lambda: OKX.prepare_route(value, route))
    text = "route must be what Table.route returned, got "
    refused(TypeError, text, lambda: OKX.prepare_route(OKX.throttler(), value))


@pytest.mark.parametrize("value", [None, math.nan, 1, [], {}, object()])
def test_toml_must_be_text(value: Any) -> None:
    text = "the TOML must be a text or bytes, got "
    refused(TypeError, text, lambda: tables.table_from_toml(value, "x.toml"))


def test_a_clock_that_went_back_is_no_error() -> None:
    throttler = TABLE.throttler()
    for elapsed in (-1.0, math.nan, math.inf):
        assert TABLE.listen(throttler, "GET", DEPTH, 200, elapsed=elapsed).means == "ok"


@pytest.mark.parametrize("value", [*ODD, "x"])
def test_tables_are_made_of_what_they_are_made_of(value: Any) -> None:
    refused(TypeError, "endpoint must be an Endpoint, got ", lambda: TABLE.with_endpoint(value))
    refused(TypeError, "table must be a Table, got ", lambda: tables.table_to_json(value))


@pytest.mark.parametrize(
    ("make", "right"),
    [
        (lambda x: Table((x,), ()), "limits of a table must be a list of Limit"),
        (lambda x: Table((LIMIT,), [x]), "endpoints of a table must be a list of Endpoint"),
        (lambda x: Table((LIMIT,), (), headers=[x]), "headers of a table must be a list of Header"),
        (lambda x: Table((LIMIT,), (), refusals=[x]), "refusals of a table must be a list of Ref"),
        (
            lambda x: Table((LIMIT,), (), clock=[x]),
            "clock of a table must be a list of ServerClock",
        ),
        (lambda x: Table((LIMIT,), (), differences=[x]), "differences of a table must be a list"),
        (lambda x: Table((LIMIT,), (), ban=x), "ban of a table must be a BanRule"),
        (lambda x: Table((LIMIT,), (), sources=x), "sources of a table must be Source by name"),
        (lambda x: Table((LIMIT,), (), sources={"a": x}), "sources of a table must be Source by n"),
        (lambda x: Limit("a", 1, 1.0, tiers=x), "tiers of 'a' must be Tier by name"),
        (lambda x: Limit("a", 1, 1.0, tiers={"b": x}), "tiers of 'a' must be Tier by name"),
        (lambda x: Limit("a", 1, 1.0, headers=(x,)), "headers of 'a' must be a list of Header"),
        (lambda x: Endpoint("GET", "/a", tiers={"b": x}), "tiers of 'GET /a' must be Tier by name"),
        (lambda x: Endpoint("GET", "/a", returned={"b": x}), "returned of 'GET /a' must be Return"),
        (lambda x: Refusal("over", (429,), wait=(x,)), "wait of a refusal must be a list of Wait"),
        (lambda x: ServerClock(header=x), "header of a clock must be a text"),
        (lambda x: ServerClock(path=x, field="a"), "path of a clock must be a text"),
        (lambda x: Wait(field=x), "field of a wait must be a text"),
        (lambda x: Wait(text=x), "text of a wait must be a text"),
        (
            lambda x: Header("X-Used", format=x),
            "header 'X-Used' tells a number of units and has no",
        ),
        (lambda x: Table((Limit("a", 1, 1.0, source=x),), ()), "source of 'a' must be a text"),
    ],
)
def test_what_a_table_is_made_of_is_checked(make: Any, right: str) -> None:
    for value in (None, math.nan, -1, 1.5, b"x", [1], object()):
        refused(ValueError, right, lambda v=value: make(v))


@pytest.mark.parametrize(
    ("make", "right"),
    [
        (lambda x: Table(x, ()), "limits of a table must be a list of Limit"),
        (lambda x: Table((LIMIT,), x), "endpoints of a table must be a list of Endpoint"),
        (lambda x: Limit("a", 1, 1.0, headers=x), "headers of 'a' must be a list of Header"),
        (lambda x: Refusal("over", (429,), wait=x), "wait of a refusal must be a list of Wait"),
    ],
)
def test_a_list_must_be_one(make: Any, right: str) -> None:
    for value in (None, math.nan, 1, "", "x", b"", {}, {"a": LIMIT}, object()):
        refused(ValueError, right, lambda v=value: make(v))


def test_a_list_may_be_any_iterable() -> None:
    table = Table(iter([LIMIT]), (x for x in [Endpoint("GET", "/a", {"a": 1})]))  # type: ignore[arg-type]
    assert isinstance(Throttler(table.rate_limits()), Throttler)
    assert table.ban == BanRule()
