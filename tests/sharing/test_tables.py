"""Tables that change or disagree while their limits are shared."""

from __future__ import annotations

import os

import pytest

from sluicegate import RateLimit, Share, Throttler
from sluicegate._core import HummingbotThrottler
from tests.helpers.threads import until


def spend(throttler: Throttler, requests: int) -> None:
    for _ in range(requests):
        with throttler.execute_task("x", timeout=30):
            pass


def test_a_limit_that_grows_is_there_at_once(store: str) -> None:
    throttler = Throttler([RateLimit("x", 2, 3600)], share=store)
    spend(throttler, 2)
    assert not throttler.charge("x")
    throttler.set_rate_limits([RateLimit("x", 5, 3600)])
    spend(throttler, 3)
    assert not throttler.charge("x")
    throttler.close()


def test_a_limit_that_shrinks_is_kept_by_all(store: str) -> None:
    share = Share(store, conflict="smallest")
    first, second = (Throttler([RateLimit("x", 10, 3600)], share=share) for _ in range(2))
    spend(first, 3)
    spend(second, 3)
    for throttler in (first, second):
        throttler.set_rate_limits([RateLimit("x", 7, 3600)])
    spend(first, 1)
    for _ in range(5):
        assert not second.charge("x")
        assert not first.charge("x")
    first.close()
    second.close()


def test_limits_that_are_added_are_shared_too(store: str) -> None:
    first, second = (Throttler([], share=store) for _ in range(2))
    for throttler in (first, second):
        throttler.add_rate_limits([RateLimit("x", 2, 3600), RateLimit("ip", 1, 1, scope="address")])
        spend(throttler, 1)
    assert not first.charge("x")
    assert not second.charge("x")
    until(lambda: first.charge("ip"))
    first.close()
    second.close()


def test_a_throttler_of_hummingbot_shares_the_table_that_it_gets_later(store: str) -> None:
    class Subclass(HummingbotThrottler):
        def __init__(self, **_: object) -> None:
            """Takes its table later, as Hummingbot's does."""

    throttler = Subclass()
    throttler._begin(share=store)
    throttler.set_rate_limits([RateLimit("x", 1, 3600)])
    until(lambda: throttler.charge("x"))
    other = Throttler([RateLimit("x", 1, 3600)], share=store)
    for _ in range(5):
        assert not other.charge("x")
    throttler.close()
    other.close()


def test_tables_that_disagree_are_refused_with_who_has_which(store: str) -> None:
    first = Throttler([RateLimit("x", 1200, 60)], share=store)
    for wrong in (
        RateLimit("x", 1000, 60),
        RateLimit("x", 1200, 30),
        RateLimit("x", 1200, 60, kind="quota", timezone="UTC"),
    ):
        with pytest.raises(ValueError, match="1200 per 60 s") as refused:
            Throttler([wrong], share=store)
        assert str(os.getpid()) in str(refused.value)
        # It is named where it helps: a window that rolls and a quota have no smaller one.
        is_other_kind = wrong.kind == "quota"
        assert ("smallest" in str(refused.value)) == (not is_other_kind)
        if is_other_kind:
            with pytest.raises(ValueError, match="1200 per 60 s"):
                Throttler([wrong], share=Share(store, conflict="smallest"))
    Throttler([RateLimit("x", 1000, 60)], share=Share(store, account="other")).close()
    assert first.close()
    Throttler([RateLimit("x", 1000, 60)], share=store).close()


def test_the_smallest_limit_may_hold_for_all(store: str) -> None:
    share = Share(store, conflict="smallest")
    large = Throttler([RateLimit("x", 10, 3600)], share=share)
    small = Throttler([RateLimit("x", 4, 3600)], share=share)
    spend(small, 2)
    spend(large, 2)
    for _ in range(5):
        assert not large.charge("x")
        assert not small.charge("x")
    shared = large.usage("x").shared
    assert shared is not None
    assert (shared.limit, shared.used) == (4, 4)
    large.close()
    small.close()


def test_a_request_does_not_wait_for_its_own_block_under_which_the_limit_has_shrunk(
    store: str,
) -> None:
    throttler = Throttler([RateLimit("x", 10_000, 1)], share=Share(store, conflict="smallest"))
    spend(throttler, 1)
    with throttler.execute_task("x", timeout=30):
        throttler.set_rate_limits([RateLimit("x", 1, 1)])
        spend(throttler, 1)
    throttler.close()
