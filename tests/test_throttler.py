"""Tables, questions and bad input."""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
import subprocess
import sys
import threading
from decimal import Decimal
from fractions import Fraction
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
from tests.helpers.loops import settle

# The table of the source document on Hummingbot's throttler, section 3.
BINANCE = [
    RateLimit("REQUEST_WEIGHT", limit=1200, time_interval=60),
    RateLimit("ORDERS", limit=10, time_interval=1),
    RateLimit("ORDERS_24HR", limit=100000, time_interval=86400),
    RateLimit(
        "/depth",
        limit=5000,
        time_interval=60,
        linked_limits=[LinkedLimitWeightPair("REQUEST_WEIGHT", 50)],
    ),
    RateLimit(
        "/order",
        limit=5000,
        time_interval=60,
        linked_limits=[
            LinkedLimitWeightPair("REQUEST_WEIGHT", 1),
            LinkedLimitWeightPair("ORDERS", 1),
            LinkedLimitWeightPair("ORDERS_24HR", 1),
        ],
    ),
]


def used(throttler: Throttler) -> dict[str, int]:
    return {limit_id: usage.used for limit_id, usage in throttler.usage().items()}


# ---- what a request takes


def test_a_request_takes_from_its_own_limit_and_from_each_pool_by_its_weight() -> None:
    throttler = Throttler(BINANCE)
    with throttler.execute_task("/order"), throttler.execute_task("/depth"):
        pass
    expected = {"REQUEST_WEIGHT": 51, "ORDERS": 1, "ORDERS_24HR": 1, "/depth": 1, "/order": 1}
    assert used(throttler) == expected


def test_a_request_takes_from_all_its_limits_or_from_none(clock: ManualClock) -> None:
    throttler = Throttler(BINANCE, clock=clock)
    assert throttler.try_acquire("/order", 10)
    before = used(throttler)
    assert not throttler.try_acquire("/order")
    assert used(throttler) == before
    clock.advance(1)
    assert throttler.try_acquire("/order")


def test_units_multiply_every_weight() -> None:
    throttler = Throttler(BINANCE)
    assert throttler.try_acquire("/depth", 3)
    assert used(throttler) == {
        **dict.fromkeys(used(throttler), 0),
        "REQUEST_WEIGHT": 150,
        "/depth": 3,
    }


def test_an_order_that_waits_holds_no_market_data_up(clock: ManualClock) -> None:
    throttler = Throttler(BINANCE, clock=clock)
    assert throttler.try_acquire("/order", 10)
    waiting = throttler.execute_task("/order")
    thread = threading.Thread(target=lambda: waiting.__enter__())
    thread.start()
    while throttler.usage("ORDERS").waiting == 0:
        pass
    assert throttler.try_acquire("/depth", 23), "all but what the order has reserved"
    assert not throttler.try_acquire("/depth"), "40 are left: not enough"
    clock.advance(1)
    thread.join()
    assert throttler.usage("ORDERS").in_flight == 1


def test_the_margin_keeps_units_longer(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 1, 10)], safety_margin_pct=0.05, clock=clock)
    assert throttler.try_acquire("/x")
    clock.advance(10.499)
    assert not throttler.try_acquire("/x")
    clock.advance(0.001)
    assert throttler.try_acquire("/x")


@pytest.mark.parametrize("share", [50, 50.0, Decimal("50"), Fraction(50)])
def test_the_share_of_every_limit_is_rounded_down_and_at_least_one(share: Any) -> None:
    table = [RateLimit("a", 5, 1), RateLimit("b", 1, 1)]
    throttler = Throttler(table, limits_share_percentage=share)
    assert [usage.limit for usage in throttler.usage().values()] == [2, 1]


@pytest.mark.parametrize(
    ("limit", "units"), [(2.9, 2), (Decimal("3.5"), 3), (2**63 - 1, 2**62), (10**30, 2**62)]
)
def test_limits_are_whole_units_and_huge_ones_mean_no_limit(limit: Any, units: int) -> None:
    assert Throttler([RateLimit("a", limit, 1)]).usage("a").limit == units


def test_of_limits_with_the_same_id_the_last_one_stands() -> None:
    with pytest.warns(RuntimeWarning, match="the last one counts"):
        throttler = Throttler([RateLimit("a", 1, 1), RateLimit("b", 1, 1), RateLimit("a", 3, 1)])
    assert throttler.usage("a").limit == 3
    assert list(throttler.usage()) == ["a", "b"]


def test_any_object_with_the_attributes_is_a_limit() -> None:
    pair = SimpleNamespace(limit_id="POOL", weight=2)
    rows = [
        SimpleNamespace(limit_id="POOL", limit=10, time_interval=Decimal("1.5")),
        SimpleNamespace(limit_id="/x", limit=10, time_interval=1, weight=1, linked_limits=(pair,)),
    ]
    throttler = Throttler(row for row in rows)
    assert throttler.try_acquire("/x")
    assert used(throttler) == {"POOL": 2, "/x": 1}
    assert throttler.usage("POOL").time_interval == 1.5


def test_a_weight_of_zero_leaves_its_own_limit_out() -> None:
    throttler = Throttler([RateLimit("a", 1, 1, weight=0)])
    assert all(throttler.try_acquire("a") for _ in range(5))
    assert throttler.usage("a").used == 0


def test_a_str_of_another_class_is_an_id_too() -> None:
    class Path(str):
        def __hash__(self) -> int:
            raise AssertionError("no code of its own may run")

    throttler = Throttler([RateLimit("/x", 1, 1)])
    assert throttler.try_acquire(Path("/x"))


# ---- questions


def test_usage_says_what_is_used_and_when_it_comes_free(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 5, 10)], clock=clock)
    assert throttler.usage("/x").resets_in == 0.0
    assert throttler.try_acquire("/x", 2)
    clock.advance(4)
    with throttler.execute_task("/x"):
        usage = throttler.usage("/x")
        assert repr(usage) == (
            'Usage(limit_id="/x", limit=5, used=3, in_flight=1, waiting=0, '
            "time_interval=10, resets_in=6)"
        )
        clock.advance(6)
        assert throttler.usage("/x").resets_in == 10.0, "one interval, at the least"
    assert throttler.usage("/x") == throttler.usage()["/x"]
    assert throttler.usage("/x") != usage


def test_usage_tells_what_remains_and_goes_into_json(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 5, 10)], clock=clock)
    assert throttler.usage("/x").remaining == 5
    throttler.charge("/x", 3)
    usage = throttler.usage("/x")
    assert usage.remaining == 2
    assert json.loads(json.dumps(usage.as_dict())) == {
        "limit_id": "/x",
        "limit": 5,
        "used": 3,
        "remaining": 2,
        "in_flight": 0,
        "waiting": 0,
        "time_interval": 10.0,
        "resets_in": 10.0,
    }
    throttler.set_rate_limits([RateLimit("/x", 1, 10)])
    assert throttler.usage("/x").remaining == 0, "never below 0"


def test_charge_takes_for_good_and_try_acquire_is_its_other_name(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 3, 10)], clock=clock)
    assert throttler.charge("/x")
    assert throttler.charge("/x", units=2)
    assert not throttler.charge("/x")
    assert not throttler.try_acquire("/x")
    usage = throttler.usage("/x")
    assert (usage.used, usage.in_flight) == (3, 0)
    clock.advance(10)
    assert throttler.try_acquire("/x", units=3)


# ---- timeouts


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


def test_wait_time_is_zero_only_if_a_request_could_leave_now(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("/x", 2, 10)], clock=clock)
    assert throttler.wait_time("/x") == 0.0
    assert throttler.try_acquire("/x")
    clock.advance(3)
    assert throttler.try_acquire("/x")
    assert throttler.wait_time("/x") == pytest.approx(7)
    assert throttler.wait_time("/x", 2) == pytest.approx(10)
    clock.advance(7)
    assert throttler.wait_time("/x") == 0.0


async def test_wait_time_counts_everybody_who_waits(clock: ManualClock) -> None:
    import asyncio

    throttler = Throttler([RateLimit("/x", 2, 10)], hold="start", clock=clock)

    async def enter() -> None:
        async with throttler.execute_task("/x"):
            pass

    assert throttler.try_acquire("/x", 2)
    tasks = [asyncio.create_task(enter()) for _ in range(101)]
    await settle()
    assert throttler.wait_time("/x") == pytest.approx(10 + 50 * 10), "the 102nd, two at a time"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# ---- live tables


def test_charges_of_ids_that_stay_stay(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("a", 2, 10), RateLimit("b", 2, 10)], clock=clock)
    assert throttler.try_acquire("a", 2)
    throttler.set_rate_limits([RateLimit("a", 3, 10), RateLimit("c", 1, 1)])
    assert used(throttler) == {"a": 2, "c": 0}
    assert throttler.try_acquire("a")
    assert not throttler.try_acquire("a")
    with pytest.raises(UnknownLimitError):
        throttler.usage("b")


def test_a_request_in_flight_survives_a_new_table(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("a", 2, 10)], clock=clock)
    with throttler.execute_task("a"):
        throttler.set_rate_limits([RateLimit("b", 1, 1)])
    throttler.set_rate_limits([RateLimit("a", 2, 10)])
    assert throttler.usage("a").used == 1, "it still counts where it was sent"


def test_a_task_made_before_a_new_table_obeys_the_new_one(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("a", 2, 10), RateLimit("b", 1, 10)], clock=clock)
    task, gone = throttler.execute_task("a"), throttler.execute_task("b")
    linked = [LinkedLimitWeightPair("POOL", 3)]
    throttler.set_rate_limits([RateLimit("POOL", 3, 10), RateLimit("a", 2, 10, 1, linked)])
    with task:
        assert used(throttler) == {"POOL": 3, "a": 1}
    assert used(throttler) == {"POOL": 3, "a": 1}
    with pytest.raises(UnknownLimitError, match='"b"'), gone:
        pytest.fail("it entered")


async def test_waiters_follow_a_new_table(clock: ManualClock) -> None:
    import asyncio

    throttler = Throttler([RateLimit("a", 2, 10), RateLimit("b", 2, 10)], clock=clock)
    assert throttler.try_acquire("a", 2)
    assert throttler.try_acquire("b", 2)

    async def enter(limit_id: str, units: int) -> str:
        async with throttler.execute_task(limit_id, units):
            return "inside"

    served, gone, too_heavy = (
        asyncio.create_task(enter(*what)) for what in (("a", 1), ("b", 1), ("a", 2))
    )
    await settle()
    throttler.set_rate_limits([RateLimit("a", 3, 10)])
    assert await served == "inside"
    with pytest.raises(UnknownLimitError, match='no limit has the id "b"'):
        await gone
    throttler.set_rate_limits([RateLimit("a", 1, 10)])
    with pytest.raises(ValueError, match='takes 2 units of "a", but only 1 fit'):
        await too_heavy


def test_added_limits_leave_those_that_are_there(clock: ManualClock) -> None:
    throttler = Throttler([RateLimit("a", 2, 10)], clock=clock)
    throttler.add_rate_limits(
        [RateLimit("a", 9, 9), RateLimit("b", 1, 1, linked_limits=[LinkedLimitWeightPair("a")])]
    )
    assert throttler.usage("a").limit == 2
    assert throttler.try_acquire("b")
    assert used(throttler) == {"a": 1, "b": 1}
    assert throttler.rate_limits == [
        RateLimit("a", 2, 10.0, 1, []),
        RateLimit("b", 1, 1.0, 1, [LinkedLimitWeightPair("a", 1)]),
    ]


# ---- bad input


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
    ([limit(limit=None)], TypeError, r"not None \(NoneType\)"),
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


def test_a_usage_survives_pickling_and_copying() -> None:
    usage = Throttler(BINANCE).usage("ORDERS")
    assert pickle.loads(pickle.dumps(usage)) == copy.deepcopy(usage) == usage


def test_ids_that_come_and_go_leave_nothing_behind(clock: ManualClock) -> None:
    throttler = Throttler([], clock=clock)
    for number in range(50):
        throttler.set_rate_limits([RateLimit(f"id-{number}", 1, 10), RateLimit("kept", 100, 1000)])
        assert throttler.try_acquire("kept")
        assert throttler.try_acquire(f"id-{number}")
        clock.advance(10)
    assert used(throttler) == {"kept": 50, "id-49": 0}


# ---- subclasses


def test_a_subclass_may_have_an_init_of_its_own() -> None:
    class Connector(Throttler):
        def __init__(self, name: str, share: float) -> None:
            super().__init__([RateLimit("/x", 10, 1)], limits_share_percentage=share)
            self.name = name

    connector = Connector("binance", share=50)
    assert connector.name == "binance"
    assert connector.usage("/x").limit == 5
    with pytest.raises(RuntimeError, match="has its table"):
        connector.__init__("again", share=10)  # type: ignore[misc] # on purpose
    assert connector.usage("/x").limit == 5


def test_a_subclass_that_forgets_its_base_is_told_so() -> None:
    class Forgetful(Throttler):
        def __init__(self) -> None:
            pass

    for ask in ("execute_task", "try_acquire", "usage"):
        with pytest.raises(RuntimeError, match=r"super\(\).__init__"):
            getattr(Forgetful(), ask)("/x")


# ---- fork and exit


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_holds_nothing_that_its_other_hooks_could_wait_for() -> None:
    done = run_python(
        """
import gc, os
os.register_at_fork(before=gc.collect)  # before ours: so it runs after ours
from sluicegate import RateLimit, Throttler
throttler = Throttler([RateLimit("/x", 10, 3600)])
class Cycle: pass
cycle = Cycle(); cycle.me = cycle; cycle.task = throttler.execute_task("/x")
cycle.task.__enter__()
del cycle
pid = os.fork()
assert throttler.usage("/x").used == 1
if pid:
    assert os.waitpid(pid, 0)[1] == 0
"""
    )
    assert done.returncode == 0, done.stderr


def test_a_daemon_thread_that_waits_does_not_break_the_programs_end() -> None:
    """The end of the program finds it in its wait, over and over; Rust must not be unwound."""
    done = run_python(
        """
import threading
from sluicegate import RateLimit, Throttler
throttler = Throttler([RateLimit("/x", 5, 0.005)], hold="start")
passed = threading.Event()
def work():
    for n in range(10**9):
        with throttler.execute_task("/x"):
            if n > 20: passed.set()
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
passed.wait()
"""
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_works_and_counts_on_its_own() -> None:
    throttler = Throttler([RateLimit("/x", 10, 3600)])
    stop = threading.Event()

    def hammer() -> None:
        """Holds the lock as often as it can, so that a fork meets it held."""
        while not stop.is_set():
            throttler.wait_time("/x")

    waiter_throttler = Throttler([RateLimit("/x", 1, 3600)])
    assert waiter_throttler.try_acquire("/x")
    threads = [threading.Thread(target=hammer, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert throttler.try_acquire("/x", 2)
    task = throttler.execute_task("/x")
    try:
        with task:
            for _ in range(20):
                pid = os.fork()
                if pid == 0:
                    status = 1
                    try:
                        usage = throttler.usage("/x")
                        assert (usage.used, usage.in_flight, usage.waiting) == (3, 0, 0), usage
                        task.__exit__(None, None, None)  # the parent's request: not the child's
                        assert throttler.usage("/x").used == 3
                        with throttler.execute_task("/x"):
                            assert throttler.usage("/x").in_flight == 1
                        status = 0
                    finally:
                        os._exit(status)
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        stop.set()
    for thread in threads:
        thread.join()
    assert throttler.usage("/x").used == 3
