"""Foreign traffic: what others use of a limit, and what that leaves."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.testing import BanRule, Ledger, Limit, Others, Table
from sluicegate.testing.others import Arrivals

SECOND = 1_000_000_000


def books(*limits: Limit) -> Ledger:
    return Ledger(Table(limits, (), ban=BanRule(tolerated=1_000_000)))


def arrivals(others: Others, seconds: float, *, limit: int = 100) -> list[tuple[float, int]]:
    """(second, units) of all that come, of a limit of so many units in ten seconds."""
    found, end = [], round(seconds * SECOND)
    coming = Arrivals(others, limit, 10 * SECOND, 0)
    while coming.next <= end:
        at = coming.next / SECOND
        if units := coming.take(end):
            found.append((at, units))
    return found


def test_share_comes_in_small_parts_evenly() -> None:
    came = arrivals(Others(0.35), 100)
    assert sum(units for _, units in came) == pytest.approx(350, abs=1)
    assert {units for _, units in came} == {1}
    assert max(b - a for (a, _), (b, _) in pairwise(came)) < 0.3


def test_share_comes_in_bursts_when_told_to() -> None:
    assert arrivals(Others(0.5, every=5), 20) == [(5.0, 25), (10.0, 25), (15.0, 25), (20.0, 25)]


def test_phases_follow_each_other_again_and_again() -> None:
    came = arrivals(Others([(10, 0.5), (20, 0)], every=1), 60)
    busy = {at for at, _ in came}
    assert busy == {float(x) for x in (*range(1, 11), *range(31, 41))}
    assert sum(units for _, units in came) == 100


def test_seed_draws_pauses_that_are_the_same_each_time() -> None:
    one, two, other = (arrivals(Others(0.35, every=1, seed=seed), 100) for seed in (1, 1, 2))
    assert one == two != other
    assert sum(units for _, units in one) == pytest.approx(350, rel=0.05)


@given(
    st.floats(0.01, 1),
    st.one_of(st.none(), st.floats(0.001, 30)),
    st.integers(1, 500),
    st.one_of(st.none(), st.integers(0, 9)),
)
def test_others_use_their_share_whatever_the_pattern(
    share: float, every: float | None, limit: int, seed: int | None
) -> None:
    came = arrivals(Others(share, every=every, seed=seed), 300, limit=limit)
    pause = 2 * (every or 0) + 20
    assert sum(units for _, units in came) <= share * limit * 30 + 1
    assert sum(units for _, units in came) >= share * limit * (300 - pause) / 10 - 1


def test_what_others_use_counts_against_the_limit() -> None:
    ledger = books(Limit("A", 100, 10.0))
    ledger.set_others("A", Others(0.4, every=1), 0)
    now = 20 * SECOND
    assert ledger.used("A", now) == 40
    assert [ledger.arrive(now, {"A": 60}).status, ledger.arrive(now, {"A": 1}).status] == [200, 429]
    ledger.set_others("A", None, now)
    assert ledger.used("A", now + 10 * SECOND) == 0


def test_others_are_never_the_reason_of_a_ban_by_themselves() -> None:
    ledger = Ledger(Table((Limit("A", 10, 1.0),), (), ban=BanRule(tolerated=0)))
    ledger.set_others("A", Others(1.0, every=1), 0)
    seen = ledger.statistics(100 * SECOND)
    assert (seen.bans, seen.requests) == (0, 0)


def test_what_was_refused_is_not_used_of_what_others_left() -> None:
    ledger = books(Limit("A", 10, 1.0, kind="fixed"))
    ledger.set_others("A", Others(0.5, every=1), 0)
    for second in range(1, 20):
        for _ in range(20):
            ledger.arrive(second * SECOND, {"A": 1})
    seen = ledger.statistics(20 * SECOND).limit("A")
    assert seen.mean is not None
    assert seen.mean > 20
    assert seen.share_of_rest == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["rolling", "fixed", "first", "bucket"])
def test_statistics_tell_what_others_left_and_how_much_of_it_was_used(kind: str) -> None:
    ledger = books(Limit("A", 100, 10.0, kind=kind))
    ledger.set_others("A", Others(0.35, every=0.5), 0)
    # Half of what is left, evenly: 32 or 33 units in ten seconds.
    now, owed = 3 * SECOND, 0.0
    for step in range(3_000):
        now = (3 + step) * SECOND
        owed += 3.25
        units, owed = int(owed), owed - int(owed)
        assert ledger.arrive(now, {"A": units}).status == 200
    seen = ledger.statistics(now).limit("A")
    assert seen.others_mean == pytest.approx(35, rel=0.02)
    assert seen.mean == pytest.approx(67.5, rel=0.02)
    assert seen.share_of_rest == pytest.approx(0.5, rel=0.03)
    assert max(units for _, units in seen.others_timeline) <= 35 + 2
    assert seen.worst_window <= 100


def test_others_of_an_exchange_that_nobody_asked_for_long_cost_little() -> None:
    ledger = books(Limit("A", 6_000, 6.0), Limit("B", 10, 86_400.0))
    ledger.set_others("A", Others(0.5), 0)
    ledger.set_others("B", Others(0.5, every=0.001), 0)
    month = 30 * 86_400 * SECOND
    assert ledger.used("A", month) == pytest.approx(3_000, abs=60)
    assert ledger.used("B", month) == pytest.approx(5, abs=1)


def test_others_of_a_limit_by_key_use_each_key() -> None:
    limit = Limit("A", 10, 10.0, key=("symbol",))
    ledger = books(limit)
    ledger.set_others("A", Others(0.5, every=1), 0)
    charges = ledger.charges(0, {"A [BTC]": (limit, 1)})
    assert ledger.decide(0, charges).status == 200
    assert ledger.used("A [BTC]", 9 * SECOND) == 1 + 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"share": 0}, r"share must be above 0 and at most 1, or a list .*, got 0"),
        ({"share": 35}, "share must be above 0 and at most 1, or a list .*, got 35"),
        ({"share": "0.35"}, "got '0.35'"),
        ({"share": [[20]]}, r"a phase must be \[seconds of at least 0.001, .*, got \(20,\)"),
        ({"share": [[20, 2]]}, r"a phase must be .*, got \(20, 2\)"),
        ({"share": [[20, 0]]}, "a phase must have a share above 0, or nobody comes"),
        ({"share": 0.5, "every": 0}, "every must be seconds of at least 0.001 .*, got 0"),
        ({"share": 0.5, "seed": 1.5}, "seed must be a whole number, or left out, got 1.5"),
    ],
)
def test_others_that_cannot_be_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Others(**arguments)
