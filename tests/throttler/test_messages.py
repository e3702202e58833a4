"""Mistakes that are easily written: the error shows what would be right."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from sluicegate import LinkedLimitWeightPair, RateLimit, Throttler, parse_period
from sluicegate.exchange import limit
from tests.exchange.fmz import Exchange


@pytest.fixture
def throttler() -> Throttler:
    return Throttler([RateLimit("/a", 2, 1)])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: RateLimit("x", -5, 1), ValueError, 'limit of "x" must be a number of units'),
        (lambda: RateLimit("x", 5, 0), ValueError, 'time_interval of "x" must be'),
        (lambda: RateLimit("x", 5, "1sec"), ValueError, 'not "1sec"; did you mean "1s"?'),
        (lambda: RateLimit("x", 5, "60"), ValueError, 'not "60"; write "60s" for 60 seconds'),
        (lambda: RateLimit("x", 5, 1, weight=-1), ValueError, 'weight of "x" must be'),
        (lambda: RateLimit(5, 5, 1), TypeError, "limit_id of a rate limit must be a str, not 5"),
        (lambda: RateLimit("x", 5, 1, kind="weekly"), ValueError, "one of 'rolling', 'quota'"),
        (lambda: RateLimit("x", 5, 1, timezone="UTC"), ValueError, 'did you mean kind="quota"?'),
        (
            lambda: RateLimit("x", 5, "1d", kind="quota", timezone="Shanghai"),
            ValueError,
            'not "Shanghai"; did you mean "Asia/Shanghai"?',
        ),
        (
            lambda: RateLimit("x", 5, "1d", kind="quota", timezone="Berlin"),
            ValueError,
            'not "Berlin"; did you mean "Europe/Berlin"?',
        ),
        (
            lambda: RateLimit("x", 5, "1d", kind="quota", timezone="UTC+8"),
            ValueError,
            "write the name of a place, not a difference from UTC",
        ),
        (lambda: LinkedLimitWeightPair("p", -2), ValueError, 'the link to "p" must be'),
        (lambda: LinkedLimitWeightPair(3), TypeError, "limit_id of a link must be a str, not 3"),
    ],
)
def test_wrong_limit_fails_where_it_is_written(
    make: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        make()


@pytest.mark.parametrize("arguments", [(5, 1), ([], 1), (5,)])
def test_throttler_made_from_numbers_is_told_how_it_is_made(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match=re.escape('write Throttler([RateLimit("/depth", limit=20')):
        Throttler(*arguments)


def test_awaiting_a_task_is_told_to_enter_it(throttler: Throttler) -> None:
    async def main() -> None:
        await throttler.execute_task("/a")

    with pytest.raises(TypeError, match=re.escape('`async with throttler.execute_task("/a"):`')):
        asyncio.run(main())


def test_task_as_a_decorator_is_told_to_be_entered(throttler: Throttler) -> None:
    with pytest.raises(TypeError, match="is a context and not a decorator: write `with"):

        @throttler.execute_task("/a")
        def ask() -> None: ...


def test_entering_a_throttler_is_told_what_to_enter(throttler: Throttler) -> None:
    with pytest.raises(TypeError, match=r"one request: with throttler\.execute_task"), throttler:
        pass

    async def main() -> None:
        async with throttler:
            pass

    with pytest.raises(TypeError, match=r"one request: async with throttler\.execute_task"):
        asyncio.run(main())
    assert throttler.usage("/a").used == 0


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("GetTickr", "no function is called 'GetTickr'; did you mean 'GetTicker'?"),
        ("GetDepth,GetTickr", "'GetTickr' (in 'GetDepth,GetTickr'); did you mean 'GetTicker'?"),
        ("xyzzy", "'xyzzy'; write a name such as 'GetTicker', a method of the object, or '*'"),
    ],
)
def test_unknown_function_is_named_once_with_what_would_be_right(names: str, message: str) -> None:
    exchange = limit(Exchange())
    with pytest.raises(ValueError, match=re.escape(message)):
        exchange.IO("rate", names, 10, "1s")


@pytest.mark.parametrize("exchange", ["binance", None, Exchange, 5])
def test_what_is_no_exchange_object_is_refused(exchange: Any) -> None:
    with pytest.raises(TypeError, match=r"an exchange object, such as ccxt\.binance\(\), not"):
        limit(exchange)


def test_links_and_rows_of_the_wrong_kind_are_told_how_they_are_written() -> None:
    with pytest.raises(TypeError, match=re.escape('write LinkedLimitWeightPair("POOL", weight=1)')):
        RateLimit("x", 5, 1, linked_limits=["POOL"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=re.escape('write RateLimit("/depth", limit=20')):
        Throttler([("x", 5, 1)])  # type: ignore[list-item]


def test_period_that_is_a_number_is_told_to_be_a_text() -> None:
    with pytest.raises(TypeError, match='a period must be a str such as "60s", not 60'):
        parse_period(60)  # type: ignore[arg-type]
