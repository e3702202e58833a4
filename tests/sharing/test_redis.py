"""Several processes on one budget in a real server: every Redis and Valkey of this machine."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from sluicegate import RateLimit, Share, StoreError, Throttler
from sluicegate._core import share_overview
from tests.helpers.servers import RedisServer
from tests.helpers.threads import until
from tests.sharing.bots import PATIENCE, Bot, Server

TABLE = [{"limit_id": "x", "limit": 40, "time_interval": 0.5}]
# A new server may be one that has forgotten: for these and the interval it gives out nothing.
LATE = 0.005  # seconds that a request takes to arrive
LEASE, ARRIVAL = 1.0, 0.2


@pytest.fixture
def arrivals(tmp_path: Path) -> Server:
    return Server(tmp_path)


def bots(
    stack: ExitStack, redis: RedisServer, arrivals: Server, count: int, *, first_late: float = LATE
) -> list[Bot]:
    """Processes that have joined and have had a unit each: the server has learned who is there."""
    joined = [
        stack.enter_context(
            Bot(redis.url, arrivals, TABLE, late=late, lease=LEASE, arrival=ARRIVAL)
        )
        for late in (first_late, *[LATE] * (count - 1))
    ]
    for bot in joined:
        bot.send(1)
    for bot in joined:
        bot.sent()
    return joined


def test_four_processes_use_one_limit_and_never_more(redis: RedisServer, arrivals: Server) -> None:
    with ExitStack() as stack:
        four = bots(stack, redis, arrivals, 4)
        for bot in four:
            bot.send(100)
        for bot in four:
            bot.sent()
            bot.end()
    assert len(arrivals.arrivals()) == 404
    assert arrivals.most_within(0.5) <= 40


def test_a_unix_socket_and_a_password_do_as_well(redis: RedisServer, arrivals: Server) -> None:
    redis.ask("CONFIG", "SET", "requirepass", "let/me:in")
    url = f"unix://{redis.socket}"
    with pytest.raises(StoreError, match=r"(?i)password|auth"):
        Throttler([RateLimit("x", 1, 1)], share=url)
    throttler = Throttler(
        [RateLimit("x", 1, 1)],
        share=Share(
            f"redis://:let%2Fme%3Ain@127.0.0.1:{redis.port}/0", lease=LEASE, arrival=ARRIVAL
        ),
    )
    with throttler.execute_task("x", timeout=30):
        pass
    assert throttler.close()


def test_the_table_of_a_killed_process_refuses_nobody_for_longer_than_its_lease(
    redis: RedisServer, arrivals: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """It was the last one: nobody else is a witness that its lease has ended."""
    with Bot(redis.url, arrivals, TABLE, late=LATE, lease=LEASE, arrival=ARRIVAL) as bot:
        bot.send(1)
        bot.sent()
        bot.kill()

    def is_overdue() -> bool:
        (scope,) = share_overview(redis.url)
        return all(member["dead"] for member in scope["members"])

    until(is_overdue)
    share = Share(redis.url, lease=LEASE, arrival=ARRIVAL)
    with closing(Throttler([RateLimit("x", 30, 0.5)], share=share)) as throttler:
        assert "which has not come for longer than its lease" in caplog.text
        with throttler.execute_task("x", timeout=PATIENCE):
            pass
        shared = throttler.usage("x").shared
    assert shared is not None
    assert (shared.limit, len(shared.members)) == (30, 1)


def test_what_a_killed_process_had_comes_back_to_the_others(
    redis: RedisServer, arrivals: Server
) -> None:
    with ExitStack() as stack:
        victim, heir = bots(stack, redis, arrivals, 2)
        victim.send(10**6)
        heir.send(100)
        heir.sent()
        victim.kill()
        before = len(arrivals.arrivals())
        heir.send(400)
        heir.sent()
        heir.end()
    assert len(arrivals.arrivals()) == before + 400
    assert arrivals.most_within(0.5) <= 40
    # Half of the limit is half of 80 a second: only with all of it are the last windows full.
    last = arrivals.arrivals()[-120:]
    assert last[-1] - last[0] < 2.9e9


def test_a_process_that_was_stopped_beyond_its_lease_sends_nothing_until_it_has_asked_again(
    redis: RedisServer, arrivals: Server
) -> None:
    with ExitStack() as stack:
        # Its requests are in a block for no time. One that is in it when its process stops leaves
        # as soon as that goes on, lease or not: only the exchange could refuse it.
        stopped, other = bots(stack, redis, arrivals, 2, first_late=0.0)
        stopped.send(200)
        other.send(40)
        other.sent()
        stopped.process.send_signal(signal.SIGSTOP)
        os.waitpid(stopped.process.pid, os.WUNTRACED)
        # Far more than its own half in the lease of the stopped one: by then it has its units.
        other.send(300)
        other.sent()
        stopped.process.send_signal(signal.SIGCONT)
        other.send(40)
        for bot in (stopped, other):
            bot.sent()
            bot.end()
    assert len(arrivals.arrivals()) == 582
    assert arrivals.most_within(0.5) <= 40


def test_a_server_that_was_killed_and_is_empty_gives_out_nothing_twice(
    redis: RedisServer, arrivals: Server
) -> None:
    with ExitStack() as stack:
        two = bots(stack, redis, arrivals, 2)
        for bot in two:
            bot.send(300)
        redis.kill()
        redis.start()
        late = stack.enter_context(Bot(redis.url, arrivals, TABLE, lease=LEASE, arrival=ARRIVAL))
        late.send(50)
        for bot in (*two, late):
            bot.sent()
        late.end()
        for bot in two:
            bot.process.communicate("", timeout=60)
            assert bot.process.returncode == 0
    assert len(arrivals.arrivals()) == 652
    assert arrivals.most_within(0.5) <= 40


def test_a_restart_finds_the_windows_as_they_were(redis: RedisServer, arrivals: Server) -> None:
    share = {"lease": LEASE, "arrival": ARRIVAL}
    with Bot(
        redis.url, arrivals, [{"limit_id": "x", "limit": 10, "time_interval": 4.0}], **share
    ) as bot:
        bot.send(7)
        bot.sent()
        bot.end()
    again = Throttler([RateLimit("x", 10, 4)], share=Share(redis.url, **share))
    for _ in range(3):
        with again.execute_task("x", timeout=60):
            pass
    assert again.close()
    assert arrivals.most_within(4) <= 7


def test_what_a_program_holds_goes_back_when_it_closes(redis: RedisServer) -> None:
    table = [RateLimit("x", 4, 0.5)]
    share = Share(redis.url, lease=LEASE, arrival=ARRIVAL)
    first, second = Throttler(table, share=share), Throttler(table, share=share)
    with first.execute_task("x", 4, timeout=30):
        pass
    assert first.close()
    with second.execute_task("x", 4, timeout=30):
        pass
    shared = second.usage("x").shared
    assert shared is not None
    until(lambda: len(second.usage("x").shared.members) == 1)  # type: ignore[union-attr]
    assert second.close()


def test_a_server_that_is_not_there_is_told_at_once(redis: RedisServer) -> None:
    redis.kill()
    with pytest.raises(StoreError, match=str(redis.port)):
        Throttler([RateLimit("x", 1, 1)], share=redis.url)


def test_a_limit_that_one_is_told_holds_for_another(redis: RedisServer, arrivals: Server) -> None:
    share = Share(redis.url, lease=LEASE, arrival=ARRIVAL)
    told = Throttler([RateLimit("x", 40, 0.5)], share=share)
    with ExitStack() as stack:
        (bot,) = bots(stack, redis, arrivals, 1)
        told.observe("x", used=1, limit=8)
        until(lambda: (whole := told.usage("x").shared) is not None and whole.limit == 8)
        bot.send(30)
        bot.sent()
        _, errors = bot.process.communicate(timeout=PATIENCE)
    assert "the limit is 8 units from now on" in errors
    told.close()
    assert len(arrivals.arrivals()) == 31
    assert arrivals.most_within(0.5) <= 9, "the one before it was told, and 8"
