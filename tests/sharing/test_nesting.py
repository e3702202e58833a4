"""Requests within blocks of others, while other members of the budget use all that they can get."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from sluicegate import RateLimit, Throttler
from tests.helpers.threads import until


class Greedy:
    """A member that takes all that it gets, in requests of so many units."""

    def __init__(self, store: str, table: list[RateLimit], units: int) -> None:
        self._throttler = Throttler(table, share=store)
        self._units = units
        self._stopped = False
        self.passed = 0
        self._threads = [threading.Thread(target=self._go_on, daemon=True) for _ in range(3)]

    def _go_on(self) -> None:
        while not self._stopped:
            with self._throttler.execute_task("x", self._units, timeout=25):
                self.passed += 1

    @property
    def waits(self) -> bool:
        return self._throttler.usage("x").waiting > 0

    def __enter__(self) -> Greedy:
        return self

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        for thread in self._threads:
            thread.join()
        self._throttler.close()


@pytest.mark.parametrize(
    ("limit", "blocks", "units"),
    [(1, 1, 1), (2, 1, 1), (2, 2, 2), (300, 1, 1), (6_400, 100, 25), (6_400, 100, 3_200)],
)
def test_a_request_within_blocks_gets_through_while_another_member_takes_what_it_can(
    store: str, limit: int, blocks: int, units: int
) -> None:
    table = [RateLimit("x", limit, 0.25)]
    nests = Throttler(table, share=store)
    with Greedy(store, table, units) as greedy:
        with ExitStack() as stack:
            for _ in range(blocks):
                stack.enter_context(nests.execute_task("x", timeout=15))
            greedy.start()
            # By then it has had all that was left, if there was any, and waits for more.
            until(lambda: blocks >= limit or greedy.passed * units > 2 * limit)
            until(lambda: greedy.waits)
            for _ in range(2):
                with nests.execute_task("x", min(units, 25), timeout=15):
                    pass
        until(lambda: greedy.passed > 0)
    assert nests.usage("x").in_flight == 0
    nests.close()
