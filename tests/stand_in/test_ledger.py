"""The stand-in exchange's verdicts, at given instants, with no clock and no server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.testing import BanRule, Endpoint, Ledger, Limit, Table

SECOND = 1_000_000_000
NEVER_BANS = BanRule(tolerated=1_000_000)


def ledger(
    *limits: tuple[str, int, float], ban: BanRule = NEVER_BANS, charge_rejected: bool = True
) -> Ledger:
    table = Table(tuple(Limit(*limit) for limit in limits), (), ban=ban)
    return Ledger(table, charge_rejected=charge_rejected)


def test_requests_up_to_the_limit_are_accepted() -> None:
    books = ledger(("A", 3, 1.0))
    assert [books.arrive(0, {"A": 1}).status for _ in range(3)] == [200, 200, 200]
    assert books.statistics(0).limit("A").worst_window == 3


def test_one_request_over_the_limit_is_rejected_and_reported() -> None:
    books = ledger(("A", 3, 1.0))
    verdicts = [books.arrive(i, {"A": 1}) for i in range(4)]
    assert [verdict.status for verdict in verdicts] == [200, 200, 200, 429]
    assert [limit.name for limit in verdicts[3].over] == ["A"]
    seen = books.statistics(SECOND // 2)
    assert (seen.accepted, seen.rejected, seen.banned) == (3, 1, 0)
    assert seen.first_rejection == 3e-9
    assert seen.limit("A").worst_window == 4


def test_request_a_nanosecond_before_the_window_moves_on_is_rejected() -> None:
    books = ledger(("A", 1, 1.0))
    books.arrive(0, {"A": 1})
    assert books.arrive(SECOND - 1, {"A": 1}).status == 429


def test_request_exactly_one_interval_later_is_accepted() -> None:
    books = ledger(("A", 1, 1.0))
    books.arrive(0, {"A": 1})
    assert books.arrive(SECOND, {"A": 1}).status == 200


def test_burst_across_the_edge_of_two_intervals_is_caught() -> None:
    # What a fixed window lets through: a full limit at its end, another at its beginning.
    books = ledger(("A", 10, 1.0))
    before = [books.arrive(SECOND - 1, {"A": 1}).status for _ in range(10)]
    after = [books.arrive(SECOND, {"A": 1}).status for _ in range(10)]
    assert before == [200] * 10
    assert after == [429] * 10


def test_request_over_one_of_its_limits_is_rejected_by_that_one() -> None:
    books = ledger(("A", 10, 1.0), ("B", 1, 5.0))
    books.arrive(0, {"A": 1, "B": 1})
    verdict = books.arrive(1, {"A": 1, "B": 1})
    assert verdict.status == 429
    assert [limit.name for limit in verdict.over] == ["B"]
    assert books.arrive(2, {"A": 1}).status == 200


def test_rejected_request_counts_against_its_limits() -> None:
    books = ledger(("A", 2, 1.0), ("B", 1, 1.0))
    books.arrive(0, {"B": 1})
    books.arrive(1, {"A": 2, "B": 1})
    assert books.used("A", 1) == 2
    assert books.arrive(2, {"A": 1}).status == 429


def test_rejected_request_costs_nothing_when_told_so() -> None:
    books = ledger(("A", 2, 1.0), ("B", 1, 1.0), charge_rejected=False)
    books.arrive(0, {"B": 1})
    assert books.arrive(1, {"A": 2, "B": 1}).status == 429
    assert books.used("A", 1) == 0
    assert books.arrive(2, {"A": 2}).status == 200
    # What was sent is reported all the same.
    assert books.statistics(2).limit("A").worst_window == 4


@pytest.mark.parametrize("charge_rejected", [True, False])
@given(steps=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=40))
def test_client_that_waits_as_told_is_accepted(
    charge_rejected: bool, steps: list[tuple[int, int]]
) -> None:
    table = Table((Limit("A", 6, 5e-9), Limit("B", 4, 9e-9)), (), ban=NEVER_BANS)
    books = Ledger(table, charge_rejected=charge_rejected)
    now = 0
    for gap, units in steps:
        now += gap
        verdict = books.arrive(now, {"A": units, "B": units})
        if verdict.status == 429:
            assert verdict.wait > 0
            now += verdict.wait
            assert books.arrive(now, {"A": units, "B": units}).status == 200


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["x", "y", "z"])), min_size=1, max_size=80
    )
)
def test_verdicts_are_those_of_a_recount(steps: list[tuple[int, str]]) -> None:
    """A server that looks at every earlier arrival anew, for each request and each limit."""
    limits = {"A": (7, 5), "B": (4, 11)}
    weights = {"x": {"A": 1}, "y": {"A": 3, "B": 1}, "z": {"B": 2}}
    books = ledger(*((name, most, interval / 1e9) for name, (most, interval) in limits.items()))
    arrivals: list[tuple[int, dict[str, int]]] = []
    now = 0
    for gap, kind in steps:
        now += gap
        arrivals.append((now, weights[kind]))
        over = [
            name
            for name in weights[kind]
            if sum(w.get(name, 0) for at, w in arrivals if now - limits[name][1] < at)
            > limits[name][0]
        ]
        verdict = books.arrive(now, weights[kind])
        assert verdict.status == (429 if over else 200)
        assert [limit.name for limit in verdict.over] == over


def banning(tolerated: int = 2) -> Ledger:
    rule = BanRule(tolerated=tolerated, within=10.0, first=2.0, longest=7.0)
    return ledger(("A", 1, 1.0), ban=rule)


def test_client_that_goes_on_after_429s_is_banned() -> None:
    books = banning()
    statuses = [books.arrive(i, {"A": 1}).status for i in range(5)]
    assert statuses == [200, 429, 429, 418, 418]
    seen = books.statistics(5)
    assert (seen.accepted, seen.rejected, seen.banned, seen.bans) == (1, 2, 2, 1)
    assert seen.first_ban == 3e-9


def test_client_that_stops_at_the_tolerated_number_is_not_banned() -> None:
    books = banning()
    statuses = [books.arrive(i, {"A": 1}).status for i in range(3)]
    assert statuses == [200, 429, 429]
    assert books.arrive(11 * SECOND, {"A": 1}).status == 200


def test_429s_longer_ago_than_the_rule_looks_back_are_forgotten() -> None:
    books = banning()
    for begin in (0, 11 * SECOND, 22 * SECOND):
        assert [books.arrive(begin + i, {"A": 1}).status for i in range(3)] == [200, 429, 429]


def test_ban_tells_its_end_and_ends_then() -> None:
    books = banning(tolerated=0)
    books.arrive(0, {"A": 1})
    assert books.arrive(5, {"A": 1}).wait == 2 * SECOND
    assert books.arrive(2 * SECOND + 4, {"A": 1}).status == 418
    assert books.arrive(2 * SECOND + 5, {"A": 1}).status == 200


def test_requests_during_a_ban_neither_count_nor_make_it_longer() -> None:
    books = banning(tolerated=0)
    books.arrive(0, {"A": 1})
    for instant in range(1, 2 * SECOND, SECOND // 100):
        assert books.arrive(instant, {"A": 1}).status == 418
    assert books.arrive(2 * SECOND + 1, {"A": 1}).status == 200


def test_each_ban_is_longer_than_the_last_up_to_the_longest() -> None:
    books = banning(tolerated=0)
    lengths = []
    now = 0
    for _ in range(4):
        books.arrive(now, {"A": 1})
        lengths.append(books.arrive(now, {"A": 1}).wait / SECOND)
        now += 10 * SECOND
    assert lengths == [2.0, 4.0, 7.0, 7.0]


def test_ten_thousandth_ban_is_the_longest_one() -> None:
    assert BanRule().duration(10_000) == 3 * 86_400 * SECOND


def test_bans_by_default_are_as_binance_documents_them() -> None:
    assert [BanRule().duration(i) / SECOND for i in (0, 1, 50)] == [120, 240, 259_200]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tolerated": -1}, "whole number of 429s, 0 or more, got -1"),
        ({"tolerated": 1.5}, "whole number of 429s, 0 or more, got 1.5"),
        ({"within": 0}, "within must be seconds above 0 .*, got 0"),
        ({"first": float("nan")}, "first must be seconds above 0 .*, got nan"),
        ({"longest": 1e300}, r"at most 100 years\), got 1e\+300"),
        ({"growth": 10**400}, "growth must be a number of at least 1, got 1000"),
        ({"first": 10, "longest": 5}, r"first \(10 s\) must be at most longest \(5 s\)"),
        ({"growth": 0.5}, "growth must be a number of at least 1, got 0.5"),
    ],
)
def test_ban_rule_that_cannot_be_is_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BanRule(**arguments)


def test_mean_of_a_limit_begins_when_its_first_window_is_full() -> None:
    books = ledger(("A", 10, 1.0))
    books.arrive(0, {"A": 4})
    assert books.statistics(SECOND // 2).limit("A").mean is None
    books.arrive(SECOND, {"A": 5})
    seen = books.statistics(3 * SECOND).limit("A")
    assert seen.mean == 2.5
    assert seen.share == 0.25


def test_timeline_shows_departures_that_no_request_saw() -> None:
    books = ledger(("A", 10, 1.0))
    books.arrive(0, {"A": 4})
    assert books.statistics(5 * SECOND).limit("A").timeline == ((0.0, 4), (1.0, 0))


def test_endpoint_ids_and_limits_are_found_by_name() -> None:
    table = Table((Limit("A", 5, 1.0),), (Endpoint("GET", "/a", {"A": 1}),))
    assert table.find("get", "/a") == "GET /a"
    with pytest.raises(KeyError, match="no limit 'B': the table has 'A'"):
        Ledger(table).statistics(0).limit("B")
