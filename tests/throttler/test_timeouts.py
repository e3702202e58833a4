"""`timeout=` and `RateLimitTimeout`: which limit was full, and until when."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest

from sluicegate import (
    LinkedLimitWeightPair,
    RateLimit,
    RateLimitTimeout,
    Throttler,
)
from sluicegate.testing import ManualClock
from tests.throttler.tables import BINANCE


def timeout_of(throttler: Throttler, limit_id: str) -> RateLimitTimeout:
    with pytest.raises(RateLimitTimeout) as caught, throttler.execute_task(limit_id, timeout=0):
        pass
    return caught.value


def test_timeout_names_the_full_limit_and_when_it_has_room(clock: ManualClock) -> None:
    table = [
        RateLimit("SECOND", 5, 1),
        RateLimit("MINUTE", 5, 60),
        RateLimit(
            "/x", 100, 60, linked_limits=[LinkedLimitWeightPair(x) for x in ("SECOND", "MINUTE")]
        ),
    ]
    throttler = Throttler(table, clock=clock)
    assert throttler.charge("/x", 5)
    clock.advance(0.25)
    error = timeout_of(throttler, "/x")
    assert (error.limit_id, error.full_limit, error.retry_after) == ("/x", "MINUTE", 59.75)
    assert str(error) == (
        'a request for "/x" could not pass within 0 s: '
        '"MINUTE" is full, and has room in 59.750 s at the earliest'
    )
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.full_limit, again.retry_after) == (str(error), "MINUTE", 59.75)


def test_timeout_that_hangs_on_requests_in_flight_says_so(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 1, 60)], clock=clock)
    with throttler.execute_task("/x"):
        error = timeout_of(throttler, "/x")
    assert (error.full_limit, error.retry_after) == ("/x", None)
    assert str(error).endswith('"/x" is full of requests that are in flight')


@pytest.mark.parametrize(
    ("timeout", "error"), [(-1, ValueError), (math.nan, ValueError), ("1", TypeError)]
)
def test_bad_timeouts_are_refused(timeout: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="timeout must be a number of seconds, 0 or more"):
        Throttler(BINANCE).execute_task("/depth", timeout=timeout)


@pytest.mark.parametrize("timeout", [None, math.inf, 1e300])
def test_endless_timeouts_are_none(timeout: Any) -> None:
    with Throttler(BINANCE).execute_task("/depth", timeout=timeout):
        pass
