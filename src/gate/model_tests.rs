//! The gate against a schedule made by brute force, with random tables of rolling limits and quotas, requests and
//! cancellations.

use std::time::Duration;

use proptest::prelude::*;

use crate::clock::Nanos;
use crate::limit::{Period, RateLimit, Resets, Zone};

use super::brute_force::{brute_force, over, over_in_flight};
use super::enter::Gate;
use super::model::{END, LATE, NEVER, Request, Run, World, all_worlds, worlds};
use super::queue::{Rank, Waiter};
use super::ranked_worlds::ranked_worlds;
use super::table::{Hold, Options};

/// Rare interleavings need many worlds; `PROPTEST_CASES` asks for more still.
fn thorough() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(1500), ..config }
}

/// I3 for one of the requests of a world that become the first on each of their limits.
pub(super) fn first_goes_as_alone(world: &World, pick: prop::sample::Index) -> Result<(), TestCaseError> {
    for hold in [Hold::Start, Hold::Response] {
        let run = Run::new(world, hold).go(false, None);
        // One of a higher class that comes later goes before it, as it should; and so does one that came earlier, as soon
        // as it has risen to the highest class as well.
        let overtaken = |at: usize, since: Nanos| {
            let is_before = |other: usize, now: Nanos| {
                let order = |at| world.order(at, now, world.highest());
                world.requests[other].arrives <= now && order(other) < order(at)
            };
            (0..world.requests.len()).any(|other| {
                let is_new = world.requests[other].arrives >= since || !is_before(other, since);
                is_new && (since..=run.started[at].unwrap_or(END)).any(|now| is_before(other, now))
            })
        };
        let oldest: Vec<(usize, Nanos)> = (run.oldest_since.iter().enumerate())
            .filter_map(|(at, since)| Some((at, (*since)?)))
            .filter(|&(at, since)| !overtaken(at, since))
            .collect();
        if oldest.is_empty() {
            continue;
        }
        let (at, since) = oldest[pick.index(oldest.len())];
        let alone = Run::new(world, hold).go(false, Some((since, at)));
        prop_assert_eq!(run.started[at], alone.started[at], "request {} since {}, {:?}", at, since, hold);
    }
    Ok(())
}

proptest! {
    #![proptest_config(thorough())]

    /// I2, I3, I4: nobody is delayed by a later request, and each that can go without delaying an older one does.
    #[test]
    fn starts_equal_the_brute_force_schedule(world in worlds(30), deadlines in any::<bool>()) {
        // At one instant, the gate turns away a request that gives up before it hears of a grant that nobody wanted.
        let mut world = World { plans_for: None, ..world };
        world.requests.iter_mut().for_each(|request| request.abandons &= !deadlines);
        let mut run = Run::new(&world, Hold::Start);
        run.deadlines = deadlines;
        let run = run.go(false, None);
        prop_assert_eq!(&run.started, &brute_force(&world, deadlines));
        let starts: Vec<(Nanos, usize)> =
            run.started.iter().enumerate().filter_map(|(at, start)| Some(((*start)?, at))).collect();
        prop_assert!(!over(&world, &starts));
    }

    /// I1: a server that sees each request at any instant between enter and leave never sees more than the limit; one that
    /// counts what has not been answered, neither. With `Hold::Start` that is true of the instants of entering.
    #[test]
    fn no_window_of_the_server_is_over_its_limit(world in all_worlds(40), when in prop::collection::vec(0.0..=1.0_f64, 40)) {
        for hold in [Hold::Response, Hold::Start] {
            let run = Run::new(&world, hold).go(false, None);
            let blocks: Vec<(Nanos, Nanos, usize)> = (run.started.iter().zip(&run.ended).enumerate())
                .filter_map(|(at, (start, end))| Some(((*start)?, (*end)?, at)))
                .collect();
            let arrives = |start: Nanos, end: Nanos, at: usize| match hold {
                Hold::Response => start + ((end - start) as f64 * when[at]).round() as Nanos,
                Hold::Start => start,
            };
            let arrivals: Vec<(Nanos, usize)> =
                blocks.iter().map(|&(start, end, at)| (arrives(start, end, at), at)).collect();
            prop_assert!(!over(&world, &arrivals), "{:?} {:?}", hold, arrivals);
            prop_assert!(!over_in_flight(&world, &blocks), "{:?} {:?}", hold, blocks);
        }
    }

    /// I3, also where nobody knows how long requests take: from the moment in which a request is the first on each of its
    /// limits, in the order of the queue, it goes as early as if nothing came after it: no younger one of its class, and
    /// none of a lower class at all.
    #[test]
    fn the_first_goes_as_if_nothing_came_after_it(world in ranked_worlds(25), pick in any::<prop::sample::Index>()) {
        first_goes_as_alone(&world, pick)?;
    }

    /// I6: the gate names the instant of the next grant itself; looking more often finds nothing earlier.
    #[test]
    fn polling_at_wake_ups_is_as_early_as_polling_all_the_time(world in ranked_worlds(30)) {
        for hold in [Hold::Start, Hold::Response] {
            let woken = Run::new(&world, hold).go(false, None);
            let polled = Run::new(&world, hold).go(true, None);
            prop_assert_eq!(&woken.started, &polled.started);
        }
    }

    /// Requests of one class for the same id pass in the order in which they came.
    #[test]
    fn each_id_keeps_its_order(world in ranked_worlds(30)) {
        for hold in [Hold::Start, Hold::Response] {
            let run = Run::new(&world, hold).go(false, None);
            for (route, rank) in (0..world.table.len()).flat_map(|route| (0..3).map(move |rank| (route, rank))) {
                let starts: Vec<Nanos> = (world.requests.iter().zip(&run.started))
                    .filter(|(request, _)| request.route == route && request.rank.0 == Rank::ORDINARY.0 + rank)
                    .filter_map(|(_, start)| *start)
                    .collect();
                prop_assert!(starts.is_sorted(), "{:?}", starts);
            }
        }
    }

    /// I5: when everything has left and one interval has passed, nothing is used and nobody waits.
    #[test]
    fn nothing_leaks(world in ranked_worlds(30)) {
        for hold in [Hold::Start, Hold::Response] {
            let mut run = Run::new(&world, hold).go(false, None);
            run.look(END + 100);
            for route in run.routes.clone() {
                let usage = run.gate.usage(END + 100, &route);
                prop_assert_eq!((usage.used, usage.in_flight, usage.waiting), (0, 0, 0));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, ..ProptestConfig::default() })]

    /// I6: a wake-up is one of finitely many known instants, and each is visited once: whatever is in flight, and however
    /// late it ends, if it ends at all.
    #[test]
    fn every_wake_up_is_an_expiry_a_boundary_or_a_deadline(
        world in ranked_worlds(30),
        late in prop::collection::vec(prop::option::weighted(0.3, prop_oneof![LATE..10 * LATE, Just(NEVER)]), 30),
        deadlines in any::<bool>(),
    ) {
        let mut world = world;
        for (request, late) in world.requests.iter_mut().zip(late) {
            request.lasts = late.unwrap_or(request.lasts);
        }
        for hold in [Hold::Start, Hold::Response] {
            let mut run = Run::new(&world, hold);
            run.deadlines = deadlines;
            let run = run.go(false, None);
            let known = run.known_instants();
            prop_assert!(run.woken.is_sorted_by(|a, b| a < b), "{:?}", run.woken);
            prop_assert!(run.woken.iter().all(|at| known.contains(at)), "{:?} of {:?}", run.woken, known);
        }
    }
}

fn request(arrives: Nanos, route: usize, lasts: Nanos) -> Request {
    Request { arrives, route, units: 1, lasts, gives_up: None, abandons: false, rank: Rank::ORDINARY }
}

/// Two orders for different pools share a third limit; the younger is the oldest of its own pool, so that nothing
/// younger still may be in its way, even while the older order is in flight for long (I3).
#[test]
fn the_oldest_of_each_limit_is_not_delayed_by_later_ones() {
    let ns = Duration::from_nanos;
    let world = World {
        plans_for: None,
        patience: None,
        changes: Vec::new(),
        wall: 0,
        server: (0, 0, 0),
        table: vec![
            RateLimit::new("0", 1, ns(10)).link("2", 1),
            RateLimit::new("1", 1, ns(20)).link("2", 1),
            RateLimit::new("2", 2, ns(1)),
        ],
        requests: vec![
            request(0, 0, 0),
            request(2, 1, 0),
            request(4, 0, 100),
            request(5, 1, 0),
            request(6, 2, 100),
        ],
    };
    let run = Run::new(&world, Hold::Response).go(false, None);
    assert_eq!(run.started[..4], [Some(0), Some(2), Some(11), Some(23)]);
}

/// What waits for requests in flight moves on with the clock; what that makes room for must be noticed without being
/// looked for (I6).
#[test]
fn a_plan_that_moves_with_the_clock_is_looked_at_again_when_it_changes() {
    let ns = Duration::from_nanos;
    let world = World {
        plans_for: None,
        patience: None,
        changes: Vec::new(),
        wall: 0,
        server: (0, 0, 0),
        table: vec![RateLimit::new("0", 3, ns(4)), RateLimit::new("1", 1, ns(3)).link("0", 1)],
        requests: vec![
            request(11, 0, 5),
            request(14, 0, 2),
            request(17, 1, 7),
            request(17, 1, 0),
            request(17, 0, 2),
            request(17, 0, 0),
        ],
    };
    let woken = Run::new(&world, Hold::Response).go(false, None);
    let polled = Run::new(&world, Hold::Response).go(true, None);
    assert_eq!(woken.started, polled.started);
}

/// What is in flight when a request comes was not answered before that, so that an older one which waits for the answer
/// comes after the expiry that makes room for both (I4).
#[test]
fn an_arrival_moves_what_hangs_on_requests_in_flight() {
    let ns = Duration::from_nanos;
    let world = World {
        plans_for: None,
        patience: None,
        changes: Vec::new(),
        wall: 0,
        server: (0, 0, 0),
        table: vec![
            RateLimit::new("0", 1, ns(10)),
            RateLimit::new("1", 2, ns(100)),
            RateLimit::new("2", 9, ns(1)).weight(0).link("0", 1).link("1", 1),
        ],
        requests: vec![request(0, 0, 500), request(5, 1, 0), request(50, 2, 0), request(100, 1, 0)],
    };
    let run = Run::new(&world, Hold::Response).go(false, None);
    assert_eq!(run.started, [Some(0), Some(5), Some(510), Some(100)]);
}

/// Where nothing happens, nothing changes: a request that could be answered just before an older one's units are wanted
/// is not planned anew from each instant on (I6).
#[test]
fn a_plan_begins_at_the_last_event() {
    let ns = Duration::from_nanos;
    let world = World {
        plans_for: None,
        patience: None,
        changes: Vec::new(),
        wall: 0,
        server: (0, 0, 0),
        table: vec![
            RateLimit::new("0", 2, ns(1)).weight(0).link("2", 2),
            RateLimit::new("1", 4, ns(2)).weight(0),
            RateLimit::new("2", 4, ns(4)).link("1", 1),
            RateLimit::new("3", 1, ns(1)).link("1", 1),
        ],
        requests: [
            (0, 2, 1, 0),
            (0, 0, 2, 0),
            (0, 2, 1, 0),
            (0, 0, 1, 4),
            (0, 2, 2, 0),
            (0, 2, 1, 2),
            (0, 0, 2, 0),
            (5, 2, 2, 5),
            (8, 2, 1, 0),
            (19, 3, 1, 0),
        ]
        .map(|(arrives, route, units, lasts)| Request { units, ..request(arrives, route, lasts) })
        .to_vec(),
    };
    let woken = Run::new(&world, Hold::Response).go(false, None);
    let polled = Run::new(&world, Hold::Response).go(true, None);
    assert_eq!(woken.started, polled.started);
}

/// The same with a quota whose windows are empty: their boundaries are no events.
#[test]
fn a_plan_does_not_follow_the_boundaries_of_an_empty_quota() {
    let ns = Duration::from_nanos;
    let utc = Zone::named("UTC").expect("UTC");
    let quota = |id: &str, limit, period| {
        let resets = Resets { period: Period::Span(period), zone: utc };
        RateLimit { interval: ns(period), ..RateLimit::quota(id, limit, resets) }
    };
    let world = World {
        plans_for: None,
        patience: None,
        changes: Vec::new(),
        wall: 0,
        server: (0, 0, 0),
        table: vec![
            quota("0", 1, 1).weight(0).link("1", 1),
            quota("1", 4, 9).link("0", 1).link("2", 1),
            RateLimit::new("2", 2, ns(2)).link("3", 2),
            RateLimit::new("3", 4, ns(8)).weight(0).link("2", 2),
        ],
        requests: [
            (0, 0, 1, 0),
            (0, 0, 1, 0),
            (5, 2, 2, 0),
            (5, 2, 1, 3),
            (5, 2, 2, 0),
            (6, 0, 2, 3),
            (8, 0, 1, 0),
            (8, 0, 2, 0),
            (15, 1, 1, 0),
            (15, 1, 1, 0),
            (18, 0, 1, 0),
        ]
        .map(|(arrives, route, units, lasts)| Request { units, ..request(arrives, route, lasts) })
        .to_vec(),
    };
    let woken = Run::new(&world, Hold::Response).go(false, None);
    let polled = Run::new(&world, Hold::Response).go(true, None);
    assert_eq!(woken.started, polled.started);
}

/// Where a request shares a limit with one that waits, only the queue decides; where it does not, it need not ask (I3).
#[test]
fn only_requests_that_nobody_waits_beside_pass_without_the_queue() {
    let limit = |id: &str| RateLimit::new(id, 9, Duration::from_nanos(10));
    let pool = RateLimit::new("pool", 1, Duration::from_nanos(10));
    let table = [pool.clone(), limit("a").link("pool", 1), limit("b").weight(0).link("pool", 1), limit("c")];
    let options = Options { hold: Hold::Start, ..Options::default() };
    let mut gate: Gate<()> = Gate::new(&table, options).expect("a fine table");
    let route = |gate: &Gate<()>, id: &str| gate.lookup(id).expect("known").clone();
    let [a, b, c] = ["a", "b", "c"].map(|id| route(&gate, id));
    assert!(gate.try_acquire(0, &a, 1));
    gate.join(&a, Rank::ORDINARY, Waiter { units: 1, since: 0, deadline: None, tag: () });
    gate.advance(0, &mut Vec::new());
    // At 10 the pool has room, for the one that waits.
    assert!(!gate.try_acquire(10, &a, 1) && !gate.try_acquire(10, &b, 1));
    assert!(gate.try_acquire(10, &c, 1));
    let linked = [pool, limit("a").link("pool", 1), limit("c").link("pool", 1)];
    assert!(gate.set_table(10, &linked).expect("a fine table").is_empty());
    let c = route(&gate, "c");
    assert!(!gate.try_acquire(10, &c, 1));
}

#[test]
fn of_two_whose_time_is_up_at_once_the_lighter_goes_where_only_the_other_stood_in_its_way() {
    for hold in [Hold::Start, Hold::Response] {
        let options = Options { hold, ..Options::default() };
        let table = [RateLimit::new("a", 5, Duration::from_nanos(100))];
        let mut gate = Gate::new(&table, options).expect("a fine table");
        let route = gate.lookup("a").expect("known").clone();
        assert!(gate.try_acquire(0, &route, 4));
        for (units, tag) in [(2, "heavy"), (1, "light")] {
            gate.join(&route, route.rank, Waiter { units, since: 0, deadline: Some(23), tag });
        }
        let mut decided = Vec::new();
        for now in [0, 22, 23] {
            gate.advance(now, &mut decided);
        }
        let outcomes: Vec<(&str, bool)> =
            decided.iter().map(|decided| (decided.waiter.tag, decided.outcome.is_ok())).collect();
        assert_eq!(outcomes, [("heavy", false), ("light", true)]);
    }
}
