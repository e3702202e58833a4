"""Limits of each kind that two processes share: together they are never over."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import Any

import pytest

from sluicegate import RateLimit, Throttler

LIMIT, SECONDS = 6, 0.2


@pytest.mark.parametrize("kind", ["bucket", "fixed", "first"])
def test_two_members_together_keep_a_limit_of_any_kind(store: str, kind: Any) -> None:
    table = [RateLimit("x", LIMIT, SECONDS, kind=kind)]
    members = [Throttler(table, share=store, hold="start") for _ in range(2)]
    left: list[float] = []

    def spend(throttler: Throttler) -> None:
        for _ in range(20):
            with throttler.execute_task("x", timeout=30):
                left.append(time.monotonic())

    threads = [threading.Thread(target=spend, args=(member,)) for member in members]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # As rolling windows: before 40 requests of 6 each 0.2 s have left, six windows have ended.
    assert len(left) == 40
    assert max(left) - begun >= 6 * SECONDS
    for member in members:
        member.close()


def test_two_members_together_keep_a_limit_on_what_is_in_flight(store: str) -> None:
    table = [RateLimit("x", 3, kind="concurrent")]
    running, most, lock = 0, 0, threading.Lock()

    def spend(throttler: Throttler) -> None:
        nonlocal running, most
        for _ in range(10):
            with throttler.execute_task("x", timeout=30):
                with lock:
                    running += 1
                    most = max(most, running)
                time.sleep(0.002)
                with lock:
                    running -= 1

    with (
        closing(Throttler(table, share=store)) as one,
        closing(Throttler(table, share=store, hold="start")) as two,
    ):
        threads = [threading.Thread(target=spend, args=(each,)) for each in (one, two) * 3]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert 1 <= most <= 3
