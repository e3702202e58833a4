"""Quotas that several processes share: never over between two boundaries of the wall clock."""

from __future__ import annotations

import datetime
import time
from collections import Counter
from contextlib import ExitStack, closing

from sluicegate import RateLimit, Share, Throttler
from tests.helpers.servers import RedisServer
from tests.sharing.bots import Bot, Server

LIMIT = 20
TABLE = [{"limit_id": "x", "limit": LIMIT, "time_interval": "1s", "kind": "quota"}]


def most_in_a_second(server: Server) -> int:
    """The most that arrived between two whole seconds of the wall clock."""
    ahead = time.time_ns() - time.monotonic_ns()
    return max(Counter((at + ahead) // 10**9 for at in server.arrivals()).values())


def send(url: str, server: Server, each: int, **share: float) -> None:
    """Two processes send so many requests each."""
    with ExitStack() as stack:
        bots = [stack.enter_context(Bot(url, server, TABLE, **share)) for _ in range(2)]
        for bot in bots:
            bot.send(each)
        for bot in bots:
            bot.sent()
            bot.end()


def test_two_processes_keep_a_quota_between_the_boundaries(store: str, server: Server) -> None:
    send(store, server, 50)
    assert len(server.arrivals()) == 100
    assert most_in_a_second(server) <= LIMIT


def test_a_short_quota_on_a_server_is_kept_in_every_window_of_its_length(
    redis: RedisServer, server: Server
) -> None:
    # Clocks of two machines may be apart: by no clock are more let through than in its own windows.
    send(redis.url, server, 50, lease=1.0, arrival=0.2)
    assert len(server.arrivals()) == 100
    assert server.most_within(1.0) <= LIMIT
    assert most_in_a_second(server) <= LIMIT


def test_a_daily_quota_opens_for_all_at_its_time_and_not_before(store: str) -> None:
    boundary = int(time.time()) + 3
    at = datetime.datetime.fromtimestamp(boundary, datetime.timezone.utc)
    table = [RateLimit("x", 6, f"@{at:%H%M%S}", kind="quota", timezone="UTC")]
    with (
        closing(Throttler(table, share=Share(store))) as one,
        closing(Throttler(table, share=Share(store))) as two,
    ):
        left = []
        for member in (one, two) * 6:
            with member.execute_task("x", timeout=30):
                left.append(time.time())
        shared = one.usage("x").shared
        assert shared is not None
        assert shared.limit == 6
    assert max(left[:6]) < boundary, "this machine took three seconds for six requests"
    assert min(left[6:]) >= boundary
