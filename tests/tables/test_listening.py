"""What answers say, told to a throttler: usage, refusals, times, and what is garbage."""

from __future__ import annotations

import json
import logging
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate import RateLimit, tables
from sluicegate.tables import Endpoint, Heard, Limit, Refusal, Table, Wait
from sluicegate.tables.listening import LONGEST_WAIT, MARGIN
from tests.tables.fake_throttler import FakeThrottler
from tests.tables.listener import DATE, DEPTH, NOW, ORDER, OWN, SPOT, listen

# ---- Usage


def test_used_weight_is_told_to_its_limit() -> None:
    heard, fake = listen(SPOT, DEPTH, 200, {"x-mbx-used-weight-1m": "250"})
    assert heard == Heard("ok", limit_id="GET /api/v3/depth?limit<=100")
    assert not heard.refused
    assert fake.observed == [("REQUEST_WEIGHT", {"used": 250})]
    assert not fake.paused


def test_headers_of_limits_that_a_request_does_not_take_from_are_not_read() -> None:
    _, fake = listen(SPOT, DEPTH, 200, {"X-MBX-ORDER-COUNT-10S": "5"})
    assert not fake.observed
    _, fake = listen(SPOT, ORDER, 200, {"X-MBX-ORDER-COUNT-10S": "5"})
    assert fake.observed == [("ORDERS", {"used": 5})]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-MBX-USED-WEIGHT-1M": "7"},
        {"x-mbx-used-weight-1m": "7"},
        {b"X-MBX-USED-WEIGHT-1M": b"7"},
        {"X-MBX-Used-Weight-1m": ["7"]},
        [("X-MBX-USED-WEIGHT-1M", "7")],
        [(b"x-mbx-used-weight-1m", b"7")],
        {"X-MBX-USED-WEIGHT-1M": 7},
        {"X-MBX-USED-WEIGHT-1M": " 7 "},
        {"X-MBX-USED-WEIGHT-1M": "6.5"},
    ],
)
def test_headers_are_found_in_any_case_and_form(headers: Any) -> None:
    assert listen(SPOT, DEPTH, 200, headers)[1].observed == [("REQUEST_WEIGHT", {"used": 7})]


def test_headers_of_the_clients_are_found() -> None:
    multidict = pytest.importorskip("multidict")
    structures = pytest.importorskip("requests.structures")
    for kind in (multidict.CIMultiDict, structures.CaseInsensitiveDict):
        _, fake = listen(SPOT, DEPTH, 200, kind({"X-Mbx-Used-Weight-1m": "7"}))
        assert fake.observed == [("REQUEST_WEIGHT", {"used": 7})]


def test_headers_of_an_own_limit_are_told_to_the_id_that_was_made_for_the_key() -> None:
    fake = FakeThrottler(OWN)
    query = {"symbol": "btcusdt"}
    limit_id = OWN.prepare(fake, "POST", "/order", query)  # type: ignore[arg-type]
    assert limit_id == "POST /order [BTCUSDT]"
    headers = {
        "X-Limit": "20",
        "X-Left": "3",
        "X-Reset": str(int(NOW * 1e3 + 700)),
        "Date": DATE,
    }
    heard, fake = listen(OWN, ("POST", "/order"), 200, headers, throttler=fake, query=query)
    assert heard.limit_id == limit_id
    [(told_id, told)] = fake.observed
    assert told_id == limit_id
    assert told == {"limit": 20, "remaining": 3, "reset": pytest.approx(0.7, abs=1e-3)}


def test_reset_that_is_merely_now_is_none() -> None:
    fake = FakeThrottler(OWN)
    headers = {"X-Left": "3", "X-Reset": str(int(NOW * 1e3)), "Date": DATE}
    _, fake = listen(OWN, ("POST", "/order"), 200, headers, throttler=fake)
    assert fake.observed == [("POST /order", {"remaining": 3})]


def test_endpoint_whose_headers_are_wrong_is_not_believed() -> None:
    futures = tables.load("binance-usdm")
    request = ("GET", "/fapi/v1/ticker/bookTicker")
    assert not listen(futures, request, 200, {"X-MBX-USED-WEIGHT-1M": "2399"})[1].observed


@pytest.mark.parametrize(
    "text", ["", "many", "1, 2", "nan", "inf", "1e9", "٣", "1_000", "0x10", "9" * 30, "9" * 17, "-"]
)
def test_number_that_is_none_is_ignored_and_said_once(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    table = SPOT.scaled(60)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            heard, fake = listen(table, DEPTH, 200, {"X-MBX-USED-WEIGHT-1M": text})
            assert heard.means == "ok"
            assert not fake.observed
    assert len(caplog.records) == 1
    assert "X-MBX-USED-WEIGHT-1M says" in caplog.text


def test_negative_number_is_nothing() -> None:
    assert listen(SPOT, DEPTH, 200, {"X-MBX-USED-WEIGHT-1M": "-5"})[1].observed == [
        ("REQUEST_WEIGHT", {"used": 0})
    ]


# ---- Exchanges and ids that are unknown


def test_unknown_exchange_listens_to_429_418_and_retry_after() -> None:
    table = tables.generic("somewhere")
    request = ("GET", "https://api.somewhere.com/v1/book?x=1")
    assert listen(table, request, 429, {"retry-after": "5"})[1].paused == [(None, 6.0)]
    assert listen(table, request, 418, {})[1].paused == [(None, 121.0)]
    assert listen(table, request, 429, {})[1].paused == [(None, MARGIN)]
    assert listen(table, request, 503, {"Retry-After": "5"})[1].paused == [(None, 6.0)]
    for status in (200, 403, 500, 503):
        heard, fake = listen(table, request, status, {}, b"nonsense")
        assert not fake.paused
        assert heard.wait is None


def test_id_of_the_program_is_closed_with_its_pools_where_the_table_has_other_ids() -> None:
    fake = FakeThrottler()
    pool = tables.Table(
        (Limit("POOL", 5, 1.0),), (Endpoint("GET", "/x", {"POOL": 1}, id="theirs"),)
    )
    fake.rate_limits = [*pool.rate_limits(), RateLimit("other", 1, 1)]
    request = ("GET", "/anything")
    _, fake = listen(
        tables.generic(), request, 429, {"Retry-After": "5"}, None, fake, limit_id="theirs"
    )
    assert fake.paused == [("theirs", 6.0), ("POOL", 6.0)]
    _, fake = listen(SPOT, DEPTH, 429, {}, None, fake, limit_id="theirs")
    assert fake.observed == [("theirs", {"remaining": 0}), ("POOL", {"remaining": 0})]


# ---- The server's clock


def test_server_time_is_told_with_what_is_not_known_of_it() -> None:
    _, fake = listen(SPOT, DEPTH, 200, {"Date": DATE}, elapsed=0.4)
    assert fake.times == [(pytest.approx(NOW + 0.7), pytest.approx(0.7))]
    body = json.dumps({"serverTime": int(NOW * 1000) + 250})
    _, fake = listen(SPOT, ("GET", "/api/v3/time"), 200, {"Date": DATE}, body, elapsed=0.4)
    assert fake.times == [(pytest.approx(NOW + 0.25 + 0.2005), pytest.approx(0.2005))]


def test_server_time_is_not_told_without_the_time_that_the_answer_took() -> None:
    assert not listen(SPOT, DEPTH, 200, {"Date": DATE})[1].times


@pytest.mark.parametrize(
    "date", ["", "now", "Sat, 29 Nov 2025", "0", "Thu, 01 Jan 1801 00:00:00 GMT"]
)
def test_date_that_is_none_is_ignored(date: str) -> None:
    assert not listen(SPOT, DEPTH, 200, {"Date": date}, elapsed=0.1)[1].times


# ---- Whatever comes

JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
NAMES = st.sampled_from(
    [
        "Retry-After",
        "Date",
        "X-MBX-USED-WEIGHT-1M",
        "gw-ratelimit-remaining",
        "gw-ratelimit-reset",
        "X-Bapi-Limit-Status",
        "X-Bapi-Limit",
        "X-Bapi-Limit-Reset-Timestamp",
        "RateLimit-Reset",
    ]
)


@given(
    name=st.sampled_from(tables.names()),
    status=st.sampled_from([200, 400, 403, 418, 429, 503]),
    headers=st.dictionaries(NAMES, JUNK | st.lists(JUNK)) | JUNK | st.lists(st.tuples(JUNK, JUNK)),
    body=st.recursive(JUNK, lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=8),
    elapsed=st.none() | st.floats(0, 1e6),
    path=st.text(max_size=30)
    | st.sampled_from(["/api/v3/time", "/api/v3/depth", "/0/public/Time"]),
    query=JUNK | st.dictionaries(st.text(), JUNK | st.lists(JUNK)) | st.lists(JUNK),
)
def test_whatever_an_answer_has_listening_raises_nothing_and_waits_no_longer_than_a_week(
    name: str, status: int, headers: Any, body: Any, elapsed: Any, path: str, query: Any
) -> None:
    table = tables.load(name)
    heard, fake = listen(table, ("GET", path), status, headers, body, elapsed=elapsed, query=query)
    assert all(0 < seconds <= LONGEST_WAIT for _, seconds in fake.paused)
    assert all(math.isfinite(x) for _, told in fake.observed for x in told.values())
    assert heard.means in ("ok", "over", "banned", "overloaded")


def test_huge_bodies_are_not_read() -> None:
    for status, size in ((200, 9_000), (429, 70_000)):
        body = b'{"code":-1003,"msg":"banned until 1","x":"' + b"x" * size + b'"}'
        assert "banned" not in listen(SPOT, DEPTH, status, {}, body)[0].means


def test_body_that_is_nested_too_deeply_is_none() -> None:
    assert listen(SPOT, DEPTH, 429, {}, '{"code":-1003,"a":' + "[" * 20_000)[0].means == "over"


def test_wait_may_be_in_a_field_of_the_body() -> None:
    refusal = Refusal(
        "over", (429,), wait=(Wait(field="error.data.retryAfter", format="epoch-ms"),)
    )
    table = Table((Limit("A", 5, 1.0),), (Endpoint("GET", "/a", {"A": 1}),), refusals=(refusal,))
    body = {"error": {"data": {"retryAfter": NOW * 1000 + 2_000}}}
    assert listen(table, ("GET", "/a"), 429, {"date": DATE}, body)[1].paused == [("A", 3.0)]


def test_table_that_says_nothing_of_refusals_means_429_and_418() -> None:
    table = Table((Limit("A", 5, 60.0, "X-Used"),), (Endpoint("GET", "/a", {"A": 1}),))
    assert listen(table, ("GET", "/a"), 200, {"x-used": "4"})[1].observed == [("A", {"used": 4})]
    assert listen(table, ("GET", "/a"), 429, {"Retry-After": "4"})[1].paused == [("A", 5.0)]
    assert listen(table, ("GET", "/a"), 418, {"Retry-After": "4"})[1].paused == [(None, 5.0)]
