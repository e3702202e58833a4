"""Tables, options and requests that cannot be: the error shows the value and what is right."""

from __future__ import annotations

import copy
import math
import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from sluicegate import (
    LinkedLimitWeightPair,
    RateLimit,
    RateLimitTimeout,
    Throttler,
    UnknownLimitError,
)
from sluicegate.testing import ManualClock
from tests.throttler.tables import BINANCE, used


def limit(**changes: Any) -> SimpleNamespace:
    return SimpleNamespace(
        **{"limit_id": "a", "limit": 1, "time_interval": 1, "weight": 1, **changes}
    )


BAD_TABLES: list[tuple[Any, type[Exception], str]] = [
    (5, TypeError, r"a list of RateLimit, not 5: write Throttler\(\[RateLimit\("),
    ([7], TypeError, "must have the attribute limit_id, but 7 has not"),
    ([limit(limit_id=3)], TypeError, "limit_id of a rate limit must be a str, not 3"),
    ([limit(limit=0)], ValueError, 'limit of "a" must be .* 1 or more, not 0'),
    ([limit(limit=-1)], ValueError, "not -1"),
    ([limit(limit=0.5)], ValueError, "not 0.5"),
    ([limit(limit=math.nan)], ValueError, "not nan"),
    ([limit(limit=math.inf)], ValueError, "not inf"),
    ([limit(limit=-(10**30))], ValueError, "not -1000"),
    ([limit(limit="10")], TypeError, r"not '10' \(str\)"),
    ([limit(limit=True)], TypeError, r"not True \(bool\)"),
    ([limit(time_interval=None)], TypeError, r"not None \(NoneType\)"),
    ([limit(time_interval=0)], ValueError, 'time_interval of "a" must be .* over 0 .*, not 0'),
    ([limit(time_interval=-1)], ValueError, "not -1"),
    ([limit(time_interval=math.nan)], ValueError, "not nan"),
    ([limit(time_interval=math.inf)], ValueError, "not inf"),
    ([limit(time_interval=1e12)], ValueError, "at most 100 years"),
    ([limit(time_interval=10**400)], ValueError, "time_interval"),
    ([limit(time_interval="1 s")], ValueError, '"1 s"'),
    ([limit(time_interval=[1])], TypeError, r"not \[1\]"),
    ([limit(weight=-1)], ValueError, 'weight of "a" must be .* 0 or more, not -1'),
    ([limit(weight=0.5)], ValueError, "a whole number of units.* not 0.5"),
    ([limit(weight=math.nan)], ValueError, "not nan"),
    ([limit(weight="1")], TypeError, "not '1'"),
    ([limit(weight=2)], ValueError, 'takes 2 units of "a", but only 1 fit'),
    ([limit(linked_limits=4)], TypeError, 'linked_limits of "a" must be a list'),
    ([limit(linked_limits=["a"])], TypeError, 'a link of "a" must have the attribute limit_id'),
    (
        [limit(limit_id="POOL"), limit(linked_limits=[LinkedLimitWeightPair("POOI")])],
        ValueError,
        '"a" is linked to "POOI", but no limit in the table has this id; did you mean "POOL"',
    ),
    (
        [limit(limit_id="POOL"), limit(linked_limits=[LinkedLimitWeightPair("POOL", 2)])],
        ValueError,
        'a request for "a" takes 2 units of "POOL", but only 1 fit in a window',
    ),
    (
        [
            limit(limit_id="POOL"),
            limit(linked_limits=[SimpleNamespace(limit_id="POOL", weight=-2)]),
        ],
        ValueError,
        'weight of the link from "a" to "POOL" must be .*, not -2',
    ),
]


@pytest.mark.parametrize(("table", "error", "message"), BAD_TABLES)
def test_a_bad_table_is_refused_with_its_value_and_changes_nothing(
    table: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Throttler(table)
    throttler = Throttler([RateLimit("kept", 3, 60)])
    assert throttler.try_acquire("kept")
    for change in (throttler.set_rate_limits, throttler.add_rate_limits):
        with pytest.raises(error, match=message):
            change(table)
    assert used(throttler) == {"kept": 1}
    assert throttler.rate_limits == [RateLimit("kept", 3, 60.0, 1, [])]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"safety_margin_pct": -0.1}, ValueError, "from 0 to 1 .*, not -0.1"),
        ({"safety_margin_pct": 5}, ValueError, r"\(0.05 is 5 %\), not 5"),
        ({"safety_margin_pct": math.nan}, ValueError, "not NaN"),
        ({"safety_margin_pct": "0"}, TypeError, "not '0'"),
        ({"limits_share_percentage": 0}, ValueError, "over 0 and up to 100, not 0"),
        ({"limits_share_percentage": 101}, ValueError, "not 101"),
        ({"limits_share_percentage": math.inf}, ValueError, "not inf"),
        ({"hold": "answer"}, ValueError, "hold must be 'response' or 'start', not 'answer'"),
        ({"hold": 3}, ValueError, "not 3"),
        ({"clock": 3}, TypeError, "ManualClock"),
    ],
)
def test_bad_options_are_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Throttler([], **options)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("/dept",), UnknownLimitError, 'no limit has the id "/dept"; did you mean "/depth"?'),
        ((7,), TypeError, "limit_id must be a str, not 7"),
        (("/depth", 0), ValueError, "units must be a whole number of units, 1 or more, not 0"),
        (("/depth", -1), ValueError, "not -1"),
        (("/depth", 1.5), ValueError, "not 1.5"),
        (("/depth", "1"), TypeError, "not '1'"),
        (("/depth", 25), ValueError, 'takes 1250 units of "REQUEST_WEIGHT", but only 1200 fit'),
        (("/depth", 10**30), ValueError, r"units must be at most 2\*\*62 units"),
    ],
)
def test_bad_requests_are_refused_and_charge_nothing(
    arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    throttler = Throttler(BINANCE)
    for ask in (throttler.execute_task, throttler.try_acquire, throttler.wait_time):
        with pytest.raises(error, match=message.replace("?", r"\?")):
            ask(*arguments)
    assert not any(used(throttler).values())


def test_unknown_ids_name_the_closest_one_and_are_key_errors() -> None:
    with pytest.raises(KeyError) as caught:
        Throttler(BINANCE).usage("request_weight")
    assert isinstance(caught.value, UnknownLimitError)
    assert (caught.value.limit_id, caught.value.closest) == ("request_weight", "REQUEST_WEIGHT")
    with pytest.raises(UnknownLimitError) as none_close:
        Throttler([]).usage("x")
    assert none_close.value.closest is None
    assert str(none_close.value) == 'no limit has the id "x"'


@pytest.mark.parametrize(
    "error", [UnknownLimitError("no", "a", "b"), RateLimitTimeout("late", "a", 1.5)]
)
def test_errors_survive_pickling_and_copying(error: Exception) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert vars(twin) == vars(error)
        assert str(twin) == str(error)


def test_a_manual_clock_refuses_to_go_back(clock: ManualClock) -> None:
    clock.advance(1.5)
    for seconds, error in (
        (-1, ValueError),
        (math.nan, ValueError),
        (math.inf, ValueError),
        ("1", TypeError),
    ):
        with pytest.raises(error):
            clock.advance(seconds)  # type: ignore[arg-type] # on purpose
    assert clock.now == 1.5
