"""`Task.correct`: a request gives back its own units, or counts more, once its answer is there."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from sluicegate import (
    LinkedLimitWeightPair,
    RateLimit,
    Throttler,
    ThrottlerEvent,
    UnknownLimitError,
)
from sluicegate.testing import ManualClock
from tests.helpers.loops import settle


def throttler(clock: ManualClock, limit: int = 20, **options: Any) -> Throttler:
    table = [
        RateLimit("POOL", 3 * limit, 60),
        RateLimit("OTHER", limit, 60),
        RateLimit("/a", limit, 60, linked_limits=[LinkedLimitWeightPair("POOL", 2)]),
    ]
    return Throttler(table, clock=clock, **options)


def used(gate: Throttler) -> tuple[int, int]:
    return gate.usage("/a").used, gate.usage("POOL").used


@pytest.mark.parametrize("limit", [20, 20_000])
def test_a_request_gives_back_its_own_units(clock: ManualClock, limit: int) -> None:
    gate = throttler(clock, limit)
    with gate.execute_task("/a", units=4):
        pass
    clock.advance(1)
    task = gate.execute_task("/a", units=10)
    with task:
        assert task.correct(-7) == -7
        assert (used(gate), gate.usage("/a").in_flight) == ((7, 14), 3)
        assert task.correct(-1, "POOL") == -1
        assert used(gate) == (7, 13)
        assert task.correct(2) == 2, "which count from now on"
        assert used(gate) == (9, 17)
        assert task.correct(0) == 0
    clock.advance(59)
    assert used(gate) == (5, 9), "nothing of the other request was given back"
    clock.advance(1)
    assert used(gate) == (0, 0)


def test_no_more_is_given_back_than_the_request_holds(clock: ManualClock) -> None:
    gate = throttler(clock)
    with gate.execute_task("/a", units=9):
        task = gate.execute_task("/a", units=5)
        with task:
            assert task.correct(-7, "POOL") == -7
            assert task.correct(-100) == -1, "three units of the pool are left, two for each time"
            assert task.correct(-100, "POOL") == -1
            assert task.correct(-100, "/a") == -4
            assert task.correct(-1) == task.correct(-1, "POOL") == 0
            assert used(gate) == (9, 18)
            assert task.correct(10**30) > 0
        assert gate.correct("/a", -(10**30)) < 0


def test_what_is_given_back_lets_others_through_at_once(clock: ManualClock) -> None:
    gate = throttler(clock)

    async def main() -> None:
        order: list[str] = []

        entered = asyncio.Event()

        async def wait() -> None:
            await entered.wait()
            async with gate.execute_task("/a", units=5):
                order.append("waited")

        waiting = asyncio.create_task(wait())
        task = gate.execute_task("/a", units=20)
        async with task:
            entered.set()
            await settle()
            assert task.correct(-4) == -4
            await settle()
            assert not order
            assert task.correct(-1) == -1
            await settle()
            assert order == ["waited"]
            await waiting

    asyncio.run(main())


def test_it_is_refused_outside_of_the_block(clock: ManualClock) -> None:
    gate = throttler(clock)
    task = gate.execute_task("/a", units=5)
    with pytest.raises(RuntimeError, match=r"not in its block: .* throttler.correct\(\"/a\", -3\)"):
        task.correct(-3)
    with task:
        assert task.correct(-3) == -3
    with pytest.raises(RuntimeError, match="not in its block"):
        task.correct(-1)
    assert used(gate) == (2, 4)
    with task:
        assert used(gate) == (7, 14), "again all that it asks for"
        assert task.correct(-5) == -5
    assert used(gate) == (2, 4)


def test_what_cannot_be_corrected_is_an_error(clock: ManualClock) -> None:
    gate = throttler(clock)
    task = gate.execute_task("/a", units=5)
    with task:
        with pytest.raises(ValueError, match=r"one that it takes from \(/a, POOL\), not OTHER"):
            task.correct(-1, "OTHER")
        with pytest.raises(UnknownLimitError, match="POOL"):
            task.correct(-1, "POLL")
        for units in (1.5, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="units must be a whole number"):
                task.correct(units)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="units must be"):
            task.correct("3")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="limit_id must be a str or None, not 3"):
            task.correct(-1, 3)  # type: ignore[arg-type]
        assert used(gate) == (5, 10)


def test_nothing_is_given_back_of_what_counts_since_the_start(clock: ManualClock) -> None:
    gate = throttler(clock, hold="start")
    task = gate.execute_task("/a", units=5)
    with task:
        assert task.correct(-3) == task.correct(-3, "POOL") == 0
        assert task.correct(3) == 3
        assert used(gate) == (8, 16)


@pytest.mark.parametrize("how", ["raises", "cancelled", "dropped"])
def test_a_block_that_ends_in_any_way_gives_the_rest_to_the_window(
    clock: ManualClock, how: str
) -> None:
    gate = throttler(clock)

    async def main() -> None:
        task = gate.execute_task("/a", units=10)

        async def block() -> None:
            async with task:
                task.correct(-6)
                if how == "raises":
                    raise KeyError
                await asyncio.Event().wait()

        running = asyncio.create_task(block())
        await settle()
        if how != "raises":
            running.cancel()
        with pytest.raises((KeyError, asyncio.CancelledError)):
            await running

    if how == "dropped":
        task = gate.execute_task("/a", units=10)
        task.__enter__()
        task.correct(-6)
        del task
    else:
        asyncio.run(main())
    assert (used(gate), gate.usage("/a").in_flight) == ((4, 8), 0)


def test_a_block_that_yields_takes_no_more_again_than_it_holds(clock: ManualClock) -> None:
    gate = throttler(clock)
    task = gate.execute_task("/a", units=20)

    async def main() -> None:
        async with task:
            waiting = asyncio.create_task(inner())
            await settle()
            assert task.correct(-15) == -15
            clock.advance(60)
            await settle()
            await waiting
            assert gate.usage("/a").in_flight == 5

    async def inner() -> None:
        async with gate.execute_task("/a", units=2):
            pass

    asyncio.run(main())
    assert gate.usage("/a").used == 7


def test_a_new_table_changes_nothing_for_what_is_held(clock: ManualClock) -> None:
    gate = throttler(clock)
    task = gate.execute_task("/a", units=10)
    with task:
        gate.set_rate_limits([RateLimit("/a", 30, 60), RateLimit("POOL", 60, 60)])
        assert task.correct(-5) == -5
        assert used(gate) == (5, 10)
        assert task.correct(1) == 1, "by the table that is in force"
        assert used(gate) == (6, 10)
        gate.set_rate_limits([RateLimit("POOL", 60, 60)])
        assert task.correct(-3) == -3
        with pytest.raises(UnknownLimitError):
            task.correct(1)
        assert gate.usage("POOL").used == 4
    assert gate.usage("POOL").used == 4


def test_lower_classes_give_back_what_they_took_beside_a_reserve(clock: ManualClock) -> None:
    gate = Throttler([RateLimit("/a", 20, 60, reserve={1: 5})], clock=clock)
    task = gate.execute_task("/a", units=15)
    with task:
        assert not gate.charge("/a")
        assert task.correct(-5) == -5
        assert gate.charge("/a", 5)
        assert not gate.charge("/a")
        assert gate.charge("/a", 5, priority=1)


def test_a_listener_may_correct_while_it_is_told(clock: ManualClock) -> None:
    gate = throttler(clock)
    done: list[int] = []
    task = gate.execute_task("/a", units=10)

    def tell(event: ThrottlerEvent) -> None:
        done.append(task.correct(-2))

    gate.on(tell)
    with task:
        gate.pause("OTHER", 1)
        clock.advance(2)
        assert task.correct(-1) == -1
    assert done[:1] == [-2]
    assert used(gate) == (10 - 1 - 2 * len(done), 20 - 2 - 4 * len(done))


def test_many_threads_may_correct_one_task_and_one_leaves_it(clock: ManualClock) -> None:
    gate = throttler(clock, 20_000)
    for _ in range(50):
        task = gate.execute_task("/a", units=8)
        task.__enter__()
        given: list[int] = []

        def correct(task: Any = task, given: list[int] = given) -> None:
            try:
                given.append(task.correct(-2))
            except RuntimeError:
                given.append(0)

        threads = [threading.Thread(target=correct) for _ in range(6)]
        for thread in threads:
            thread.start()
        task.__exit__(None, None, None)
        for thread in threads:
            thread.join()
        assert gate.usage("/a").in_flight == 0
        assert gate.usage("/a").used == 8 + sum(given)
        clock.advance(60)
