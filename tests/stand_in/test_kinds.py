"""The stand-in's verdicts by the kind of a limit, and limits and bans that change while it runs."""

from __future__ import annotations

import pytest

from sluicegate.testing import BanRule, Ledger, Limit, Others, Table
from sluicegate.testing.hold import REACTION, Hold

SECOND = 1_000_000_000
NEVER_BANS = BanRule(tolerated=1_000_000)


def statuses(ledger: Ledger, now: int, count: int, units: int = 1) -> list[int]:
    return [ledger.arrive(now, {"A": units}).status for _ in range(count)]


def books(limit: Limit, *, ban: BanRule = NEVER_BANS, skew: int = 0) -> Ledger:
    return Ledger(Table((limit,), (), ban=ban), wall=lambda at: at + skew)


def test_fixed_window_takes_a_burst_on_both_sides_of_its_edge() -> None:
    ledger = books(Limit("A", 2, 1.0, kind="fixed"))
    assert statuses(ledger, SECOND - 1, 2) == [200, 200]
    assert statuses(ledger, SECOND, 3) == [200, 200, 429]


def test_fixed_window_follows_the_exchanges_clock() -> None:
    ledger = books(Limit("A", 2, 1.0, kind="fixed"), skew=SECOND // 4)
    assert statuses(ledger, 3 * SECOND // 4 - 1, 3) == [200, 200, 429]
    assert statuses(ledger, 3 * SECOND // 4, 2) == [200, 200]


def test_window_begins_anew_when_the_exchanges_clock_is_set() -> None:
    skew = 0
    limit = Limit("A", 1, 1.0, kind="fixed")
    ledger = Ledger(Table((limit,), (), ban=NEVER_BANS), wall=lambda at: at + skew)
    assert statuses(ledger, 0, 2) == [200, 429]
    skew = SECOND // 2
    ledger.set_clock(1)
    assert statuses(ledger, 2, 2) == [200, 429]
    assert statuses(ledger, SECOND // 2, 1) == [200]


def test_rejection_tells_when_the_window_ends() -> None:
    ledger = books(Limit("A", 1, 1.0, kind="fixed"))
    statuses(ledger, SECOND // 4, 1)
    assert ledger.arrive(SECOND // 2, {"A": 1}).wait == SECOND // 2


def test_first_request_opens_a_window() -> None:
    ledger = books(Limit("A", 2, 1.0, kind="first"))
    assert statuses(ledger, SECOND // 2, 3) == [200, 200, 429]
    assert statuses(ledger, 3 * SECOND // 2 - 1, 1) == [429]
    assert statuses(ledger, 3 * SECOND // 2, 2) == [200, 200]


def test_bucket_takes_one_each_second_after_its_burst() -> None:
    ledger = books(Limit("A", 20, 20.0, kind="bucket"))
    assert statuses(ledger, 0, 20) == [200] * 20
    for second in range(1, 30):
        assert statuses(ledger, second * SECOND, 1) == [200]
    assert ledger.statistics(30 * SECOND).limit("A").worst_window == 20
    # A failed call counts on Kraken, too: the next one has to wait for both.
    assert ledger.arrive(29 * SECOND, {"A": 1}).wait == 2 * SECOND


def test_requests_under_way_are_counted_until_they_are_answered() -> None:
    ledger = books(Limit("A", 2, 0, kind="concurrent"))
    one, two, three = (ledger.arrive(0, {"A": 1}) for _ in range(3))
    assert [one.status, two.status, three.status] == [200, 200, 429]
    assert three.wait == 0
    ledger.leave(5, three)
    assert ledger.arrive(6, {"A": 1}).status == 429
    ledger.leave(7, one)
    assert ledger.arrive(8, {"A": 1}).status == 200
    seen = ledger.statistics(SECOND).limit("A")
    # All that was sent and not answered: two that were taken, and the one that was refused.
    assert (seen.used, seen.worst_window, seen.kind) == (2, 3, "concurrent")


def test_limit_by_key_counts_each_key_on_its_own() -> None:
    limit = Limit("A", 1, 1.0, key=("symbol",))
    ledger = books(limit)

    def ask(key: str) -> int:
        return ledger.decide(0, ledger.charges(0, {f"A [{key}]": (limit, 1)})).status

    assert [ask("BTC"), ask("ETH"), ask("BTC")] == [200, 200, 429]
    seen = ledger.statistics(0)
    assert [x.name for x in seen.limits] == ["A [BTC]", "A [ETH]"]
    assert seen.limit("A [BTC]").worst_window == 2


def test_limit_is_lowered_while_it_is_used() -> None:
    ledger = books(Limit("A", 10, 1.0))
    assert statuses(ledger, 0, 5) == [200] * 5
    ledger.set_limit(Limit("A", 5, 1.0), 1)
    assert statuses(ledger, 2, 1) == [429]
    assert ledger.statistics(3).limit("A").limit == 5


def test_bucket_that_is_lowered_falls_more_slowly() -> None:
    ledger = books(Limit("A", 10, 10.0, kind="bucket"))
    assert statuses(ledger, 0, 10) == [200] * 10
    ledger.set_limit(Limit("A", 5, 10.0, kind="bucket"), 0)
    assert ledger.used("A", 2 * SECOND) == 9


def test_others_keep_their_share_of_a_limit_that_is_lowered() -> None:
    ledger = books(Limit("A", 100, 10.0))
    ledger.set_others("A", Others(0.5, every=1), 0)
    ledger.set_limit(Limit("A", 20, 10.0), 20 * SECOND)
    assert ledger.used("A", 31 * SECOND) == 10


def test_mean_of_fixed_windows_is_that_of_whole_ones() -> None:
    ledger = books(Limit("A", 10, 1.0, kind="fixed"))
    ledger.arrive(SECOND // 2, {"A": 9})
    assert ledger.statistics(SECOND).limit("A").mean is None
    for second, units in ((1, 10), (2, 4), (4, 10)):
        ledger.arrive(second * SECOND, {"A": units})
    # 10, 4, 0, and the window that has not ended does not count.
    assert ledger.statistics(9 * SECOND // 2).limit("A").mean == pytest.approx(14 / 3)


def test_mean_of_opened_windows_counts_the_pauses_between_them() -> None:
    ledger = books(Limit("A", 10, 1.0, kind="first"))
    ledger.arrive(SECOND // 2, {"A": 10})
    ledger.arrive(2 * SECOND, {"A": 6})
    # From 0.5 s to 3 s: 16 units in two windows and a half.
    assert ledger.statistics(4 * SECOND).limit("A").mean == pytest.approx(16 / 2.5)


def test_mean_of_a_bucket_leaves_out_its_first_burst() -> None:
    ledger = books(Limit("A", 20, 20.0, kind="bucket"))
    statuses(ledger, 0, 20)
    for second in range(20, 60):
        ledger.arrive(second * SECOND, {"A": 1})
    assert ledger.statistics(60 * SECOND).limit("A").share == pytest.approx(1.0)


def test_ban_grows_when_asked_during_it_up_to_the_longest() -> None:
    rule = BanRule(tolerated=0, first=10.0, longest=25.0, prolong=5.0)
    ledger = books(Limit("A", 1, 1.0), ban=rule)
    statuses(ledger, 0, 1)
    assert ledger.arrive(0, {"A": 1}).wait == 10 * SECOND
    assert ledger.arrive(SECOND, {"A": 1}).wait == 14 * SECOND
    waits = [ledger.arrive(2 * SECOND, {"A": 1}).wait / SECOND for _ in range(4)]
    assert waits == [18, 23, 25, 25]
    assert ledger.arrive(27 * SECOND - 1, {"A": 1}).status == 418
    assert ledger.statistics(27 * SECOND).bans == 1


def test_ban_rule_is_changed_while_a_ban_lasts() -> None:
    ledger = books(Limit("A", 1, 1.0), ban=BanRule(tolerated=0, first=10.0))
    statuses(ledger, 0, 2)
    ledger.set_ban(BanRule(tolerated=0, first=1.0, longest=1.0))
    assert statuses(ledger, 10 * SECOND - 1, 1) == [418]
    assert statuses(ledger, 10 * SECOND, 2) == [200, 418]
    assert statuses(ledger, 11 * SECOND, 1) == [200]


def test_prolong_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"prolong must be seconds of 0 or more .*, got -1"):
        BanRule(prolong=-1)


def test_request_before_the_end_of_what_was_told_is_too_early() -> None:
    limits = (Limit("A", 1, 10.0), Limit("B", 5, 10.0))
    ledger = Ledger(Table(limits, (), ban=NEVER_BANS))
    takes = {"A": (limits[0], 1)}
    ledger.arrive(0, {"A": 1})
    refused = ledger.decide(SECOND, ledger.charges(SECOND, takes))
    under_way = ledger.charges(SECOND, takes)
    # What was sent before the answer left is no offence.
    ledger.send(2 * SECOND, under_way)
    ledger.tell(2 * SECOND, refused, 12 * SECOND)
    # Nor what leaves before the answer can have been read.
    ledger.send(2 * SECOND + REACTION - 1, under_way)
    ledger.send(12 * SECOND - 1, under_way)
    # Nobody told the client to leave the other limit alone.
    ledger.send(3 * SECOND, ledger.charges(0, {"B": (limits[1], 1)}))
    ledger.send(12 * SECOND, under_way)
    assert ledger.statistics(20 * SECOND).too_early == 1


def test_of_several_waits_that_are_told_the_latest_holds() -> None:
    hold = Hold()
    assert not hold.covers(0)
    hold.tell(0, 10 * SECOND)
    hold.tell(SECOND, 5 * SECOND)
    assert [hold.covers(at) for at in (0, REACTION, 10 * SECOND - 1, 10 * SECOND)] == [
        *(False, True, True, False)
    ]
    hold.tell(9 * SECOND, 20 * SECOND)
    assert hold.covers(9 * SECOND)
    hold.tell(30 * SECOND, 40 * SECOND)
    assert not hold.covers(30 * SECOND)


def test_request_during_a_ban_that_was_told_is_too_early_whatever_it_asks_for() -> None:
    limits = (Limit("A", 1, 10.0), Limit("B", 5, 10.0))
    ledger = Ledger(Table(limits, (), ban=BanRule(tolerated=0, first=5.0)))
    statuses(ledger, 0, 1)
    ledger.tell(1, ledger.arrive(1, {"A": 1}), 5 * SECOND)
    ledger.send(4 * SECOND, ledger.charges(0, {"B": (limits[1], 1)}))
    ledger.send(5 * SECOND, ledger.charges(0, {"B": (limits[1], 1)}))
    assert ledger.statistics(20 * SECOND).too_early == 1
