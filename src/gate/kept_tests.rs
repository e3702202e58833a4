//! What is kept for a class is there at once, whoever waits before it.

use std::time::Duration;

use proptest::prelude::*;

use crate::clock::Nanos;
use crate::limit::{Kind, Period, RateLimit, Resets, Zone};

use super::enter::Gate;
use super::model::{Change, Request, Run, What, World};
use super::model_tests::first_goes_as_alone;
use super::queue::{Rank, Waiter};
use super::table::{Hold, Options};

/// The rows of the tables: the pool, a second one, and ids.
const IDS: usize = 6;

fn kinds() -> impl Strategy<Value = Kind> {
    let quota = Resets { period: Period::Span(12), zone: Zone::named("UTC").expect("UTC") };
    let others = [Kind::Rolling, Kind::Bucket, Kind::Fixed, Kind::First, Kind::Concurrent];
    prop_oneof![prop::sample::select(others.to_vec()), Just(Kind::Quota(quota))]
}

/// Worlds in which many requests of priorities up to 1 want a pool that has a reserve for priority 2, and a few come of that
/// priority. `within`: which want no more than the reserve in all.
fn kept_worlds(within: bool) -> impl Strategy<Value = World> {
    let pool = (kinds(), 6..14_u64, 1..4_u64, 0..3_u64);
    let request = (0..60 as Nanos, 0..IDS, 1..4_u64, 0..20 as Nanos, 0..6_usize, prop::bool::weighted(0.1));
    let lower = prop::collection::vec(request, 1..40);
    let higher =
        prop::collection::vec((0..60 as Nanos, 1..3_u64, 0..20 as Nanos), 1..if within { 4 } else { 30 });
    let firsts = prop::collection::vec((0..60 as Nanos, 0..40_usize), 0..4);
    let patience = prop::option::weighted(0.8, 1..6 as Nanos);
    let plans_for = prop::option::of((0..3_usize, 0..2_usize));
    let rest = (0..50 as Nanos, 0..7 as Nanos, 0..100_i64, firsts);
    let all = (pool, lower, higher, patience, plans_for, rest);
    all.prop_map(move |((kind, limit, kept, low_kept), lower, higher, patience, plans_for, rest)| {
        let (least, width, wall, firsts) = rest;
        let row = |id: usize, limit| RateLimit::new(id.to_string(), limit, Duration::from_nanos(12));
        let pool = row(0, limit).kind(kind).reserve(2, kept);
        let pool = if low_kept > 0 { pool.reserve(1, low_kept) } else { pool };
        let ids = (2..2 + IDS).map(|id| {
            let own = row(id, 1_000).weight(0).link("0", 1);
            if id % 3 == 0 { own.link("1", 1) } else { own.priority(2) }
        });
        let table: Vec<RateLimit> = [pool, row(1, 4).weight(0)].into_iter().chain(ids).collect();
        // Its own id, with no other limit.
        let cancel = 2;
        let most = limit - kept - low_kept;
        let of = |arrives, route, units, lasts, priority, abandons| Request {
            arrives,
            route,
            units,
            lasts,
            gives_up: None,
            abandons,
            rank: Rank::of(priority).expect("in range"),
        };
        let mut requests: Vec<Request> = lower
            .into_iter()
            .map(|(arrives, id, units, lasts, class, abandons)| {
                let priority = [-1, 0, 0, 0, 1, 1][class];
                of(arrives, 2 + id, units.min(most).min(4), lasts, priority, abandons)
            })
            .collect();
        let mut left = kept;
        for (arrives, units, lasts) in higher {
            if units <= left || !within {
                left = left.saturating_sub(units);
                requests.push(of(arrives, cancel, units, lasts, 2, false));
            }
        }
        requests.sort_by_key(|request| request.arrives);
        let of_first = |(at, nth)| Change { at, limit: 0, what: What::GoFirst(nth) };
        let mut changes: Vec<Change> = firsts.into_iter().map(of_first).collect();
        changes.sort_by_key(|change| change.at);
        let server = (least, width, 0);
        World { table, wall, server, requests, plans_for, patience, changes }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1_500), ..ProptestConfig::default() })]

    /// While no more is used of a reserve than there is, nobody waits that it is for: whatever others wait for, however far
    /// they have risen, and however long requests last.
    #[test]
    fn a_request_goes_at_once_while_its_reserve_has_room(world in kept_worlds(true)) {
        for hold in [Hold::Start, Hold::Response] {
            let mut world = world.clone();
            // One that goes before all is of its class all the same.
            let high = Rank::of(2).expect("in range");
            world.changes.retain(|change| {
                !matches!(change.what, What::GoFirst(at) if world.requests.get(at).is_none_or(|one| one.rank == high))
            });
            let run = Run::new(&world, hold).go(false, None);
            for (request, start) in world.requests.iter().zip(&run.started).filter(|(one, _)| one.rank == high) {
                prop_assert_eq!(*start, Some(request.arrives), "{:?} with {:?}", request, hold);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1_500), ..ProptestConfig::default() })]

    /// I3: and nobody is delayed by those.
    #[test]
    fn the_first_goes_as_if_none_had_used_the_reserve_after_it(
        world in kept_worlds(false), pick in any::<prop::sample::Index>(),
    ) {
        let world = World { changes: Vec::new(), ..world };
        first_goes_as_alone(&world, pick)?;
    }

    /// I6: whoever has risen, and whatever is kept, the gate names the instant at which the next one can go, once.
    #[test]
    fn polling_at_wake_ups_is_as_early_with_a_patience_and_a_reserve(world in kept_worlds(false)) {
        for hold in [Hold::Start, Hold::Response] {
            let woken = Run::new(&world, hold).go(false, None);
            prop_assert!(woken.woken.is_sorted_by(|a, b| a < b), "{:?}", woken.woken);
            prop_assert_eq!(&woken.started, &Run::new(&world, hold).go(true, None).started);
        }
    }
}

/// The example of the guide: a pool full of requests that wait, and have risen.
#[test]
fn a_cancel_goes_at_once_before_requests_that_have_risen_above_it() {
    for (hold, plans_for) in
        [Hold::Start, Hold::Response].into_iter().flat_map(|hold| [(hold, (64, 32)), (hold, (3, 1))])
    {
        let second = Duration::from_secs(1);
        let ids = (0..25).map(|id| RateLimit::route(id.to_string()).link("pool", 5));
        let pool = RateLimit::new("pool", 100, 5 * second).reserve(1, 10);
        let cancel = RateLimit::route("cancel").link("pool", 1).priority(1);
        let table: Vec<RateLimit> = [pool, cancel].into_iter().chain(ids).collect();
        let options = Options { hold, patience: Some(second), ..Options::default() };
        let mut gate: Gate<u64> = Gate::new(&table, options).expect("a fine table");
        gate.walk.plans_for = plans_for;
        let join = |gate: &mut Gate<u64>, id: &str, now: Nanos, units, tag| {
            let route = gate.lookup(id).expect("known").clone();
            let route = route.of_rank(route.rank);
            gate.join(route, route.rank, Waiter { units, since: now, deadline: None, tag });
            let mut decided = Vec::new();
            gate.advance(now, &mut decided);
            for one in &decided {
                let route = one.outcome.as_ref().expect("it goes");
                gate.begin(now, route, one.waiter.units);
                gate.leave(now, route, one.waiter.units);
            }
            decided.into_iter().map(|one| one.waiter.tag).collect::<Vec<_>>()
        };
        let left: usize = (0..43).map(|nth| join(&mut gate, &(nth % 25).to_string(), 0, 1, nth).len()).sum();
        assert_eq!(left, 18);
        let now = 1_500_000_000;
        let pool = gate.lookup("pool").expect("known").clone();
        let cancel = gate.lookup("cancel").expect("known").clone();
        assert_eq!(gate.usage(now, &pool).reserved, 10);
        assert_eq!(gate.wait_time(now, &cancel, 10, cancel.rank), 0);
        assert!(gate.wait_time(now, &cancel, 11, cancel.rank) > 0);
        assert_eq!(join(&mut gate, "cancel", now, 7, 100), [100]);
        assert_eq!(join(&mut gate, "cancel", now, 3, 101), [101]);
        // What is kept is used, and what comes free is theirs who have risen.
        assert_eq!(join(&mut gate, "cancel", now, 1, 102), [0; 0]);
    }
}

/// Of a bucket, what is in flight does not drain: then the companion may be empty before it.
#[test]
fn what_is_in_flight_of_a_bucket_counts_as_used_of_the_reserve_until_it_has_drained() {
    let unit = Duration::from_nanos(12);
    let pool = RateLimit::new("pool", 12, unit).kind(Kind::Bucket).reserve(1, 4);
    let options = Options { patience: Some(Duration::from_nanos(1)), ..Options::default() };
    let mut gate: Gate<u64> = Gate::new(&[pool], options).expect("a fine table");
    let of = |gate: &Gate<u64>, priority| {
        let rank = Rank::of(priority).expect("in range");
        (gate.lookup("pool").expect("known").of_rank(rank).clone(), rank)
    };
    let join = |gate: &mut Gate<u64>, now, priority, units| {
        let (route, rank) = of(gate, priority);
        gate.join(&route, rank, Waiter { units, since: now, deadline: None, tag: 0 });
        let mut decided = Vec::new();
        gate.advance(now, &mut decided);
        decided.len()
    };
    // The lower class drains at 2 in 3 ns, all at 1 a nanosecond.
    assert_eq!(join(&mut gate, 0, 0, 8), 1);
    let (low, _) = of(&gate, 0);
    gate.leave(0, &low, 8);
    assert_eq!(join(&mut gate, 6, 1, 4), 1);
    assert_eq!(join(&mut gate, 6, 0, 8), 0);
    // That one has risen. The levels are 4 of 12, and less than 3 of 8. But the four are in flight, and of no lower class.
    gate.advance(8, &mut Vec::new());
    let (high, rank) = of(&gate, 1);
    assert!(gate.wait_time(8, &high, 2, rank) > 0);
}
