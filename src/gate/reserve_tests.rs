//! Reserves against the schedule made by brute force, in which those below a priority have a second limit that the test
//! writes down.

use std::time::Duration;

use proptest::prelude::*;

use crate::limit::{Kind, Link, RateLimit};

use super::brute_force::brute_force;
use super::enter::Gate;
use super::model::{Change, Run, What, World};
use super::model_tests::first_goes_as_alone;
use super::queue::{Rank, Waiter};
use super::ranked_worlds::changing_worlds;
use super::table::{Hold, Options};

/// The priorities that the requests of the worlds have: 0, -1 and -2.
fn priority(rank: Rank) -> i16 {
    (i32::from(Rank::ORDINARY.0) - i32::from(rank.0)) as i16
}

/// What those below a priority may use of a limit.
fn left_below(limit: &RateLimit, priority: i16) -> u64 {
    limit.limit - limit.reserve.range(priority..).map(|(_, units)| units).sum::<u64>()
}

/// Worlds with reserves, in which each request fits into what its class may use.
fn reserved_worlds() -> impl Strategy<Value = World> {
    let reserves = prop::collection::vec((0..4_u64, 0..3_u64), 4);
    (changing_worlds(25), reserves).prop_map(|(mut world, reserves)| {
        // A second limit does not know whose units these are, nor that a pause of an id that takes nothing is its, too.
        let is_known = |change: &Change| !matches!(change.what, What::Correct(_) | What::PauseAll(_));
        world.changes.retain(is_known);
        for (limit, (high, low)) in world.table.iter_mut().zip(reserves) {
            for (priority, units) in [(0, high), (-1, low)] {
                if units > 0 && units < left_below(limit, -1) {
                    limit.reserve.insert(priority, units);
                }
            }
        }
        let World { table, requests, .. } = &mut world;
        for request in requests {
            let fits = |rank: Rank| {
                (0..table.len()).all(|at| {
                    let row = &table[request.route];
                    let links = row.links.iter().filter(|link| link.id == at.to_string());
                    let own = if at == request.route { row.weight } else { 0 };
                    let weight = own + links.map(|link| link.weight).sum::<u64>();
                    weight * request.units <= left_below(&table[at], priority(rank) + 1)
                })
            };
            if !fits(request.rank) {
                request.rank = Rank::ORDINARY;
            }
            if !fits(request.rank) {
                request.rank = Rank::of(1).expect("in range");
            }
        }
        world
    })
}

/// The same world without reserves: what those below a priority may use is a limit of its own, and they have routes that take
/// from it.
fn with_second_limits(world: &World) -> World {
    let mut second = world.clone();
    second.table.iter_mut().for_each(|limit| limit.reserve.clear());
    let mut companions = Vec::new();
    for (at, limit) in world.table.iter().enumerate() {
        for &priority in limit.reserve.keys() {
            companions.push((at, priority, second.table.len()));
            let kind = if limit.kind == Kind::First { Kind::Rolling } else { limit.kind };
            let id = second.table.len().to_string();
            let left = left_below(limit, priority);
            second.table.push(RateLimit::new(id, left, limit.interval).kind(kind).weight(0));
        }
    }
    let mut routes = std::collections::BTreeMap::new();
    for request in &mut second.requests {
        let (route, own) = (request.route, priority(request.rank));
        let row = world.table[route].clone();
        let mut links: Vec<Link> = row.links.clone();
        if row.weight > 0 {
            links.push(Link { id: row.id.clone(), weight: row.weight });
        }
        let above = companions.iter().filter(|&&(_, kept_for, _)| kept_for > own);
        let extra: Vec<Link> = above
            .filter_map(|&(at, _, companion)| {
                let link = links.iter().find(|link| link.id == at.to_string())?;
                Some(Link { id: companion.to_string(), weight: link.weight })
            })
            .filter(|link| link.weight > 0)
            .collect();
        // Those of an id that leave different reserves alone wait in queues of their own.
        let concerned = |&&(at, kept_for, _): &&(usize, i16, usize)| {
            kept_for > own
                && (at == route || links.iter().any(|link| link.weight > 0 && link.id == at.to_string()))
        };
        let Some(from) = companions.iter().filter(concerned).map(|&(_, kept_for, _)| kept_for).min() else {
            continue;
        };
        links.extend(extra.iter().cloned());
        let key = (route, from);
        request.route = *routes.entry(key).or_insert_with(|| {
            let id = second.table.len().to_string();
            second
                .table
                .push(RateLimit { links, ..RateLimit::new(id, 1000, Duration::from_nanos(1)).weight(0) });
            second.table.len() - 1
        });
    }
    // What others use of a limit they use of its companions, of which nobody may take it in between.
    second.changes = (world.changes.iter())
        .flat_map(|&change| {
            let own = companions.iter().filter(|&&(at, ..)| at == change.limit);
            let beside = own.filter_map(|&(at, priority, companion)| match change.what {
                What::Tell(units) => {
                    // As much smaller as the limit is what is kept of it.
                    let (all, left) = (world.table[at].limit, left_below(&world.table[at], priority));
                    let what = What::TellBeside(units - (all - left) * units.min(all) / all, at);
                    Some(Change { limit: companion, what, ..change })
                }
                What::Foreign(units, later) => {
                    Some(Change { limit: companion, what: What::ForeignBeside(units, later, at), ..change })
                }
                _ => None,
            });
            beside.chain([change]).collect::<Vec<_>>()
        })
        .collect();
    second
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2_000), ..ProptestConfig::default() })]

    /// I3 and I4 with reserves: lower classes leave them whole, and nothing else is left idle.
    #[test]
    fn starts_equal_the_schedule_with_a_second_limit_for_lower_classes(
        world in reserved_worlds(), deadlines in any::<bool>(),
    ) {
        let mut world = World { plans_for: None, ..world };
        world.requests.iter_mut().for_each(|request| request.abandons &= !deadlines);
        let mut run = Run::new(&world, Hold::Start);
        run.deadlines = deadlines;
        let run = run.go(false, None);
        prop_assert_eq!(&run.started, &brute_force(&with_second_limits(&world), deadlines));
    }

    /// I6 with reserves: each wake-up is a known instant of a limit or of what a reserve leaves of it, and there are no more.
    #[test]
    fn polling_at_wake_ups_is_as_early_with_reserves(world in reserved_worlds()) {
        let second = with_second_limits(&world);
        for hold in [Hold::Start, Hold::Response] {
            let mut woken = Run::new(&world, hold).go(false, None);
            let polled = Run::new(&world, hold).go(true, None);
            prop_assert_eq!(&woken.started, &polled.started);
            woken.world = &second;
            let known = woken.known_instants();
            prop_assert!(woken.woken.is_sorted_by(|a, b| a < b), "{:?}", woken.woken);
            prop_assert!(woken.woken.iter().all(|at| known.contains(at)), "{:?} of {:?}", woken.woken, known);
        }
    }

    /// I3 with reserves, also where nobody knows how long requests take.
    #[test]
    fn the_first_goes_as_if_nothing_came_after_it_with_reserves(
        world in reserved_worlds(), pick in any::<prop::sample::Index>(),
    ) {
        let mut world = world;
        // What others use, nobody has foreseen.
        world.changes.clear();
        // So that the highest class stays the same.
        world.table[0].priority = 2;
        first_goes_as_alone(&world, pick)?;
    }
}

const TEN: Duration = Duration::from_nanos(10);

fn gate(table: &[RateLimit], options: Options) -> Gate<&'static str> {
    Gate::new(table, options).expect("a fine table")
}

fn take(gate: &mut Gate<&'static str>, now: u64, id: &str, priority: i16, units: u64) -> bool {
    let route = gate.lookup(id).expect("known").of_rank(Rank::of(priority).expect("in range")).clone();
    gate.try_acquire(now, &route, units)
}

fn pool() -> RateLimit {
    RateLimit::new("pool", 10, TEN).reserve(1, 3).reserve(5, 2)
}

#[test]
fn reserves_add_up_and_each_class_leaves_those_above_it() {
    let mut gate = gate(&[pool(), RateLimit::route("a").link("pool", 1)], Options::default());
    let reserved = |gate: &mut Gate<_>| gate.usage(0, &gate.lookup("pool").expect("known").clone()).reserved;
    assert_eq!(reserved(&mut gate), 5);
    assert!(take(&mut gate, 0, "a", 0, 5) && !take(&mut gate, 0, "a", 0, 1));
    assert!(take(&mut gate, 0, "a", 1, 2) && !take(&mut gate, 0, "pool", 0, 1));
    assert!(take(&mut gate, 0, "a", 4, 1) && !take(&mut gate, 0, "a", 4, 1));
    assert_eq!(reserved(&mut gate), 2);
    assert!(take(&mut gate, 0, "a", 5, 2) && !take(&mut gate, 0, "a", 1000, 1));
    assert_eq!(reserved(&mut gate), 0);
}

#[test]
fn what_higher_classes_have_used_of_a_reserve_is_not_kept_any_more() {
    let mut gate = gate(&[pool()], Options::default());
    assert!(take(&mut gate, 0, "pool", 9, 5));
    assert!(take(&mut gate, 0, "pool", 0, 5) && !take(&mut gate, 0, "pool", 9, 1));
}

#[test]
fn a_share_of_a_limit_has_a_share_of_its_reserve() {
    let options = Options { limits_share_percentage: 50.0, ..Options::default() };
    let mut gate = gate(&[RateLimit::new("pool", 100, TEN).reserve(1, 20)], options);
    assert!(take(&mut gate, 0, "pool", 0, 40) && !take(&mut gate, 0, "pool", 0, 1));
    assert!(take(&mut gate, 0, "pool", 1, 10));
}

#[test]
fn units_of_others_and_a_smaller_limit_leave_the_reserve() {
    let table = [RateLimit::new("pool", 100, TEN).reserve(1, 20)];
    let mut gate = gate(&table, Options::default());
    let route = gate.lookup("pool").expect("known").clone();
    let seen = super::Observation { used: Some(30), ..Default::default() };
    gate.observe_answer(0, &route, &seen).expect("fine");
    assert!(!take(&mut gate, 0, "pool", 0, 51) && take(&mut gate, 0, "pool", 0, 50));
    assert!(take(&mut gate, 0, "pool", 1, 20));
    let seen = super::Observation { limit: Some(60), ..Default::default() };
    gate.observe_answer(50, &route, &seen).expect("fine");
    // As much smaller as the limit is the reserve: 12 of 60.
    assert!(!take(&mut gate, 50, "pool", 0, 49) && take(&mut gate, 50, "pool", 0, 48));
    assert!(take(&mut gate, 50, "pool", 1, 12) && !take(&mut gate, 50, "pool", 1, 1));
}

#[test]
fn a_new_table_has_those_wait_as_it_says_who_wait_already() {
    let mut gate = gate(&[RateLimit::new("pool", 10, TEN)], Options::default());
    let route = gate.lookup("pool").expect("known").clone();
    assert!(gate.try_acquire(0, &route, 10));
    for (priority, tag) in [(0, "low"), (2, "high")] {
        let rank = Rank::of(priority).expect("in range");
        gate.join(route.of_rank(rank), rank, Waiter { units: 6, since: 0, deadline: None, tag });
    }
    let advance = |gate: &mut Gate<&'static str>, now| {
        let mut decided = Vec::new();
        gate.advance(now, &mut decided);
        decided.into_iter().map(|one| (one.waiter.tag, one.outcome.is_ok())).collect::<Vec<_>>()
    };
    assert!(advance(&mut gate, 1).is_empty());
    assert!(gate.set_table(2, &[RateLimit::new("pool", 10, TEN).reserve(1, 4)]).expect("fine").is_empty());
    assert_eq!(gate.take_moved().len(), 1);
    assert_eq!(gate.usage(2, &gate.lookup("pool").expect("known").clone()).waiting, 2);
    assert_eq!(advance(&mut gate, 10), [("high", true)]);
    assert!(gate.set_table(11, &[RateLimit::new("pool", 12, TEN)]).expect("fine").is_empty());
    assert_eq!(gate.take_moved().len(), 1);
    assert_eq!(advance(&mut gate, 11), [("low", true)]);
    let low = gate.join(&route, Rank::ORDINARY, Waiter { units: 6, since: 0, deadline: None, tag: "low" });
    assert!(advance(&mut gate, 12).is_empty() && gate.waiter(low).is_some_and(|waiter| waiter.units == 6));
    // Six of ten units do not fit beside a reserve of five.
    let refused = gate.set_table(12, &[RateLimit::new("pool", 10, TEN).reserve(1, 5)]).expect("fine");
    let error = refused[0].outcome.as_ref().expect_err("it never passes").to_string();
    let words =
        "\"pool\" takes 6 units of \"pool\", but only 5 fit in a window beside its reserve for priority 1";
    assert!(error.contains(words), "{error}");
}

/// A process need not have what its lower classes cannot use: that is there for the cancels of others.
#[test]
fn lower_classes_ask_for_no_more_of_a_limit_than_their_reserves_leave_them() {
    let table = [pool(), RateLimit::route("a").link("pool", 2)];
    let mut gate = gate(&table, Options::default());
    gate.share(0, 0);
    let index = |gate: &Gate<_>, id: &str| gate.by_id[id];
    let limits = ["pool", "pool below priority 1", "pool below priority 5"].map(|id| index(&gate, id));
    for (limit, units) in limits.iter().zip([10, 5, 8]) {
        gate.allow_of(*limit, units);
    }
    let waiting = |gate: &mut Gate<&'static str>| {
        gate.demand(0, &limits).iter().map(|demand| demand.waiting).collect::<Vec<_>>()
    };
    assert!(take(&mut gate, 0, "pool", 0, 2) && take(&mut gate, 0, "pool", 1, 1));
    let join = |gate: &mut Gate<&'static str>, priority, units| {
        let rank = Rank::of(priority).expect("in range");
        let route = gate.lookup("a").expect("known").of_rank(rank).clone();
        gate.join(&route, rank, Waiter { units, since: 0, deadline: None, tag: "waits" });
    };
    join(&mut gate, 0, 2);
    join(&mut gate, -1, 1);
    // Three more are left to them.
    assert_eq!(waiting(&mut gate), [3, 6, 3]);
    join(&mut gate, 1, 2);
    assert_eq!(waiting(&mut gate), [5, 6, 7]);
    join(&mut gate, 7, 1);
    assert_eq!(waiting(&mut gate), [7, 6, 7]);
}

#[test]
fn a_reserve_that_cannot_be_is_refused() {
    let refusal =
        |limit: RateLimit| Gate::<()>::new(&[limit], Options::default()).expect_err("bad").to_string();
    let limit = |priority, units| RateLimit::new("pool", 10, TEN).reserve(priority, units);
    assert!(
        refusal(limit(1, 10)).contains("a reserve of \"pool\" must be 1 unit or more, and all of them less")
    );
    assert!(refusal(limit(1, 5).reserve(2, 5)).contains("less than its limit of 10, not 5"));
    assert!(refusal(limit(1, 0)).contains("not 0"));
    assert!(refusal(limit(-1000, 1)).contains("from -999 to 1000, not -1000"));
    // Its own requests are of priority 0.
    let words = "only 5 fit in a window beside its reserve for priority 1 and higher ones, so it could never pass; \
                 make its weight there 5 or less, or give it priority 1";
    assert!(refusal(limit(1, 5).weight(6)).ends_with(words));
    assert!(Gate::<()>::new(&[limit(1, 5).weight(6).priority(1)], Options::default()).is_ok());
}
