"""Threads and event loops that pass, observe, pause and correct, all at once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable

import pytest

from sluicegate import (
    LinkedLimitWeightPair,
    RateLimit,
    RateLimitTimeout,
    Throttler,
    ThrottlerEvent,
)

SECONDS = 1.5
POOL, KINDS = "POOL", ("rolling", "bucket", "fixed", "first")


class Stress:
    """What all of them do, at random, and what they hold."""

    def __init__(self, gate: Throttler, end: float) -> None:
        self.gate = gate
        self.end = end
        self.passed = 0
        self.failed: list[BaseException] = []
        self.events: list[ThrottlerEvent] = []

    def goes_on(self) -> bool:
        return time.monotonic() < self.end and not self.failed

    def tell(self, dice: random.Random) -> None:
        """An answer, of which nobody knows whether it is true."""
        limit_id = dice.choice([POOL, *KINDS])
        what = dice.randrange(8)
        if what == 0:
            self.gate.pause(dice.choice([None, limit_id]), dice.random() / 100, reason="429")
        elif what == 1:
            self.gate.pause_scope(dice.choice(["account", "address"]), dice.random() / 100)
        elif what == 2:
            self.gate.correct(limit_id, dice.randrange(-3, 3))
        elif what == 3:
            self.gate.set_server_time(time.time() + 2, uncertainty=dice.random() / 10)
        elif what == 4:
            self.gate.observe(limit_id, limit=dice.randrange(20, 60), remaining=dice.randrange(60))
        else:
            reset = dice.choice([None, dice.random() / 10])
            self.gate.observe(
                limit_id,
                used=dice.randrange(40),
                reset=reset,
                age=dice.random() / 50,
                expect=dice.random() < 0.5,
            )

    def thread(self, seed: int) -> None:
        dice = random.Random(seed)
        while self.goes_on():
            task = self.gate.execute_task(
                dice.choice(KINDS), units=dice.randrange(1, 4), timeout=dice.choice([0, 0.02, 1])
            )
            with contextlib.suppress(RateLimitTimeout), task:
                self.passed += 1
                self.tell(dice)
                task.correct(dice.randrange(-4, 2), dice.choice([None, POOL]))
            self.tell(dice)

    async def coroutine(self, seed: int) -> None:
        dice = random.Random(seed)
        while self.goes_on():
            with contextlib.suppress(RateLimitTimeout, asyncio.TimeoutError):
                await asyncio.wait_for(self.request(dice), dice.choice([0.005, 1]))
            await asyncio.sleep(0)

    async def request(self, dice: random.Random) -> None:
        task = self.gate.execute_task(dice.choice(KINDS), units=dice.randrange(1, 4), timeout=1)
        async with task:
            self.passed += 1
            await asyncio.sleep(dice.random() / 500)
            task.correct(dice.randrange(-4, 2))
            self.tell(dice)

    def loop(self, seed: int) -> None:
        async def main() -> None:
            await asyncio.gather(*(self.coroutine(seed * 100 + n) for n in range(8)))

        asyncio.run(main())

    def guarded(self, what: Callable[[int], None], seed: int) -> None:
        try:
            what(seed)
        except BaseException as error:
            self.failed.append(error)


@pytest.mark.parametrize("hold", ["response", "start"])
def test_nothing_leaks_whatever_is_told_from_wherever(hold: str) -> None:
    pool = [LinkedLimitWeightPair(POOL)]
    table = [
        RateLimit(POOL, 60, 0.05, scope="address"),
        RateLimit("rolling", 40, 0.03, linked_limits=pool),
        *(RateLimit(kind, 40, 0.03, kind=kind, linked_limits=pool) for kind in KINDS[1:]),  # type: ignore[arg-type]
    ]
    gate = Throttler(table, hold=hold)  # type: ignore[arg-type]
    stress = Stress(gate, time.monotonic() + SECONDS)
    gate.on(stress.events.append, waited_longer_than=0.001)
    kinds = [stress.thread] * 4 + [stress.loop] * 2
    running = [
        threading.Thread(target=stress.guarded, args=(what, seed))
        for seed, what in enumerate(kinds)
    ]
    for thread in running:
        thread.start()
    while stress.goes_on():
        gate.set_rate_limits(table)
        gate.usage()
        time.sleep(0.01)
    for thread in running:
        thread.join(60)
        assert not thread.is_alive(), "somebody waits for ever"
    assert not stress.failed
    assert stress.passed > 100
    assert {"paused", "foreign", "limit"} <= {event.kind for event in stress.events}
    for limit_id, usage in gate.usage().items():
        assert (usage.in_flight, usage.waiting) == (0, 0), limit_id
    # Whatever was told ends with its window, and all of the limit comes back.
    gate.set_rate_limits([RateLimit(x.limit_id, 70, 0.05) for x in table])
    for row in table:
        with gate.execute_task(row.limit_id, units=70, timeout=60):
            pass
