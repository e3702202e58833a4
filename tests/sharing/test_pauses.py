"""What the exchange tells one process holds for all that share the budget."""

from __future__ import annotations

import time

from sluicegate import RateLimit, Throttler, ThrottlerEvent
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
