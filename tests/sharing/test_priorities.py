"""Who goes first where processes share a budget: priorities, a patience, and reserves."""

from __future__ import annotations

from contextlib import ExitStack, closing

import pytest

from sluicegate import LinkedLimitWeightPair, RateLimit, RateLimitTimeout, Throttler
from tests.helpers.threads import until
from tests.sharing.bots import Bot, Server

SCARCE = {"limit_id": "x", "limit": 1, "time_interval": 0.1}
"""Fewer units than processes, so that they take turns."""


def served_before(server: Server, throttler: Throttler, priority: int) -> int:
    """How many of others are served before a request of this priority is."""
    before = len(server.arrivals())
    with throttler.execute_task("x", priority=priority):
        return len(server.arrivals()) - before


def test_a_request_of_a_higher_priority_is_served_before_all_that_wait_in_other_processes(
    store: str, server: Server
) -> None:
    with ExitStack() as stack:
        bots = [stack.enter_context(Bot(store, server, [SCARCE], late=0)) for _ in range(2)]
        throttler = stack.enter_context(closing(Throttler([RateLimit(**SCARCE)], share=store)))
        for bot in bots:
            bot.send(10)
        until(lambda: len(server.arrivals()) >= 4)
        # One may be on its way, and its successor have the unit already.
        assert served_before(server, throttler, priority=1) <= 3
        waiting = 20 - len(server.arrivals())
        assert waiting > 6
        # One of the same priority waits for all that came before it.
        assert served_before(server, throttler, priority=0) >= waiting - 3
        for bot in bots:
            bot.sent()
            bot.end()
    assert server.most_within(0.1) <= 1


def test_with_a_patience_a_low_priority_is_served_while_requests_of_higher_ones_keep_coming(
    store: str, server: Server
) -> None:
    with ExitStack() as stack:
        bots = [
            stack.enter_context(Bot(store, server, [SCARCE], late=0, threads=1, tasks=2))
            for _ in range(2)
        ]
        patient, strict = (
            stack.enter_context(
                closing(Throttler([RateLimit(**SCARCE)], share=store, patience=patience))
            )
            for patience in (0.05, None)
        )
        for bot in bots:
            bot.send(30)
        until(lambda: len(server.arrivals()) >= 2)
        with pytest.raises(RateLimitTimeout):
            strict.execute_task("x", priority=-10, timeout=1).__enter__()
        # It has risen after half a second, in which 5 pass. Then it waits for the few that came
        # before it, and not for the end of the flood.
        left = 60 - len(server.arrivals())
        assert left > 35
        assert served_before(server, patient, priority=-10) <= 20
        for bot in bots:
            bot.sent()
            bot.end()


def test_a_reserve_is_of_the_whole_budget(store: str) -> None:
    pool = [LinkedLimitWeightPair("POOL")]
    table = [
        RateLimit("POOL", 10, 3600, reserve={1: 4}),
        RateLimit("/klines", None, linked_limits=pool),
        RateLimit("/cancel", None, linked_limits=pool, priority=1),
    ]
    with ExitStack() as stack:
        members = [stack.enter_context(closing(Throttler(table, share=store))) for _ in range(2)]

        def send(limit_id: str, count: int) -> None:
            """So many pass, in turns; no member gets another one."""
            for nth in range(count):
                with members[nth % 2].execute_task(limit_id, timeout=30):
                    pass
            for member in members:
                with pytest.raises(RateLimitTimeout, match='"POOL" is full'):
                    member.execute_task(limit_id, timeout=0.3).__enter__()

        send("/klines", 6)
        send("/cancel", 4)
        assert sum(member.usage("POOL").used for member in members) <= 10


def test_what_higher_priorities_have_used_in_one_process_is_kept_no_more_in_another(
    store: str,
) -> None:
    table = [RateLimit("POOL", 10, 3600, reserve={1: 4})]
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(closing(Throttler(table, share=store))) for _ in range(2)
        )
        for _ in range(4):
            with first.execute_task("POOL", priority=1, timeout=30):
                pass
        for _ in range(6):
            with second.execute_task("POOL", timeout=30):
                pass
        for member in (first, second):
            with pytest.raises(RateLimitTimeout):
                member.execute_task("POOL", priority=1, timeout=0.3).__enter__()


@pytest.mark.parametrize("other", [None, {1: 2}, {2: 4}, {1: 4, 2: 1}])
def test_a_table_with_another_reserve_is_refused_by_its_own_id(
    store: str, other: dict[int, int] | None
) -> None:
    first = Throttler([RateLimit("POOL", 10, 60, reserve={1: 4})], share=store)
    message = (
        r'"POOL" is 10 per 60 s.* here, but 10 per 60 s, with a reserve of 4 for priority 1 in'
    )
    with pytest.raises(ValueError, match=message):
        Throttler([RateLimit("POOL", 10, 60, reserve=other)], share=store)
    with first.execute_task("POOL", timeout=30):
        pass
    first.close()
