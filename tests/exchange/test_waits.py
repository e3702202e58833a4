"""What limits have delayed, and what they have kept from being sent, in a summary."""

from __future__ import annotations

import logging
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from sluicegate.exchange.book import Book
from sluicegate.exchange.waits import Waits
from sluicegate.freqtrade.report import log_waits
from tests.exchange.fmz import World


@pytest.fixture
def world() -> World:
    return World()


def counted(world: World) -> Waits:
    waits = Waits(lambda: world.clock.now)
    Book.of(world.throttler).waits = waits
    return waits


def test_waits_are_summed_up_and_then_forgotten(world: World) -> None:
    waits = counted(world)
    exchange = world.exchange
    exchange.IO("rate", "GetTicker", 1, "1s", "delay")
    world.run(lambda: [exchange.GetTicker() for _ in range(3)])
    summary = waits.take()
    assert summary.waited == {"GetTicker": 2}
    assert (summary.seconds, summary.longest) == pytest.approx((2.0, 1.0))
    assert str(summary) == ("2 calls were delayed (GetTicker 2), by 2.0 s in all and 1.0 s at most")
    assert not waits.take()


def test_calls_that_are_not_sent_are_counted_in_place_of_a_line_for_each(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    waits = counted(world)
    exchange = world.exchange
    exchange.IO("rate", "*", 2, "1m")
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            exchange.GetTicker()
        exchange.GetAccount()
        assert caplog.messages == []
        # No throttler of another test counts here.
        lines: Any = SimpleNamespace(take=str)
        log_waits(waits, lines)
        log_waits(waits, lines)
    assert caplog.messages == ["limits: 4 calls were not sent (GetTicker 3, GetAccount 1)"]
    assert caplog.records[0].levelname == "WARNING"
    assert "GetAccount was not sent: over the limit of" in exchange.last_error


def test_a_call_that_waits_now_is_told_of(world: World) -> None:
    waits = counted(world)
    token = waits.begin()
    world.clock.advance(3_600)
    assert str(waits.take()) == "1 call is waiting now, for 3600.0 s so far"
    waits.end(token, None)
    assert not waits.take()


def test_a_call_that_need_not_wait_is_not_counted() -> None:
    world = World(hold="response")
    waits = counted(world)
    world.exchange.IO("rate", "GetTicker", 5, "1s", "delay")
    world.exchange.GetTicker()
    assert not waits.take()


def test_counts_of_many_threads_add_up(world: World) -> None:
    waits = counted(world)

    def refuse(_: Any = None) -> None:
        for _ in range(1_000):
            waits.refuse("GetTicker")

    threads = [threading.Thread(target=refuse) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waits.take().refused["GetTicker"] == 4_000
