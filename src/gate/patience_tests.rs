//! Requests that rise by a class for each length of the patience that they wait.

use std::time::Duration;

use proptest::prelude::*;

use crate::clock::Nanos;
use crate::limit::RateLimit;

use super::enter::Gate;
use super::queue::{Rank, Waiter};
use super::table::{Hold, MAX_PATIENCE, Options};

fn gate(patience: Option<Duration>, limit: u64, interval: Nanos) -> Gate<usize> {
    let options = Options { hold: Hold::Start, patience, ..Options::default() };
    let table = [RateLimit::new("pool", limit, Duration::from_nanos(interval))];
    Gate::new(&table, options).expect("a fine table")
}

fn join(gate: &mut Gate<usize>, now: Nanos, priority: i16, tag: usize) {
    let rank = Rank::of(priority).expect("in range");
    let route = gate.lookup("pool").expect("known").of_rank(rank).clone();
    gate.join(&route, rank, Waiter { units: 1, since: now, deadline: None, tag });
}

fn advance(gate: &mut Gate<usize>, now: Nanos) -> Vec<usize> {
    let mut decided = Vec::new();
    gate.advance(now, &mut decided);
    decided.iter().for_each(|one| {
        gate.begin(now, one.outcome.as_ref().expect("it goes"), one.waiter.units);
    });
    decided.into_iter().map(|one| one.waiter.tag).collect()
}

#[test]
fn one_that_has_waited_for_a_patience_longer_goes_with_the_next_class() {
    let mut gate = gate(Some(Duration::from_nanos(10)), 1, 100);
    join(&mut gate, 0, 0, 0);
    assert_eq!(advance(&mut gate, 0), [0]);
    // Of priority 0 since 5; of priority 1 since 14, 15 and 16; of priority 2 since 24.
    for (now, priority, tag) in [(5, 0, 1), (14, 1, 2), (15, 1, 3), (16, 1, 4), (24, 2, 5)] {
        join(&mut gate, now, priority, tag);
        assert!(advance(&mut gate, now).is_empty());
    }
    let left: Vec<usize> = (1..6).flat_map(|window| advance(&mut gate, window * 100)).collect();
    assert_eq!(left, [2, 5, 1, 3, 4]);
}

#[test]
fn a_newcomer_is_told_to_wait_for_those_that_have_risen_above_it() {
    let mut gate = gate(Some(Duration::from_nanos(10)), 1, 100);
    let pool = gate.lookup("pool").expect("known").clone();
    join(&mut gate, 0, 0, 0);
    assert_eq!(advance(&mut gate, 0), [0]);
    join(&mut gate, 5, 0, 1);
    assert!(advance(&mut gate, 5).is_empty());
    let one = Rank::of(1).expect("in range");
    assert_eq!((gate.wait_time(14, &pool, 1, one), gate.wait_time(15, &pool, 1, one)), (86, 185));
    assert!(!gate.waits_before(14, &pool, one) && gate.waits_before(15, &pool, one));
}

#[test]
fn the_longest_patience_and_the_lowest_class_fit() {
    let mut gate = gate(Some(MAX_PATIENCE), 1, 100);
    let late = 200 * 365 * 86_400_000_000_000;
    join(&mut gate, late, -1000, 1);
    join(&mut gate, late, -999, 2);
    join(&mut gate, late + 1, 1000, 3);
    let left: Vec<usize> = (1..4).flat_map(|window| advance(&mut gate, late + window * 100)).collect();
    assert_eq!(left, [3, 2, 1]);
}

#[test]
fn a_patience_that_cannot_be_is_refused() {
    for patience in [Duration::ZERO, MAX_PATIENCE + Duration::from_nanos(1)] {
        let options = Options { patience: Some(patience), ..Options::default() };
        let error = Gate::<()>::new(&[RateLimit::new("a", 1, patience)], options).expect_err("bad");
        assert!(
            error.to_string().starts_with("patience must be a number of seconds over 0 and up to 2592000")
        );
    }
}

/// A request within the block of another goes before all, and leaves reserves alone as its class does.
#[test]
fn a_new_table_has_one_that_goes_first_leave_the_reserves_that_its_class_leaves() {
    let plain = RateLimit::new("pool", 10, Duration::from_nanos(10));
    let mut gate: Gate<&str> =
        Gate::new(std::slice::from_ref(&plain), Options::default()).expect("a fine table");
    let pool = gate.lookup("pool").expect("known").clone();
    assert!(gate.try_acquire(0, &pool, 10));
    let waiter = Waiter { units: 6, since: 0, deadline: None, tag: "nested" };
    let place = gate.join(&pool, Rank::ORDINARY, waiter);
    let first = gate.go_first(place).expect("it waits");
    let other = Waiter { units: 1, since: 0, deadline: None, tag: "high" };
    let other = gate.join(&pool, Rank::of(5).expect("in range"), other);
    assert!(first.order < other.order);
    assert!(gate.set_table(1, &[plain.clone().reserve(1, 4)]).expect("fine").is_empty());
    let moved = gate.take_moved();
    assert!(moved.len() == 1 && moved[0].0 == first && moved[0].1.order == first.order, "{moved:?}");
    // With a reserve of five, six of ten units never fit.
    assert_eq!(gate.set_table(1, &[plain.reserve(1, 5)]).expect("fine").len(), 1);
}

proptest! {
    /// Nobody starves: while requests of a higher class keep coming, one of priority 0 waits until those that came before it
    /// has risen to their class have left.
    #[test]
    fn a_flood_of_a_higher_class_delays_nobody_for_longer_than_its_own_wait_and_the_rise(
        limit in 1..5_u64, window in 5..50 as Nanos, classes in 1..8_u64, patience in 1..100 as Nanos,
        waiting in 1..40_usize, arrives in 0..500 as Nanos,
    ) {
        let mut gate = gate(Some(Duration::from_nanos(patience)), limit, window);
        // So many of the flood always wait: as one leaves, the next one comes.
        for tag in 1..=waiting {
            join(&mut gate, 0, classes as i16, tag);
        }
        let mut left = None;
        for now in 0..20_000 {
            if now == arrives {
                join(&mut gate, now, 0, 0);
            }
            let gone = advance(&mut gate, now);
            if gone.contains(&0) {
                left = Some(now - arrives);
                break;
            }
            gone.iter().for_each(|&tag| join(&mut gate, now, classes as i16, tag));
        }
        let flood = (waiting as u64 / limit + 1) * window;
        let bound = classes * patience + flood + window;
        prop_assert!(left.is_some_and(|left| left <= bound), "{:?} of {}", left, bound);
    }
}
