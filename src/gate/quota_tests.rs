//! Quotas beside rolling limits, in cases that random worlds seldom meet.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Nanos;
use crate::limit::{Period, RateLimit, Resets, Zone};

use super::enter::Gate;
use super::queue::{Rank, Waiter};
use super::route::Route;
use super::table::{Hold, Options};

fn quota(id: &str, limit: u64, period: Nanos) -> RateLimit {
    let zone = Zone::named("UTC").expect("UTC");
    RateLimit::quota(id, limit, Resets { period: Period::Span(period), zone })
}

fn rolling(id: &str, limit: u64, interval: Nanos) -> RateLimit {
    RateLimit::new(id, limit, Duration::from_nanos(interval))
}

fn gate(table: &[RateLimit], hold: Hold) -> Gate<&'static str> {
    Gate::new(table, Options { hold, ..Options::default() }).expect("a fine table")
}

fn route(gate: &Gate<&'static str>, id: &str) -> Arc<Route> {
    gate.lookup(id).expect("a known id").clone()
}

/// Who passes at `now`, with the clock on the wall showing the same.
fn pass(gate: &mut Gate<&'static str>, now: Nanos) -> Vec<&'static str> {
    let mut decided = Vec::new();
    gate.observe(now, now as i64);
    gate.advance(now, &mut decided);
    decided.into_iter().map(|one| one.waiter.tag).collect()
}

fn join(gate: &mut Gate<&'static str>, now: Nanos, id: &str, tag: &'static str) {
    let route = route(gate, id);
    gate.join(&route, Rank::ORDINARY, Waiter { units: 1, since: now, deadline: None, tag });
}

fn take(gate: &mut Gate<&'static str>, now: Nanos, id: &str) {
    join(gate, now, id, "taken");
    assert_eq!(pass(gate, now), ["taken"]);
}

#[test]
fn a_younger_request_goes_when_a_boundary_passes_that_an_older_one_could_not_use() {
    let both = rolling("both", 9, 9).weight(0).link("quota", 1).link("pool", 1);
    let mut gate = gate(&[quota("quota", 1, 10), rolling("pool", 2, 12), both], Hold::Response);
    take(&mut gate, 0, "quota");
    take(&mut gate, 0, "pool");
    let pool = route(&gate, "pool");
    gate.leave(0, &pool, 1);
    // It could go at 10, if the request in flight were answered before that: it needs the pool's last unit then.
    join(&mut gate, 1, "both", "older");
    assert!(pass(&mut gate, 1).is_empty());
    join(&mut gate, 2, "pool", "younger");
    assert!(pass(&mut gate, 2).is_empty());
    // Nobody has answered. It cannot go before 20 now, and by then the pool has room for both.
    assert_eq!(gate.wake_at(), Some(10));
    assert_eq!(pass(&mut gate, 10), ["younger"]);
}

#[test]
fn a_younger_request_goes_before_a_boundary_that_gives_an_older_one_its_units() {
    let mut gate = gate(&[quota("quota", 3, 10)], Hold::Response);
    let quota = route(&gate, "quota");
    gate.observe(0, 0);
    assert!(gate.try_acquire(0, &quota, 2));
    gate.set_table(0, &[self::quota("quota", 3, 10), rolling("other", 9, 9).link("quota", 1)]).expect("fine");
    let quota = route(&gate, "quota");
    gate.join(&quota, Rank::ORDINARY, Waiter { units: 2, since: 1, deadline: None, tag: "older" });
    assert!(pass(&mut gate, 1).is_empty());
    // At 10 nothing of today's window is left: both fit, even if this one is in flight until then.
    join(&mut gate, 2, "other", "younger");
    assert_eq!(pass(&mut gate, 2), ["younger"]);
    assert_eq!(pass(&mut gate, 10), ["older"]);
}

#[test]
fn requests_wait_for_the_boundary_and_for_room_in_the_rolling_limit() {
    let both = rolling("both", 9, 9).weight(0).link("quota", 1).link("pool", 1);
    let mut gate = gate(&[quota("quota", 2, 10), rolling("pool", 1, 4), both], Hold::Start);
    let (mut now, mut starts) = (3, Vec::new());
    let route = route(&gate, "both");
    for tag in ["a", "b", "c", "d", "e"] {
        join(&mut gate, 3, "both", tag);
    }
    while starts.len() < 5 {
        for tag in pass(&mut gate, now) {
            let _ = gate.begin(now, &route, 1);
            starts.push((now, tag));
        }
        now = gate.wake_at().map_or(now, |at| at.max(now));
    }
    assert_eq!(starts, [(3, "a"), (7, "b"), (11, "c"), (15, "d"), (20, "e")]);
}

#[test]
fn wait_time_of_a_quota_counts_boundaries() {
    let mut gate = gate(&[quota("quota", 2, 10)], Hold::Start);
    let route = route(&gate, "quota");
    assert!(pass(&mut gate, 3).is_empty());
    assert_eq!(gate.wait_time(3, &route, 2, Rank::ORDINARY), 0);
    assert!(gate.try_acquire(3, &route, 2));
    assert_eq!(gate.wait_time(3, &route, 1, Rank::ORDINARY), 7);
    for tag in ["a", "b", "c"] {
        join(&mut gate, 3, "quota", tag);
    }
    assert!(pass(&mut gate, 3).is_empty());
    assert_eq!(gate.wait_time(3, &route, 1, Rank::ORDINARY), 17);
}

#[test]
fn usage_of_a_quota_tells_when_it_resets() {
    let mut gate = gate(&[quota("quota", 2, 10)], Hold::Response);
    let route = route(&gate, "quota");
    gate.observe(3, 3);
    assert_eq!(gate.usage(3, &route).resets_in, Duration::ZERO);
    take(&mut gate, 3, "quota");
    let usage = gate.usage(3, &route);
    assert_eq!((usage.used, usage.in_flight, usage.resets_in), (1, 1, Duration::from_nanos(7)));
    gate.observe(12, 12);
    assert_eq!(gate.usage(12, &route).used, 1);
    gate.leave(12, &route, 1);
    gate.observe(20, 20);
    assert_eq!(gate.usage(20, &route).used, 0);
}

#[test]
fn a_new_table_keeps_what_is_used_of_a_quota() {
    let mut gate = gate(&[quota("quota", 2, 10)], Hold::Start);
    gate.observe(3, 3);
    let old = route(&gate, "quota");
    assert!(gate.try_acquire(3, &old, 2));
    for table in [[quota("quota", 3, 10)], [quota("quota", 3, 5)], [rolling("quota", 3, 8)]] {
        gate.set_table(3, &table).expect("a fine table");
        gate.observe(3, 3);
        let new = route(&gate, "quota");
        assert_eq!(gate.usage(3, &new).used, 2);
    }
}
