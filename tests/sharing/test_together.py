"""Several processes on one budget: never over, and nobody left out."""

from __future__ import annotations

from contextlib import ExitStack

from sluicegate import LinkedLimitWeightPair, RateLimit, Share, Throttler
from tests.helpers.threads import until
from tests.sharing.bots import Bot, Server

TABLE = [{"limit_id": "x", "limit": 40, "time_interval": 0.5}]


def test_four_processes_use_one_limit_and_never_more(store: str, server: Server) -> None:
    with ExitStack() as stack:
        bots = [stack.enter_context(Bot(store, server, TABLE)) for _ in range(4)]
        for bot in bots:
            bot.send(100)
        for bot in bots:
            bot.sent()
            bot.end()
    assert len(server.arrivals()) == 400
    assert server.most_within(0.5) <= 40


def test_a_process_alone_gets_all_of_the_limit_also_beside_idle_ones(
    store: str, server: Server
) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(Bot(store, server, TABLE, late=0)) for _ in range(3)]
        for bot in idle:
            bot.send(1)
            bot.sent()
        busy = stack.enter_context(Bot(store, server, TABLE, late=0, tasks=40))
        busy.send(200)
        busy.sent()
        for bot in [*idle, busy]:
            bot.end()
    assert len(server.arrivals()) == 203
    assert server.most_within(0.5) == 40


def test_two_throttlers_of_one_process_share_a_budget(store: str) -> None:
    table = [RateLimit("x", 4, 3600)]
    first, second = Throttler(table, share=store), Throttler(table, share=Share(store))
    for throttler in (first, second, first, second):
        with throttler.execute_task("x", timeout=30):
            pass
    assert not first.try_acquire("x")
    assert not second.try_acquire("x")
    shared = first.usage("x").shared
    assert shared is not None
    assert (shared.limit, shared.used, shared.free) == (4, 4, 0)
    first.close()
    second.close()


def test_accounts_are_apart_and_what_an_address_may_is_common_to_them(store: str) -> None:
    table = [RateLimit("order", 1, 3600), RateLimit("weight", 3, 3600, scope="address")]
    main = Throttler(table, share=Share(store, account="main"))
    other = Throttler(table, share=Share(store, account="other"))
    elsewhere = Throttler(table, share=Share(store, account="main", address="office"))
    for throttler in (main, other):
        with throttler.execute_task("order", timeout=30):
            pass
        with throttler.execute_task("weight", timeout=30):
            pass
    until(lambda: main.try_acquire("weight"))
    assert not other.try_acquire("weight")
    assert not elsewhere.try_acquire("order")
    until(lambda: elsewhere.try_acquire("weight"))
    for throttler in (main, other, elsewhere):
        assert throttler.close()


def test_a_request_takes_from_limits_of_both_scopes_or_from_none(store: str) -> None:
    table = [
        RateLimit("ip", 2, 3600, scope="address"),
        RateLimit("order", 10, 3600, linked_limits=[LinkedLimitWeightPair("ip")]),
    ]
    first, second = (
        Throttler(table, share=Share(store, account=account)) for account in ("a", "b")
    )
    for throttler in (first, second):
        with throttler.execute_task("order", timeout=30):
            pass
    for throttler in (first, second):
        assert not throttler.charge("order")
        shared = throttler.usage("order").shared
        assert shared is not None
        # The one request, and what the process keeps at hand for the next one.
        assert 1 <= shared.used <= 2
        throttler.close()
