"""A limit that the exchange changes holds for all that share the budget, whoever is told."""

from __future__ import annotations

import threading

from sluicegate import RateLimit, Throttler, ThrottlerEvent
from tests.helpers.threads import until
from tests.sharing.bots import PATIENCE, Bot, Server

ROW = {"limit_id": "x", "limit": 40, "time_interval": 0.5}
TABLE = [RateLimit("x", 40, 0.5), RateLimit("y", 40, 0.5)]


def test_another_process_uses_no_more_than_one_was_told(store: str, server: Server) -> None:
    first = Throttler(TABLE, share=store)
    with Bot(store, server, [ROW]) as bot:
        first.observe("x", used=0, limit=8)
        until(lambda: (whole := first.usage("x").shared) is not None and whole.limit == 8)
        bot.send(30)
        bot.sent()
        _, errors = bot.process.communicate(timeout=PATIENCE)
    assert "the limit is 8 units from now on" in errors
    assert len(server.arrivals()) == 30
    assert server.most_within(0.5) <= 8
    first.close()


def test_all_others_hear_of_it_and_of_one_that_is_raised_again(store: str) -> None:
    first, second = Throttler(TABLE, share=store), Throttler(TABLE, share=store)
    events = list[ThrottlerEvent]()
    second.on(events.append)
    first.observe("x", used=0, limit=8)
    until(lambda: len(events) == 1)
    # Of what is told within 10 ms the smaller limit counts.
    threading.Event().wait(0.05)
    second.observe("x", used=0, limit=20, age=0.0)
    until(lambda: (whole := first.usage("x").shared) is not None and whole.limit == 20)
    assert [event.kind for event in events] == ["limit", "limit"]
    # One that joins later learns it, also once those who were told have ended.
    first.close()
    second.close()
    # Also when nothing of it is used any more.
    threading.Event().wait(0.6)
    Throttler([RateLimit("z", 1, 0.5)], share=store).close()
    third = Throttler(TABLE, share=store)
    assert [third.try_acquire("x") for _ in range(21)].count(True) <= 20
    assert not third.try_acquire("x", units=21)
    third.close()
