"""What refusals close, and for how long."""

from __future__ import annotations

import json
import time
from email.utils import formatdate

import pytest

from sluicegate import tables
from sluicegate.tables import Endpoint, Limit, Refusal, Table, Wait
from sluicegate.tables.listening import LONGEST_WAIT, MARGIN
from sluicegate.testing import ManualClock
from tests.tables.fake_throttler import FakeThrottler
from tests.tables.listener import DATE, DEPTH, NOW, ORDER, OWN, SPOT, listen


def test_ban_closes_everything_for_as_long_as_it_says_and_a_second_more() -> None:
    heard, fake = listen(SPOT, DEPTH, 418, {"Retry-After": "120"})
    assert fake.paused == [(None, 121.0)]
    assert (heard.means, heard.wait, heard.limits) == ("banned", 121.0, ())
    assert heard.refused


def test_weight_that_is_exceeded_closes_the_limits_of_the_address() -> None:
    body = {"code": -1003, "msg": "Too much request weight used"}
    heard, fake = listen(SPOT, ORDER, 429, {"Retry-After": "7"}, json.dumps(body).encode())
    assert fake.paused == [("REQUEST_WEIGHT", 8.0), ("RAW_REQUESTS", 8.0)]
    assert heard.limits == ("REQUEST_WEIGHT", "RAW_REQUESTS")


def test_orders_that_are_exceeded_close_the_limits_of_orders() -> None:
    body = b'{"code":-1015,"msg":"Too many new orders; current limit is 100 orders per 10S."}'
    _, fake = listen(SPOT, ORDER, 429, {"Retry-After": "3"}, body)
    assert fake.paused == [("ORDERS", 4.0), ("ORDERS_1D", 4.0)]
    _, fake = listen(SPOT, ORDER, 429, {}, body)
    # It was the one of them or the other: a day without orders is too much for ten seconds.
    assert fake.observed == [("ORDERS", {"remaining": 0})]


def test_refusal_without_a_time_has_its_windows_count_as_full() -> None:
    heard, fake = listen(SPOT, DEPTH, 429)
    assert not fake.paused
    assert fake.observed == [
        ("REQUEST_WEIGHT", {"remaining": 0}),
        ("RAW_REQUESTS", {"remaining": 0}),
    ]
    assert (heard.means, heard.wait) == ("over", None)


def test_limit_with_a_key_that_is_exceeded_is_that_of_the_key() -> None:
    table = Table(
        (Limit("ORDERS", 10, 1.0, "", key=("symbol",)), Limit("ALL", 50, 1.0, "")),
        (Endpoint("POST", "/order", {"ORDERS": 1, "ALL": 1}),),
        refusals=(Refusal("over", code=("7",), limits=("ORDERS",)),),
    )
    fake = FakeThrottler(table)
    query = {"symbol": "A"}
    table.prepare(fake, "POST", "/order", query)  # type: ignore[arg-type]
    heard, _ = listen(table, ("POST", "/order"), 200, {}, {"code": 7}, fake, query=query)
    assert heard.limits == ("ORDERS [A]",)


def test_date_without_a_time_zone_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        for date in ("Sat, 29 Nov 2025 12:00:07", "Sat, 29 Nov 2025 12:00:07 -0000"):
            _, fake = listen(SPOT, DEPTH, 418, {"Date": DATE, "Retry-After": date})
            assert fake.paused == [(None, 8.0)]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_concurrent_limit_that_is_exceeded_is_closed_for_a_moment() -> None:
    table = Table((Limit("AT_ONCE", 5, 0, "", kind="concurrent"),), ())
    table = table.with_endpoint(Endpoint("GET", "/a", {"AT_ONCE": 1}))
    assert listen(table, ("GET", "/a"), 429)[1].paused == [("AT_ONCE", MARGIN)]


def test_ban_text_is_an_instant_of_the_servers_clock() -> None:
    """This machine's clock is another one; the answer's date says what time it is there."""
    text = f"Way too much request weight used; IP banned until {int(NOW * 1000) + 90_000}."
    body = json.dumps({"code": -1003, "msg": text}).encode()
    heard, fake = listen(SPOT, DEPTH, 418, {"Date": DATE}, body)
    assert fake.paused == [(None, 91.0)]
    heard, fake = listen(SPOT, DEPTH, 429, {"Date": DATE}, body)
    assert (heard.means, fake.paused) == ("banned", [(None, 91.0)])
    # The header's seconds are better.
    _, fake = listen(SPOT, DEPTH, 418, {"Date": DATE, "Retry-After": "60"}, body)
    assert fake.paused == [(None, 61.0)]


def test_ban_text_without_a_date_is_read_by_this_machines_clock() -> None:
    body = f"IP banned until {int(time.time() * 1000) + 90_000}"
    [(_, seconds)] = listen(SPOT, DEPTH, 418, {}, body)[1].paused
    assert 89 < seconds <= 91


def test_ban_that_says_nothing_lasts_two_minutes() -> None:
    assert listen(SPOT, DEPTH, 418, {}, "<html>teapot</html>")[1].paused == [(None, 121.0)]


def test_overload_pauses_nothing() -> None:
    for status in (400, 429, 503):
        body = b'{"code":-1008,"msg":"Server is currently overloaded with other requests."}'
        heard, fake = listen(SPOT, ORDER, status, {}, body)
        assert heard.means == "overloaded"
        assert not fake.paused
        assert not fake.observed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 1.0),
        ("-5", 1.0),
        ("1", 2.0),
        ("1.5", 2.5),
        ("259200", 259_201.0),
        ("99999999999", LONGEST_WAIT),
        (formatdate(NOW + 30, usegmt=True), 31.0),
        (formatdate(NOW - 3600, usegmt=True), 1.0),
        (DATE, 1.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float) -> None:
    heard, fake = listen(SPOT, DEPTH, 418, {"Retry-After": text, "Date": DATE})
    assert fake.paused == [(None, seconds)]
    assert heard.wait == seconds


def test_wait_that_is_too_long_to_believe_is_a_question_for_the_user(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listen(SPOT, DEPTH, 429, {"Retry-After": "1764417600"})
    assert "longer than any ban that is documented" in caplog.text


@pytest.mark.parametrize("text", ["soon", "", "1e3", "Sat, 99 Nov 2025 12:00:00 GMT", "x" * 5_000])
def test_retry_after_that_is_none_is_as_if_it_were_not_there(text: str) -> None:
    _, fake = listen(SPOT, DEPTH, 429, {"Retry-After": text})
    assert not fake.paused
    assert ("REQUEST_WEIGHT", {"remaining": 0}) in fake.observed


def test_retry_after_in_milliseconds() -> None:
    dydx = tables.load("dydx")
    endpoint = next(x for x in dydx.endpoints if x.weights and "{" not in x.path)
    _, fake = listen(dydx, (endpoint.method, endpoint.path), 429, {"Retry-After": "4500"})
    assert {seconds for _, seconds in fake.paused} == {5.5}


def test_code_with_http_200_is_a_refusal() -> None:
    fake = FakeThrottler(OWN)
    OWN.prepare(fake, "POST", "/order", {"symbol": "A"})  # type: ignore[arg-type]
    body = {"retCode": 10006, "retMsg": "Too many visits!"}
    heard, fake = listen(OWN, ("POST", "/order"), 200, {}, body, fake, query={"symbol": "A"})
    assert heard.means == "over"
    assert fake.observed == [("POST /order [A]", {"remaining": 0})]
    assert OWN.needs_body(200)
    assert not SPOT.needs_body(200), "its errors have statuses of their own"
    assert SPOT.needs_body(429)
    assert not tables.generic().needs_body(200)


def test_code_elsewhere_in_a_body_is_none() -> None:
    body = {"retCode": 0, "result": {"price": "10006", "retCode": "10006"}}
    assert listen(OWN, ("POST", "/order"), 200, {}, body)[0].means == "ok"


def test_kucoins_429000_is_overload_unless_the_headers_are_there() -> None:
    kucoin = tables.load("kucoin")
    request = ("GET", "/api/v1/market/allTickers")
    body = b'{"code":"429000","msg":"Too Many Requests"}'
    heard, fake = listen(kucoin, request, 429, {}, body)
    assert heard.means == "overloaded"
    assert not fake.paused
    headers = {
        "gw-ratelimit-limit": "2000",
        "gw-ratelimit-remaining": "0",
        "gw-ratelimit-reset": "12000",
    }
    heard, fake = listen(kucoin, request, 429, headers, body)
    assert heard.means == "over"
    assert {seconds for _, seconds in fake.paused} == {13.0}


def test_krakens_lockout_closes_the_limits_of_the_account() -> None:
    kraken = tables.load("kraken")
    body = b'{"error":["EGeneral:Temporary lockout"]}'
    heard, fake = listen(kraken, ("POST", "/0/private/Balance"), 200, {}, body)
    assert heard.means == "banned"
    assert {seconds for _, seconds in fake.paused} == {901.0}
    paused = {name for name, _ in fake.paused}
    assert paused
    scopes = {limit.name: limit.scope for limit in kraken.limits}
    assert all(scopes.get(str(name), "account") != "address" for name in paused)


def test_a_lockout_closes_limits_that_a_request_makes_later(clock: ManualClock) -> None:
    table = Table(
        (
            Limit("ORDERS", 9, 60.0, "", key=("pair",)),
            Limit("CALLS", 9, 60.0, "", scope="key"),
            Limit("PUBLIC", 9, 60.0, "", scope="address", key=("pair",)),
        ),
        (
            Endpoint("POST", "/order", {"ORDERS": 1}),
            Endpoint("POST", "/balance", {"CALLS": 1}),
            Endpoint("GET", "/ticker", {"PUBLIC": 1}),
        ),
        refusals=(Refusal("banned", status=(403,), pauses="account", wait=(Wait(seconds=900),)),),
    )
    throttler = table.throttler(clock=clock)
    table.listen(throttler, "POST", "/balance", 403)
    order = table.prepare(throttler, "POST", "/order", {"pair": "A"})
    assert order == "POST /order [A]"
    assert throttler.usage("ORDERS [A]").paused == 901
    assert not throttler.charge(order)
    ticker = table.prepare(throttler, "GET", "/ticker", {"pair": "A"})
    assert throttler.charge(ticker), "of the address, and not of the account"
    clock.advance(901)
    assert throttler.charge(order)


def test_krakens_throttled_is_an_instant() -> None:
    kraken = tables.load("kraken")
    body = json.dumps({"error": [f"EService: Throttled: {int(NOW) + 5}"]})
    _, fake = listen(kraken, ("POST", "/0/private/Balance"), 200, {"Date": DATE}, body)
    assert {seconds for _, seconds in fake.paused} == {6.0}
