"""A real throttler that listens to answers: what leaves afterwards, and when."""

from __future__ import annotations

import asyncio
import json

import pytest

from sluicegate import Throttler, tables
from sluicegate.tables import Endpoint, Limit, Refusal, Table, made_routes
from sluicegate.testing import ManualClock

SPOT = tables.load("binance-spot")
DEPTH = ("GET", "/api/v3/depth")
DEEP = {"limit": "5000"}
DATE = {"Date": "Thu, 01 Jan 1970 00:00:10 GMT"}


def bot(table: Table) -> tuple[Throttler, ManualClock]:
    clock = ManualClock()
    clock.set_wall(10.0)
    return table.throttler(clock=clock), clock


def units(throttler: Throttler, limit_id: str, most: int = 100_000) -> int:
    """How many requests leave at once."""
    return next((n for n in range(most) if not throttler.charge(limit_id)), most)


def test_what_others_use_is_not_used_again() -> None:
    throttler, _ = bot(SPOT)
    limit_id = SPOT.prepare(throttler, *DEPTH, DEEP)
    with throttler.execute_task(limit_id):
        SPOT.listen(throttler, *DEPTH, 200, {"X-MBX-USED-WEIGHT-1M": "5250"}, query=DEEP, elapsed=0)
    # 6,000 less 5,250 are three more; others, who took 5,000 in ten seconds, may want them.
    assert units(throttler, limit_id) <= 3
    assert throttler.usage("REQUEST_WEIGHT").foreign >= 5_000
    throttler, _ = bot(SPOT)
    SPOT.prepare(throttler, *DEPTH, DEEP)
    throttler.observe("REQUEST_WEIGHT", used=5_250)
    assert units(throttler, limit_id) == 3


def test_a_smaller_number_frees_nothing() -> None:
    throttler, _ = bot(SPOT)
    limit_id = SPOT.prepare(throttler, *DEPTH, DEEP)
    assert units(throttler, limit_id) == 24
    SPOT.listen(throttler, *DEPTH, 200, {"X-MBX-USED-WEIGHT-1M": "250"}, query=DEEP)
    assert not throttler.charge(limit_id)


def test_after_a_429_nothing_of_the_address_leaves_before_the_time_and_a_second() -> None:
    throttler, clock = bot(SPOT)
    order = SPOT.prepare(throttler, "POST", "/api/v3/order")
    heard = SPOT.listen(throttler, *DEPTH, 429, {"Retry-After": "7"})
    for limit_id in (order, SPOT.find(*DEPTH), tables.OTHER):
        assert not throttler.charge(limit_id)
        assert throttler.wait_time(limit_id) == pytest.approx(8.0)
    assert heard.wait == 8.0
    clock.advance(7.9)
    assert not throttler.charge(order)
    clock.advance(0.2)
    assert throttler.charge(order)


def test_answers_in_flight_during_a_ban_make_it_no_longer_than_they_say() -> None:
    throttler, clock = bot(SPOT)
    SPOT.listen(throttler, *DEPTH, 418, {"Retry-After": "120"})
    clock.advance(5)
    SPOT.listen(throttler, *DEPTH, 418, {"Retry-After": "115"})
    SPOT.listen(throttler, *DEPTH, 429, {"Retry-After": "1"})
    assert throttler.wait_time(SPOT.find(*DEPTH)) == pytest.approx(116.0)


def test_a_429_that_says_nothing_fills_its_windows() -> None:
    throttler, clock = bot(SPOT)
    SPOT.listen(throttler, *DEPTH, 429)
    assert not throttler.charge(SPOT.find(*DEPTH))
    clock.advance(61)
    # RAW_REQUESTS may have been the one that was exceeded: its window is 5 minutes.
    assert not throttler.charge(SPOT.find(*DEPTH))
    clock.advance(300)
    assert throttler.charge(SPOT.find(*DEPTH))


def test_orders_that_are_exceeded_hold_up_no_market_data_and_no_cancels() -> None:
    throttler, _ = bot(SPOT)
    body = json.dumps({"code": -1015, "msg": "Too many new orders."})
    SPOT.listen(throttler, "POST", "/api/v3/order", 429, {"Retry-After": "5"}, body)
    assert not throttler.charge("POST /api/v3/order")
    assert throttler.charge("DELETE /api/v3/order")
    assert throttler.charge(SPOT.find(*DEPTH))


def test_a_limit_of_one_symbol_holds_up_no_other() -> None:
    table = Table(
        (Limit("ALL", 100, 10.0, ""),),
        (Endpoint("POST", "/order", {"ALL": 1}, limit=10, interval=1.0, key=("symbol",)),),
        refusals=(Refusal("over", code=("10006",), limits=("own",)),),
    )
    throttler, _ = bot(table)
    btc, eth = (table.prepare(throttler, "POST", "/order", {"symbol": x}) for x in ("btc", "eth"))
    heard = table.listen(
        throttler, "POST", "/order", 200, {}, b'{"code":10006}', query={"symbol": "btc"}
    )
    assert heard.limits == (btc,)
    assert not throttler.charge(btc)
    assert units(throttler, eth) == 10


@pytest.mark.parametrize("name", tables.names())
def test_a_throttler_of_each_table_hears_each_refusal(name: str) -> None:
    """None is told what it does not take."""
    table = tables.load(name)
    throttler, _ = bot(table)
    endpoint = next(x for x in table.endpoints if "{" not in x.path)
    for refusal in table.refusals:
        code: object = refusal.code[0] if refusal.code else "x"
        body: object = {
            field.partition(".")[0]: [{field.partition(".")[2]: code}] if "." in field else code
            for field in ((refusal.field,) if refusal.field else table.code_field)
        }
        status = refusal.status[0] if refusal.status else 200
        table.listen(throttler, endpoint.method, endpoint.path, status, DATE, body, elapsed=0.1)
    headers = {x.name: "5" for limit in table.limits for x in limit.told_by}
    headers |= {x.name: "5" for x in table.headers}
    for one in table.endpoints[:20]:
        table.listen(throttler, one.method, one.path, 200, headers | DATE, elapsed=0.1)


@pytest.mark.parametrize("name", tables.names())
def test_a_throttler_counts_each_limit_as_its_kind(name: str) -> None:
    table = tables.load(name)
    rows = {row.limit_id: row for row in table.throttler().rate_limits}
    for limit in table.limits:
        row = rows[limit.name]
        assert (row.kind, row.limit) == (limit.kind, limit.limit)
        assert row.time_interval == pytest.approx(limit.interval)
    for endpoint in table.endpoints:
        if not endpoint.limit:
            assert rows[endpoint.id].limit is None


def test_krakens_counter_lets_one_call_leave_each_third_second_after_a_burst() -> None:
    """And not all of them again when the last of the burst is 45 seconds old."""
    kraken = tables.load("kraken")
    throttler, clock = bot(kraken)
    limit_id = kraken.find("POST", "/0/private/Balance")
    assert units(throttler, limit_id) == 15
    assert throttler.wait_time(limit_id) < 3.5
    clock.advance(3.5)
    assert units(throttler, limit_id) == 1


def test_ids_that_are_made_from_requests_do_not_stay_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(made_routes, "MOST", 20)
    okx = tables.load("okx")
    throttler = okx.throttler(clock=ManualClock())

    def prepare(*instruments: str) -> str:
        orders = [{"instId": name, "side": "buy"} for name in instruments]
        return okx.prepare(throttler, "POST", "/api/v5/trade/batch-orders", orders)

    names = [f"S{number}" for number in range(20)]
    for name in names:
        prepare(name, name)
    both = prepare("S0", "S1")
    assert throttler.charge(both)
    known = len(throttler.rate_limits)
    for one in names:
        for other in names:
            prepare(one, other, "S0")
            # One that is asked for again and again stays.
            assert prepare("S0", "S1") == both
            assert both in throttler
    assert len(throttler.rate_limits) <= known + 21
    own = "POST /api/v5/trade/batch-orders [S0]"
    assert throttler.usage(own).used == 1, "what counts is not forgotten"


def test_an_id_that_requests_wait_for_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made_routes, "MOST", 4)
    okx, clock = tables.load("okx"), ManualClock()
    throttler = okx.throttler(clock=clock)

    def prepare(*instruments: str) -> str:
        orders = [{"instId": name, "side": "buy"} for name in instruments]
        return okx.prepare(throttler, "POST", "/api/v5/trade/batch-orders", orders)

    async def main() -> None:
        limit_id = prepare("S0", "S1")
        while throttler.charge(limit_id):
            pass

        async def place() -> str:
            async with throttler.execute_task(limit_id, priority=-1):
                return "placed"

        placed = asyncio.create_task(place())
        await asyncio.sleep(0)
        for number in range(2, 40):
            prepare(f"S{number}", f"S{number + 1}")
        assert limit_id in throttler
        clock.advance(2)
        assert await placed == "placed"
        prepare("S50", "S51")
        prepare("S52", "S53")
        assert limit_id not in throttler

    asyncio.run(main())
