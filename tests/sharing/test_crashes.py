"""Processes that are killed, stopped, and started again."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack

from sluicegate import RateLimit, Share, Throttler
from tests.helpers.threads import until
from tests.sharing.bots import Bot, Server

TABLE = [{"limit_id": "x", "limit": 20, "time_interval": 0.5}]


def test_what_a_killed_process_had_comes_back_to_the_others(store: str, server: Server) -> None:
    with ExitStack() as stack:
        victim, heir = (
            stack.enter_context(Bot(store, server, TABLE, arrival=0.2)) for _ in range(2)
        )
        victim.send(10**6)
        heir.send(60)
        heir.sent()
        victim.kill()
        before = len(server.arrivals())
        heir.send(200)
        heir.sent()
        heir.end()
    assert len(server.arrivals()) == before + 200
    assert server.most_within(0.5) <= 20
    # All of it came back: the last windows are full.
    last = server.arrivals()[-60:]
    assert last[-1] - last[0] < 3e9


def test_a_stopped_process_neither_blocks_others_nor_goes_over_when_it_goes_on(
    store: str, server: Server
) -> None:
    with ExitStack() as stack:
        stopped, other = (
            stack.enter_context(Bot(store, server, TABLE, arrival=0.2)) for _ in range(2)
        )
        stopped.send(60)
        other.send(20)
        other.sent()
        stopped.process.send_signal(signal.SIGSTOP)
        os.waitpid(stopped.process.pid, os.WUNTRACED)
        other.send(60)
        other.sent()
        stopped.process.send_signal(signal.SIGCONT)
        stopped.sent()
        stopped.send(20)
        other.send(20)
        for bot in (stopped, other):
            bot.sent()
            bot.end()
    assert len(server.arrivals()) == 180
    assert server.most_within(0.5) <= 20


def test_a_restart_after_a_clean_end_finds_the_windows_as_they_were(
    store: str, server: Server
) -> None:
    table = [{"limit_id": "x", "limit": 10, "time_interval": 3600}]
    with Bot(store, server, table) as bot:
        bot.send(7)
        bot.sent()
        bot.end()
    again = Throttler([RateLimit("x", 10, 3600)], share=store)
    for _ in range(3):
        with again.execute_task("x", timeout=30):
            pass
    assert not again.try_acquire("x")
    assert not again.try_acquire("x")
    assert again.close()


def test_a_restart_after_kill_9_finds_the_windows_as_they_were(store: str, server: Server) -> None:
    limit = {"limit_id": "x", "limit": 20, "time_interval": 4.0}
    with Bot(store, server, [limit], arrival=0.5) as bot:
        bot.send(15)
        bot.sent()
        bot.kill()
    with Bot(store, server, [limit], arrival=0.5) as bot:
        bot.send(40)
        bot.sent()
        bot.end()
    assert len(server.arrivals()) == 55
    assert server.most_within(4.0) <= 20


def test_a_crash_locks_up_little_of_a_long_window(store: str, server: Server) -> None:
    with Bot(store, server, [{"limit_id": "x", "limit": 6400, "time_interval": 86400}]) as bot:
        bot.send(300)
        bot.sent()
        bot.kill()
    after = Throttler([RateLimit("x", 6400, 86400)], share=store)

    def shared_free() -> int:
        shared = after.usage("x").shared
        assert shared is not None
        return shared.free + sum(member.held for member in shared.members)

    with after.execute_task("x", timeout=30):
        pass
    until(lambda: len(after.usage("x").shared.members) == 1)  # type: ignore[union-attr]
    assert shared_free() >= 6400 - 300 - 128
    after.close()


def test_a_member_says_who_it_is(store: str, server: Server) -> None:
    with Bot(store, server, TABLE) as bot:
        bot.send(1)
        bot.sent()
        throttler = Throttler([RateLimit("x", 20, 0.5)], share=Share(store))
        shared = throttler.usage("x").shared
        assert shared is not None
        pids = [member.pid for member in shared.members]
        assert bot.process.pid in pids
        assert any("-m" in member.command for member in shared.members)
        bot.end()
        until(lambda: len(throttler.usage("x").shared.members) == 1)  # type: ignore[union-attr]
        throttler.close()
