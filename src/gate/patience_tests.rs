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
fn one_that_has_risen_to_the_highest_class_goes_before_all_that_came_later() {
    let mut gate = gate(Some(Duration::from_nanos(10)), 1, 100);
    join(&mut gate, 0, 0, 0);
    assert_eq!(advance(&mut gate, 0), [0]);
    // Of class 2 from 25 on, at once, from 34 on, and at once.
    for (now, priority, tag) in [(5, 0, 1), (14, 2, 2), (24, 1, 3), (30, 2, 4)] {
        join(&mut gate, now, priority, tag);
        assert!(advance(&mut gate, now).is_empty());
    }
    let left: Vec<usize> = (1..5).flat_map(|window| advance(&mut gate, window * 100)).collect();
    assert_eq!(left, [1, 2, 3, 4]);
}

#[test]
fn below_the_highest_class_the_one_that_reaches_it_first_is_first() {
    let mut gate = gate(Some(Duration::from_nanos(10)), 1, 7);
    join(&mut gate, 0, 9, 0);
    assert_eq!(advance(&mut gate, 0), [0]);
    // Of class 9 from 91, 92, 90, 81 and 4 on.
    for (now, priority, tag) in [(1, 0, 1), (2, 0, 2), (3, 0, 3), (3, 1, 4), (4, 9, 5)] {
        join(&mut gate, now, priority, tag);
        assert!(advance(&mut gate, now).is_empty());
    }
    let left: Vec<usize> = (1..6).flat_map(|window| advance(&mut gate, window * 7)).collect();
    assert_eq!(left, [5, 4, 1, 2, 3]);
}

#[test]
fn a_request_of_a_class_above_the_highest_is_a_longer_way_up_until_nobody_waits() {
    let mut gate = gate(Some(Duration::from_nanos(10)), 1, 100);
    let waiting = |gate: &mut Gate<usize>, since: Nanos, tag: usize| {
        join(gate, since, 0, tag);
        join(gate, since + 1, 1, tag + 1);
        assert!(advance(gate, since + 11).is_empty());
        let order: Vec<usize> = gate.queues.places(0).map(|(_, waiter)| waiter.tag).collect();
        order
    };
    join(&mut gate, 0, 0, 0);
    assert_eq!(advance(&mut gate, 0), [0]);
    // It is as high from 10 on, and came first.
    assert_eq!(waiting(&mut gate, 0, 1), [1, 2]);
    // A class 3 has the first two rise on: to 3 from 30 and from 21 on.
    join(&mut gate, 20, 3, 3);
    assert!(advance(&mut gate, 20).is_empty());
    assert_eq!(
        (gate.wake_at(), gate.queues.head(0).map(|place| place.order.rank())),
        (Some(21), Rank::of(3).ok())
    );
    let left: Vec<usize> = (1..4).flat_map(|window| advance(&mut gate, window * 100)).collect();
    assert_eq!(left, [1, 2, 3]);
    // Nobody waits. Then the highest class is 1 again.
    assert_eq!(waiting(&mut gate, 350, 4), [4, 5]);
}

#[test]
fn a_question_about_a_higher_class_changes_nothing() {
    let mut gate = gate(Some(Duration::from_nanos(10)), 1, 100);
    let pool = gate.lookup("pool").expect("known").clone();
    join(&mut gate, 0, 0, 0);
    assert_eq!(advance(&mut gate, 0), [0]);
    let places: Vec<_> = (1..4)
        .map(|now| {
            join(&mut gate, now, (now % 2) as i16, now as usize);
            assert!(advance(&mut gate, 13).is_empty());
        })
        .collect();
    let order =
        |gate: &Gate<usize>| -> Vec<usize> { gate.queues.places(0).map(|(_, waiter)| waiter.tag).collect() };
    let before = (places, order(&gate), gate.wake_at());
    let [one, nine] = [1, 9].map(|priority| Rank::of(priority).expect("in range"));
    assert_eq!((gate.wait_time(13, &pool, 1, one), gate.wait_time(13, &pool, 1, nine)), (387, 87));
    assert_eq!((before.1, before.2), (order(&gate), gate.wake_at()));
}

#[test]
fn a_newcomer_is_told_to_wait_for_those_that_have_risen_above_it() {
    let mut gate = gate(Some(Duration::from_nanos(10)), 1, 100);
    let pool = gate.lookup("pool").expect("known").clone();
    join(&mut gate, 0, 0, 0);
    assert_eq!(advance(&mut gate, 0), [0]);
    join(&mut gate, 5, 0, 1);
    join(&mut gate, 5, 2, 2);
    assert!(advance(&mut gate, 5).is_empty());
    let [one, two, nine] = [1, 2, 9].map(|priority| Rank::of(priority).expect("in range"));
    // Of class 1 from 15 on, and of class 2 from 25 on.
    assert_eq!((gate.wait_time(14, &pool, 1, one), gate.wait_time(15, &pool, 1, one)), (186, 285));
    assert!(advance(&mut gate, 24).is_empty());
    assert_eq!(gate.wait_time(24, &pool, 1, two), 176);
    assert!(gate.waits_before(24, &pool, two));
    // Somebody stands at another place, or will do with the newcomer: the gate must be asked anew.
    assert!(!gate.waits_before(25, &pool, two) && !gate.waits_before(24, &pool, nine));
    assert!(advance(&mut gate, 25).is_empty());
    assert_eq!(gate.wait_time(25, &pool, 1, two), 275);
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

/// Who waits knows its name alone: by that it is found, moved by a new table, given up and put back.
#[test]
fn one_that_has_risen_keeps_its_name() {
    let plain = RateLimit::new("pool", 10, Duration::from_nanos(100));
    let options =
        Options { hold: Hold::Start, patience: Some(Duration::from_nanos(10)), ..Options::default() };
    let mut gate: Gate<usize> = Gate::new(std::slice::from_ref(&plain), options).expect("a fine table");
    let pool = gate.lookup("pool").expect("known").clone();
    assert!(gate.try_acquire(0, &pool, 10));
    let waiter = |since, tag| Waiter { units: 6, since, deadline: Some(90), tag };
    let low = gate.join(&pool, Rank::ORDINARY, waiter(1, 0));
    let two = Rank::of(2).expect("in range");
    let high = gate.join(&pool, two, waiter(2, 1));
    assert!(advance(&mut gate, 21).is_empty());
    assert_eq!(
        (gate.queues.head(0), gate.queues.stands_at(low).order),
        (Some(gate.queues.stands_at(low)), low.order.risen())
    );
    let mut names: Vec<_> = gate.waiters().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, if low < high { [low, high] } else { [high, low] });
    // It waits for what is left to lower classes, and stands where it stood.
    assert!(gate.set_table(22, &[plain.reserve(1, 1)]).expect("fine").is_empty());
    let moved = gate.take_moved();
    assert!(moved.len() == 1 && moved[0].0 == low && moved[0].1.order == low.order, "{moved:?}");
    let low = moved[0].1;
    assert_eq!(gate.queues.heads().next(), Some(gate.queues.stands_at(low)));
    let waiter = gate.remove(low).expect("it waits");
    assert_eq!(gate.queues.first_deadline(), Some((90, high)));
    // A higher class comes meanwhile: it goes back to where it has risen to by now.
    join(&mut gate, 23, 3, 2);
    let below = gate.lookup("pool").expect("known").of_rank(Rank::ORDINARY).clone();
    let low = gate.rejoin(low.order, &below, waiter);
    assert!(advance(&mut gate, 24).is_empty());
    assert_eq!((gate.queues.stands_at(low), gate.wake_at()), (low, Some(31)));
    assert!(gate.remove(low).is_some() && gate.remove(high).is_some());
    assert_eq!(gate.queues.first_deadline(), None);
}

proptest! {
    /// Nobody starves: while requests of the highest class keep coming, one of a lower class waits for as long as it takes to
    /// rise, or for those that had come before it where that takes longer; and no longer than a window after that.
    #[test]
    fn a_flood_of_the_highest_class_delays_nobody_for_longer_than_the_rise_and_a_window(
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
        let in_order_of_arrival = waiting as u64 / limit * window;
        let bound = in_order_of_arrival.max(classes * patience) + window;
        prop_assert!(left.is_some_and(|left| left <= bound), "{:?} of {}", left, bound);
    }
}
