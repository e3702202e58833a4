"""What an answer costs by its items: the largest is charged, and the rest given back."""

from __future__ import annotations

import re

import pytest

from sluicegate import tables
from sluicegate.tables import Endpoint, Limit, Returned, Table
from sluicegate.testing import ManualClock
from tests.tables.fake_throttler import FakeThrottler
from tests.tables.listener import listen

RETURNED = {"ALL": Returned(10, 100), "OWN": Returned(20, 100)}
LIST = Endpoint("GET", "/list", {"ALL": 2}, returned={"ALL": Returned(10, 100)})


def test_the_largest_answer_is_charged_and_what_was_too_much_given_back() -> None:
    table = Table(
        (Limit("ALL", 100, 10.0, ""), Limit("OWN", 50, 10.0, "", key=("symbol",))),
        (Endpoint("GET", "/list", {"ALL": 2}, returned=RETURNED),),
    )
    fake = FakeThrottler(table)
    query = {"symbol": "BTC"}
    limit_id = table.prepare(fake, "GET", "/list", query)  # type: ignore[arg-type]
    assert limit_id == "GET /list [BTC]"
    takes = table.route("GET", "/list", query).takes
    assert {name: units for name, (_, units) in takes.items()} == {"ALL": 12, "OWN [BTC]": 5}
    listen(table, ("GET", "/list"), 200, {}, [{}] * 11, throttler=fake, query=query)
    assert fake.corrected == [("ALL", -8), ("OWN [BTC]", -4)]


def test_an_answer_with_more_items_than_there_may_be_gives_nothing_back() -> None:
    table = Table((Limit("ALL", 100, 10.0, ""),), (LIST,))
    assert not listen(table, ("GET", "/list"), 200, {}, [{}] * 1000)[1].corrected
    assert not listen(table, ("GET", "/list"), 200, {}, "{" * 1000)[1].corrected


def test_answers_of_a_table_that_counts_items_must_be_read() -> None:
    table = Table((Limit("ALL", 100, 10.0, ""),), (LIST,))
    assert table.needs_body(200)
    assert not table.needs_body(500)
    assert not Table((Limit("ALL", 100, 10.0, ""),), ()).needs_body(200)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ({"ALL": {"per": 0, "most": 5}}, "per must be a whole number of at least 1, got 0"),
        ({"ALL": {"per": 1, "most": 99}}, "must be 1 to 100, got 101"),
        ({"ALL": {"per": 1}}, "most"),
        ({"OTHER": {"per": 1, "most": 5}}, "names the limit 'OTHER'"),
        ([5], "returned"),
    ],
)
def test_a_wrong_cost_by_items_is_refused(returned: object, message: str) -> None:
    data = {
        "limits": [{"name": "ALL", "limit": 100, "interval": 10.0}],
        "endpoints": [
            {"method": "GET", "path": "/list", "weights": {"ALL": 2}, "returned": returned}
        ],
    }
    with pytest.raises(ValueError, match=re.escape(message)):
        tables.table_from_json(data)


def test_small_answers_leave_room_for_more_requests_and_never_for_too_many() -> None:
    clock = ManualClock()
    table = tables.load("hyperliquid")
    throttler = table.throttler(clock=clock)
    query = {"type": "candleSnapshot", "req": {"coin": "BTC"}}
    limit_id = table.find("POST", "/info", query)
    sent = 0
    while throttler.try_acquire(limit_id):
        table.listen(throttler, "POST", "/info", 200, {}, [{}] * 100, query=query)
        sent += 1
    # Each costs 22, and the next one may cost 104. Without what is given back there were 11.
    assert sent == 1 + (1200 - 104) // 22
    assert throttler.usage("ADDRESS").used == 22 * sent
    assert throttler.wait_time(limit_id) == 60
