"""`Go`, threads, and limits on several objects at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sluicegate.exchange import limit, limit_all
from tests.exchange.fmz import Exchange, World


@pytest.fixture
def world() -> World:
    return World()


def test_go_is_charged_when_it_is_called(world: World) -> None:
    world.exchange.IO("rate", "GetTicker", 2, "1s")
    running = world.exchange.Go("GetTicker", "X")
    assert world.throttler.usage("rate:GetTicker").used == 1
    assert running.wait() == {"Name": "GetTicker", "Args": ("X",), "Last": 60000.0}
    assert running.wait() is not None


def test_go_charges_buy_to_create_order_and_io_to_the_api(world: World) -> None:
    world.exchange.IO("rate", "CreateOrder", 1, "1s")
    world.exchange.IO("rate", "IO/api", 1, "1s")
    calls = [("Buy", 1, 1), ("Sell", 1, 1), ("IO", "api", "GET", "/"), ("IO", "api", "GET", "/")]
    calls += [("IO", "currency", "X"), ("GetName",)]
    waited = [world.exchange.Go(*call).wait() is not None for call in calls]
    assert waited == [True, False, True, False, True, True]


def test_wait_gives_none_after_its_timeout_and_may_be_called_again(world: World) -> None:
    answer = threading.Event()
    world.inner.GetTicker = lambda: answer.wait(20)  # type: ignore[method-assign, assignment]
    running = world.exchange.Go("GetTicker")
    assert running.wait(1) is None
    answer.set()
    assert running.wait() is True


def test_wait_raises_what_the_call_raised(world: World) -> None:
    with pytest.raises(ConnectionError, match="the exchange is down"):
        world.exchange.Go("GetRecords").wait()


def test_go_waits_its_turn_while_the_strategy_goes_on(world: World) -> None:
    world.exchange.IO("rate", "GetTicker", 1, "1s", "delay")
    first, second = (world.exchange.Go("GetTicker") for _ in range(2))
    assert first.wait() is not None
    while not world.waiting():
        assert second.wait(1) is None
    world.Sleep(1000)
    assert second.wait() is not None


def test_go_holds_until_the_answer_with_hold_response() -> None:
    world = World(hold="response")
    world.exchange.IO("rate", "GetTicker", 1, "1s")
    answer = threading.Event()
    world.inner.GetTicker = lambda: answer.wait(20)  # type: ignore[method-assign, assignment]
    running = world.exchange.Go("GetTicker")
    world.Sleep(5000)
    assert world.exchange.GetTicker() is None
    answer.set()
    assert running.wait() is True


def test_go_of_what_the_object_lacks_fails_at_once(world: World) -> None:
    with pytest.raises(AttributeError, match="GetNothing"):
        world.exchange.Go("GetNothing")
    with pytest.raises(TypeError, match="the name of a function, not 5"):
        world.exchange.Go(5)  # type: ignore[arg-type]


class WithGo(Exchange):
    """As FMZ's objects, which have a `Go` of their own."""

    class Handle:
        def __init__(self, result: Any) -> None:
            self.result = result

        def wait(self, timeout: float | None = None) -> Any:
            return self.result

    def Go(self, name: str, *args: Any) -> Handle:
        self.seen.append("Go")
        return self.Handle(getattr(self, name)(*args))


@pytest.mark.parametrize("hold", ["start", "response"])
def test_go_runs_on_the_objects_own(hold: str) -> None:
    world = World(hold=hold)
    inner = WithGo()
    exchange = world.limit(inner)
    exchange.IO("rate", "GetTicker", 2, "1s")
    tasks = [exchange.Go("GetTicker") for _ in range(3)]
    assert [task.wait() is not None for task in tasks] == [True, True, False]
    assert inner.seen == ["Go", "GetTicker"] * 2
    if hold == "start":
        assert isinstance(tasks[0], WithGo.Handle)


def test_a_call_on_the_objects_own_go_is_held_until_its_answer() -> None:
    world = World(hold="response")
    answer = threading.Event()

    class Slow(WithGo):
        class Handle(WithGo.Handle):
            def wait(self, timeout: float | None = None) -> Any:
                return answer.wait(20)

    exchange = world.limit(Slow())
    exchange.IO("rate", "GetTicker", 1, "1s")
    running = exchange.Go("GetTicker")
    assert world.throttler.usage("rate:GetTicker").in_flight == 1
    answer.set()
    assert running.wait() is True
    assert world.throttler.usage("rate:GetTicker").in_flight == 0


def test_a_rule_on_go_counts_calls_through_it_beside_other_rules(world: World) -> None:
    world.exchange.IO("rate", "Go", 3, "1s")
    world.exchange.IO("rate", "GetTicker", 2, "1s")
    names = ["GetTicker", "GetTicker", "GetTicker", "GetName", "GetName"]
    tasks = [world.exchange.Go(name) for name in names]
    assert [task.wait() is not None for task in tasks] == [True, True, False, True, False]
    assert world.exchange.GetName() == "Stand-in"


@pytest.mark.parametrize("hold", ["start", "response"])
def test_counts_are_exact_from_many_threads(hold: str) -> None:
    world = World(hold=hold)
    world.exchange.IO("rate", "GetTicker", 500, "1h")
    world.exchange.IO("quota", "*", 700, "1d")

    def work(number: int) -> int:
        call = world.exchange.GetTicker if number % 2 else world.exchange.GetDepth
        return sum(call() is not None for _ in range(200))

    with ThreadPoolExecutor(8) as pool:
        sent = sum(pool.map(work, range(8)))
    assert sent == len(world.inner.seen) == 700
    assert world.inner.seen.count("GetTicker") <= 500


def test_rules_may_change_while_threads_call(world: World) -> None:
    over = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while not over.is_set():
                world.exchange.GetTicker()
                world.exchange.GetDepth()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(100):
        world.exchange.IO("rate", "GetTicker,GetDepth", 1_000_000, "1s")
        world.exchange.IO("quota", "*" if number % 2 else "GetTicker", 1_000_000, "1d")
        world.exchange.IO("rate", "GetTicker,GetDepth", None)
        world.exchange.IO("quota", "*" if number % 2 else "GetTicker", None)
    over.set()
    for thread in threads:
        thread.join(20)
    assert errors == []


# ---- for other bots


def test_rules_of_a_table_limit_all_objects_of_an_account_together() -> None:
    rules = [["rate", "GetTicker", 3, "1h"], ["quota", "*", 5, "@0000", "delay"]]
    first, second = limit_all([Exchange(), Exchange()], rules, timezone="UTC")
    sent = [exchange.GetTicker() is not None for exchange in (first, second, first, second)]
    assert sent == [True, True, True, False]


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        (["rate", "GetTiker", 3, "1h"], ValueError, "rule 2, .*'GetTiker'.*mean 'GetTicker'"),
        (["rate", "GetTicker"], TypeError, "rule 2, .*a count and a period are missing"),
        (["currency", "X"], ValueError, "rule 2 must begin with 'rate' or 'quota'"),
        ("rate", TypeError, "rule 2 must be a list such as"),
        ([], TypeError, "rule 2 must be a list such as"),
    ],
)
def test_a_bad_rule_of_a_table_is_named(rule: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        limit_all([Exchange()], [["rate", "GetDepth", 1, "1s"], rule])


def test_a_limited_object_may_be_limited_once_more() -> None:
    inner = limit(Exchange())
    outer = limit(inner)
    inner.IO("rate", "GetTicker", 2, "1h")
    outer.IO("rate", "GetTicker", 5, "1h")
    assert sum(outer.GetTicker() is not None for _ in range(9)) == 2
