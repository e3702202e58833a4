"""What the exchange tells one process holds for all that share the budget."""

from __future__ import annotations

import time

import pytest

from sluicegate import RateLimit, RateLimitTimeout, Throttler, ThrottlerEvent
from tests.helpers.threads import until
from tests.sharing.bots import Bot, Server

TABLE = [RateLimit("x", 40, 0.5), RateLimit("y", 40, 0.5)]


def test_one_is_refused_and_no_other_sends_before_the_time(store: str, server: Server) -> None:
    first, second = Throttler(TABLE, share=store), Throttler(TABLE, share=store)
    events = list[ThrottlerEvent]()
    second.on(events.append)
    begin = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    assert first.pause("x", 3, reason="HTTP 429")
    until(lambda: second.usage("x").paused > 0)
    assert second.usage("x").pause_reason == "HTTP 429"
    assert not second.charge("x")
    assert second.usage("y").paused == 0
    until(lambda: len(events) > 0)
    assert [(x.kind, x.limit_id, x.reason) for x in events] == [("paused", "x", "HTTP 429")]
    # A process that joins during the pause learns it as it joins.
    with Bot(store, server, [{"limit_id": "x", "limit": 40, "time_interval": 0.5}]) as bot:
        bot.send(10)
        bot.sent()
        bot.end()
    assert min(server.arrivals()) >= begin + 3_000_000_000
    with second.execute_task("x", timeout=30):
        pass
    assert second.usage("x").paused == 0
    first.close()
    second.close()


def test_a_pause_of_all_limits_is_one_event_elsewhere(store: str) -> None:
    first, second = Throttler(TABLE, share=store), Throttler(TABLE, share=store)
    events = list[ThrottlerEvent]()
    second.on(events.append)
    first.pause(None, 100, reason="banned")
    until(lambda: second.usage("x").paused > 0 and second.usage("y").paused > 0)
    until(lambda: len(events) > 0)
    assert [(x.kind, x.limit_id, x.reason) for x in events] == [("paused", None, "banned")]
    first.close()
    second.close()


def test_a_pause_of_the_account_holds_for_limits_that_only_others_have(store: str) -> None:
    """As with limits by instrument, of which each process has those that it trades."""
    address = RateLimit("address", 40, 0.5, scope="address")
    first = Throttler([TABLE[0], address], share=store)
    second = Throttler([*TABLE, address], share=store)
    assert first.pause_scope("account", 100, reason="locked out")
    until(lambda: second.usage("y").paused > 0)
    second.add_rate_limits([RateLimit("new", 40, 0.5)])
    assert second.usage("new").paused > 90
    assert second.usage("new").pause_reason == "locked out"
    assert second.usage("address").paused == 0
    # One that has none of the limits that were paused.
    third = Throttler([RateLimit("another", 40, 0.5)], share=store)
    assert third.usage("another").paused > 90
    for throttler in (first, second, third):
        throttler.close()


def test_who_waits_for_a_limit_that_is_new_here_does_not_leave_while_it_is_paused(
    store: str,
) -> None:
    first, second = Throttler(TABLE, share=store), Throttler(TABLE[:1], share=store)
    witness = Throttler(TABLE, share=store)
    first.pause("y", 100, reason="HTTP 429")
    until(lambda: witness.usage("y").paused > 0)
    second.add_rate_limits(TABLE[1:])
    with pytest.raises(RateLimitTimeout), second.execute_task("y", timeout=0.5):
        pass
    assert second.usage("y").paused > 90
    for throttler in (first, second, witness):
        throttler.close()
