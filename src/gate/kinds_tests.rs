//! Each kind of limit by example: who goes when, and what wakes the gate.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Nanos};
use crate::limit::{Kind, MAX_LIMIT, RateLimit};

use super::enter::Gate;
use super::plan::NEVER;
use super::queue::{Rank, Waiter};
use super::route::Route;
use super::table::{Hold, Options};

const BOTH: [Hold; 2] = [Hold::Response, Hold::Start];

fn limit(id: &str, limit: u64, interval: Nanos, kind: Kind) -> RateLimit {
    RateLimit::new(id, limit, Duration::from_nanos(interval)).kind(kind)
}

fn gate(table: &[RateLimit], hold: Hold) -> Gate<usize> {
    Gate::new(table, Options { hold, ..Options::default() }).expect("a fine table")
}

fn route(gate: &Gate<usize>, id: &str) -> Arc<Route> {
    gate.lookup(id).expect("a known id").clone()
}

fn join(gate: &mut Gate<usize>, now: Nanos, id: &str, tag: usize) {
    let route = route(gate, id);
    gate.join(&route, Rank::ORDINARY, Waiter { units: 1, since: now, deadline: None, tag });
}

/// Who begins at `now`.
fn advance(gate: &mut Gate<usize>, now: Nanos) -> Vec<usize> {
    let mut decided = Vec::new();
    gate.advance(now, &mut decided);
    for one in &decided {
        gate.begin(now, one.outcome.as_ref().expect("it may pass"), one.waiter.units);
    }
    decided.into_iter().map(|one| one.waiter.tag).collect()
}

/// When each of so many requests begins that come at once, if each is answered at once; and how often the gate was woken.
fn starts(gate: &mut Gate<usize>, now: Nanos, id: &str, count: usize) -> (Vec<Nanos>, usize) {
    (0..count).for_each(|tag| join(gate, now, id, tag));
    let (mut now, mut starts, mut woken) = (now, Vec::new(), 0);
    while starts.len() < count {
        for _ in advance(gate, now) {
            starts.push(now);
            let route = route(gate, id);
            gate.leave(now, &route, 1);
        }
        if starts.len() < count {
            gate.advance(now, &mut Vec::new());
            now = gate.wake_at().expect("it knows when the next one goes");
            woken += 1;
        }
    }
    (starts, woken)
}

#[test]
fn a_bucket_lets_a_burst_through_and_then_one_each_time_that_one_has_drained() {
    const SECOND: Nanos = 1_000_000_000;
    for hold in BOTH {
        // Kraken's counter: at most 20, one less each second.
        let mut gate = gate(&[limit("x", 20, 20 * SECOND, Kind::Bucket)], hold);
        let (starts, woken) = starts(&mut gate, 5, "x", 25);
        let then = (1..=5).map(|second| 5 + second * SECOND);
        assert_eq!(starts, std::iter::repeat_n(5, 20).chain(then).collect::<Vec<_>>());
        assert!(woken <= 5, "{woken}");
        let route = route(&gate, "x");
        assert_eq!(gate.wait_time(5 + 5 * SECOND, &route, 1, Rank::ORDINARY), SECOND);
        assert_eq!(gate.wait_time(5 + 5 * SECOND, &route, 20, Rank::ORDINARY), 20 * SECOND);
        assert_eq!(gate.usage(5 + 5 * SECOND, &route).resets_in, Duration::from_secs(1));
    }
}

#[test]
fn what_is_in_flight_does_not_drain_from_a_bucket_until_it_is_answered() {
    let mut gate = gate(&[limit("x", 2, 20, Kind::Bucket)], Hold::Response);
    let (clock, x) = (Clock::manual(), route(&gate, "x"));
    assert!(gate.try_enter(&clock, &x, 2));
    clock.set(100);
    assert!(!gate.try_enter(&clock, &x, 1));
    let usage = gate.usage(100, &x);
    assert_eq!((usage.used, usage.in_flight, usage.resets_in), (2, 2, Duration::from_nanos(10)));
    gate.leave(100, &x, 1);
    assert!(!gate.try_acquire(109, &x, 1) && gate.try_acquire(110, &x, 1));
}

#[test]
fn the_heaviest_request_of_a_bucket_waits_until_it_is_empty_and_lighter_ones_do_not_delay_it() {
    for hold in BOTH {
        let table = [limit("x", 10, 10, Kind::Bucket), RateLimit::route("heavy").link("x", 10)];
        let mut gate = gate(&table, hold);
        let x = route(&gate, "x");
        assert!(gate.try_acquire(0, &x, 4));
        join(&mut gate, 1, "heavy", 1);
        assert!(advance(&mut gate, 1).is_empty());
        join(&mut gate, 1, "x", 2);
        assert!(advance(&mut gate, 1).is_empty());
        for now in [2, 3] {
            assert!(advance(&mut gate, now).is_empty());
        }
        assert_eq!(gate.wake_at(), Some(4));
        assert_eq!(advance(&mut gate, 4), [1]);
        let heavy = route(&gate, "heavy");
        gate.leave(4, &heavy, 1);
        assert!(advance(&mut gate, 4).is_empty());
        assert_eq!(gate.wake_at(), Some(5));
        assert_eq!(advance(&mut gate, 5), [2]);
    }
}

#[test]
fn a_younger_request_uses_what_drains_before_an_older_one_wants_it() {
    // The older one waits for the slow limit until 100; the bucket has room for both, one after the other.
    let table = [
        limit("x", 4, 40, Kind::Bucket),
        limit("slow", 1, 100, Kind::Rolling),
        RateLimit::route("both").link("x", 4).link("slow", 1),
    ];
    let mut gate = gate(&table, Hold::Start);
    let (x, slow) = (route(&gate, "x"), route(&gate, "slow"));
    assert!(gate.try_acquire(0, &slow, 1) && gate.try_acquire(0, &x, 4));
    join(&mut gate, 1, "both", 1);
    assert!(advance(&mut gate, 1).is_empty());
    // Six units drain until 60, and must have: at 100 the bucket is to be empty.
    (2..9).for_each(|tag| join(&mut gate, 1, "x", tag));
    assert!(advance(&mut gate, 1).is_empty());
    let mut starts = Vec::new();
    while starts.len() < 8 {
        let now = gate.wake_at().expect("it knows when the next one goes");
        starts.extend(advance(&mut gate, now).into_iter().map(|tag| (now, tag)));
        gate.advance(now, &mut Vec::new());
    }
    let before: Vec<Nanos> = starts.iter().map(|&(at, _)| at).filter(|&at| at < 100).collect();
    assert_eq!(before, [10, 20, 30, 40, 50, 60]);
    assert_eq!(starts[6], (100, 1));
}

#[test]
fn what_drains_while_a_bucket_would_be_empty_is_free_for_a_younger_request() {
    // Two older ones wait for other limits: one unit is wanted at 15, and the whole bucket at 200.
    let table = [
        limit("x", 4, 40, Kind::Bucket),
        limit("soon", 1, 15, Kind::Rolling),
        limit("late", 1, 200, Kind::Rolling),
        RateLimit::route("first").link("x", 1).link("soon", 1),
        RateLimit::route("second").link("x", 4).link("late", 1),
        RateLimit::route("younger").link("x", 2),
    ];
    let mut gate = gate(&table, Hold::Start);
    for id in ["soon", "late"] {
        let route = route(&gate, id);
        assert!(gate.try_acquire(0, &route, 1));
    }
    join(&mut gate, 1, "first", 1);
    join(&mut gate, 1, "second", 2);
    assert!(advance(&mut gate, 1).is_empty());
    // Part of its units is left at 15, and none at 200.
    join(&mut gate, 1, "younger", 3);
    assert_eq!(advance(&mut gate, 1), [3]);
    gate.advance(1, &mut Vec::new());
    assert_eq!(advance(&mut gate, 15), [1]);
    gate.advance(15, &mut Vec::new());
    assert_eq!(advance(&mut gate, 200), [2]);
}

#[test]
fn a_counter_that_falls_quickly_wakes_nobody_as_often() {
    const SECOND: Nanos = 1_000_000_000;
    let table = [
        limit("x", 1_000_000, SECOND, Kind::Bucket),
        RateLimit::concurrent("slots", 1),
        RateLimit::route("both").link("slots", 1).link("x", 1_000_000),
    ];
    let mut gate = gate(&table, Hold::Response);
    let (clock, x, slots) = (Clock::manual(), route(&gate, "x"), route(&gate, "slots"));
    assert!(gate.try_enter(&clock, &slots, 1) && gate.try_acquire(0, &x, 999_999));
    join(&mut gate, 1, "both", 1);
    join(&mut gate, 1, "x", 2);
    assert!(advance(&mut gate, 1).is_empty());
    let mut woken = 0;
    while let Some(at) = gate.wake_at() {
        woken += 1;
        assert!(advance(&mut gate, at).is_empty());
    }
    assert!(woken <= 66, "{woken}");
}

#[test]
fn the_largest_bucket_and_the_longest_and_the_shortest_interval_do_not_overflow() {
    let century = crate::limit::MAX_PERIOD;
    for (units, interval) in [(MAX_LIMIT, century), (MAX_LIMIT, 1), (1, century), (1, 1), (3, 1)] {
        for kind in [Kind::Bucket, Kind::Fixed, Kind::First] {
            for hold in BOTH {
                let mut gate = gate(&[limit("x", units, interval, kind).weight(units)], hold);
                let x = route(&gate, "x");
                gate.observe_server(0, 1_790_000_000_000_000_000, 5);
                assert!(gate.try_acquire(7, &x, 1) && !gate.try_acquire(7, &x, 1), "{kind:?}");
                let (starts, _) = starts(&mut gate, 7, "x", 3);
                assert!(starts.is_sorted_by(|a, b| a < b), "{starts:?}");
                assert!(starts[0] <= 7 + interval && starts[2] <= 7 + 3 * interval, "{kind:?} {starts:?}");
            }
        }
    }
}

#[test]
fn at_most_so_many_are_in_flight_whatever_the_hold_and_the_next_goes_with_the_end_of_one() {
    for hold in BOTH {
        let table = [RateLimit::concurrent("x", 2), limit("pool", 9, 100, Kind::Rolling).link("x", 1)];
        let mut gate = gate(&table, hold);
        let (clock, pool, x) = (Clock::manual(), route(&gate, "pool"), route(&gate, "x"));
        assert!(gate.try_enter(&clock, &pool, 1) && gate.try_enter(&clock, &x, 1));
        assert!(!gate.try_enter(&clock, &pool, 1) && !gate.try_acquire(0, &x, 1));
        assert_eq!(gate.wait_time(5, &x, 1, Rank::ORDINARY), 1);
        let usage = gate.usage(5, &x);
        assert_eq!((usage.used, usage.in_flight, usage.resets_in), (2, 2, Duration::ZERO));
        join(&mut gate, 5, "pool", 1);
        join(&mut gate, 5, "pool", 2);
        assert!(advance(&mut gate, 5).is_empty());
        assert_eq!(gate.wake_at(), None);
        gate.leave(50, &x, 1);
        assert_eq!(advance(&mut gate, 50), [1]);
        gate.leave(60, &pool, 1);
        assert_eq!(advance(&mut gate, 60), [2]);
        gate.leave(70, &pool, 1);
        gate.leave(70, &pool, 1);
        let in_flight = gate.usage(70, &x).used;
        assert_eq!((in_flight, gate.usage(70, &pool).used), (0, 3));
        // Nobody tells when a charge ends: it needs room, and holds nothing.
        assert!(gate.try_acquire(70, &x, 2) && gate.try_acquire(70, &x, 2));
    }
}

#[test]
fn a_block_that_began_under_another_kind_ends_as_it_began() {
    let rolling = [limit("x", 3, 100, Kind::Rolling)];
    let concurrent = [RateLimit::concurrent("x", 3)];
    let clock = Clock::manual();
    let mut gate = gate(&rolling, Hold::Start);
    let before = route(&gate, "x");
    assert!(gate.try_enter(&clock, &before, 1));
    assert!(gate.set_table(0, &concurrent).expect("fine").is_empty());
    let x = route(&gate, "x");
    assert!(gate.try_enter(&clock, &x, 2));
    gate.leave(5, &before, 1);
    assert_eq!(gate.usage(5, &x).in_flight, 2);
    assert!(gate.set_table(5, &rolling).expect("fine").is_empty());
    gate.leave(6, &x, 2);
    let (x, used) = (route(&gate, "x"), (2, 0));
    let usage = gate.usage(6, &x);
    assert_eq!((usage.used, usage.in_flight), used);
}

#[test]
fn what_is_used_stays_used_whatever_the_kind_becomes() {
    let kinds = [Kind::Rolling, Kind::Bucket, Kind::Fixed, Kind::First];
    for before in kinds {
        for after in kinds {
            for hold in BOTH {
                let mut gate = gate(&[limit("x", 5, 100, before)], hold);
                let (clock, x) = (Clock::manual(), route(&gate, "x"));
                assert!(gate.try_enter(&clock, &x, 1) && gate.try_acquire(0, &x, 2));
                assert!(gate.set_table(0, &[limit("x", 5, 50, after)]).expect("fine").is_empty());
                let new = route(&gate, "x");
                assert_eq!(gate.usage(0, &new).used, 3, "{before:?} {after:?}");
                gate.leave(0, &x, 1);
                assert_eq!(
                    (gate.usage(1, &new).used, gate.usage(101, &new).used),
                    (3, 0),
                    "{before:?} {after:?}"
                );
            }
        }
    }
}

#[test]
fn a_window_opens_with_its_first_request_and_ends_for_all_at_once() {
    let mut gate = gate(&[limit("x", 3, 30, Kind::First)], Hold::Start);
    let x = route(&gate, "x");
    for at in [5, 20, 34] {
        assert!(gate.try_acquire(at, &x, 1));
    }
    assert_eq!(
        (gate.wait_time(34, &x, 1, Rank::ORDINARY), gate.usage(34, &x).resets_in),
        (1, Duration::from_nanos(1))
    );
    assert!(!gate.try_acquire(34, &x, 1) && gate.try_acquire(35, &x, 3));
    assert!(!gate.try_acquire(64, &x, 1) && gate.try_acquire(70, &x, 3));
    assert!(!gate.try_acquire(99, &x, 1) && gate.try_acquire(100, &x, 1));
}

#[test]
fn a_window_that_opened_with_an_answer_at_the_latest_ends_an_interval_after_it() {
    let mut gate = gate(&[limit("x", 3, 30, Kind::First)], Hold::Response);
    let (clock, x) = (Clock::manual(), route(&gate, "x"));
    clock.set(5);
    assert!(gate.try_enter(&clock, &x, 1));
    gate.leave(8, &x, 1);
    clock.set(30);
    assert!(gate.try_enter(&clock, &x, 2));
    gate.leave(34, &x, 1);
    gate.leave(36, &x, 1);
    // The last one may be in a window that opened at 35 or later.
    assert_eq!([37, 38, 65, 66].map(|at| gate.usage(at, &x).used), [3, 1, 1, 0]);
}

#[test]
fn windows_of_the_servers_clock_open_for_a_full_limit_as_soon_as_they_surely_have() {
    const SECOND: Nanos = 1_000_000_000;
    for hold in BOTH {
        let mut gate = gate(&[limit("x", 6, 60 * SECOND, Kind::Fixed)], hold);
        let x = route(&gate, "x");
        assert!(gate.try_acquire(0, &x, 6));
        join(&mut gate, SECOND, "x", 1);
        assert!(advance(&mut gate, SECOND).is_empty());
        assert_eq!(gate.wake_at(), Some(60 * SECOND));
        // Two seconds later it shows 50 s past a full minute, give or take 0.1 s.
        assert!(gate.observe_server(2 * SECOND, 600_050_000_000_000, SECOND / 10));
        assert!(advance(&mut gate, 2 * SECOND).is_empty());
        let opens = gate.wake_at().expect("a boundary");
        assert!(opens - 12 * SECOND - SECOND / 10 < SECOND / 50, "{opens}");
        assert_eq!(advance(&mut gate, opens), [1]);
        // What is known already is no news.
        assert!(!gate.observe_server(3 * SECOND, 600_051_000_000_000, SECOND / 10));
    }
}

#[test]
fn an_id_without_a_limit_of_its_own_takes_from_its_links_and_tells_who_waits() {
    let table = [limit("pool", 2, 100, Kind::Rolling), RateLimit::route("a").link("pool", 2)];
    let mut gate = gate(&table, Hold::Start);
    let a = route(&gate, "a");
    assert!(gate.try_acquire(0, &a, 1) && !gate.try_acquire(0, &a, 1));
    join(&mut gate, 1, "a", 1);
    join(&mut gate, 1, "a", 2);
    assert!(advance(&mut gate, 1).is_empty());
    let usage = gate.usage(1, &a);
    assert_eq!((usage.waiting, usage.used, usage.in_flight, usage.limit), (2, 0, 0, MAX_LIMIT));
    assert_eq!((usage.interval, usage.resets_in), (Duration::ZERO, Duration::ZERO));
    assert!(gate.check_units(&a, 2).is_err());
    let linked = [RateLimit::route("a"), limit("b", 1, 1, Kind::Rolling).link("a", 1)];
    let refusal = Gate::<()>::new(&linked, Options::default()).expect_err("nothing to take").to_string();
    assert!(refusal.contains("\"b\"") && refusal.contains("\"a\""), "{refusal}");
}

#[test]
fn with_others_every_kind_counts_as_a_rolling_window_but_what_is_in_flight() {
    for kind in [Kind::Bucket, Kind::Fixed, Kind::First, Kind::Rolling] {
        let mut gate = gate(&[limit("x", 4, 40, kind), RateLimit::concurrent("y", 3)], Hold::Start);
        gate.share(0, 0);
        let [x, y] = ["x", "y"].map(|id| route(&gate, id));
        gate.allow(&x, 2);
        gate.allow(&y, 1);
        let clock = Clock::manual();
        assert!(gate.try_acquire(0, &x, 2) && !gate.try_acquire(39, &x, 1) && gate.try_acquire(40, &x, 2));
        assert!(gate.try_enter(&clock, &y, 1) && !gate.try_enter(&clock, &y, 1));
        // So does one that a later table has.
        assert!(gate.set_table(50, &[limit("x", 4, 40, Kind::Bucket)]).expect("fine").is_empty());
        let x = route(&gate, "x");
        assert!(!gate.try_acquire(79, &x, 1) && gate.try_acquire(80, &x, 2));
    }
}

#[test]
fn a_pause_and_a_limit_of_nothing_hold_for_each_kind() {
    for kind in [Kind::Bucket, Kind::Fixed, Kind::First] {
        for hold in BOTH {
            let mut gate = gate(&[limit("x", 4, 40, kind)], hold);
            let x = route(&gate, "x");
            gate.pause(&x, 30);
            join(&mut gate, 1, "x", 1);
            assert!(advance(&mut gate, 1).is_empty());
            assert_eq!(
                (gate.wake_at(), gate.wait_time(1, &x, 1, Rank::ORDINARY)),
                (Some(30), 29),
                "{kind:?} {hold:?}"
            );
            assert_eq!(advance(&mut gate, 30), [1]);
            gate.allow(&x, 0);
            assert_eq!(gate.wait_time(31, &x, 1, Rank::ORDINARY), NEVER);
        }
    }
}
