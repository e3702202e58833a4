//! The gate against a schedule made by brute force, with random tables of rolling limits and quotas, requests and
//! cancellations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use crate::clock::{Nanos, WallNanos};
use crate::limit::{Period, RateLimit, Resets, Zone};

use super::queue::{Place, Waiter};
use super::route::Route;
use super::schedule::{Decided, Gate};
use super::table::{Hold, Options};

/// What the world does with one request.
#[derive(Clone, Copy, Debug)]
struct Request {
    arrives: Nanos,
    route: usize,
    units: u64,
    /// How long its block runs.
    lasts: Nanos,
    /// When it gives up, if it still waits then.
    gives_up: Option<Nanos>,
    /// It is cancelled in the very moment in which it is granted.
    abandons: bool,
}

#[derive(Clone, Debug)]
struct World {
    table: Vec<RateLimit>,
    /// What the clock on the wall shows at 0.
    wall: WallNanos,
    requests: Vec<Request>,
    /// How many requests are planned for, if not as many as ever.
    plans_for: Option<(usize, usize)>,
}

const END: Nanos = 1200;

/// How long a request lasts whose answer never comes.
const NEVER: Nanos = 2 * END;

impl World {
    /// When units that a request takes from a limit at `at` come free, if it is answered at once.
    fn end(&self, limit: usize, at: Nanos) -> Nanos {
        let RateLimit { interval, resets, .. } = &self.table[limit];
        let interval = interval.as_nanos() as Nanos;
        if resets.is_none() {
            return at + interval;
        }
        // As few nanoseconds as that are aligned to the epoch, whether they divide a day or not.
        at + interval - self.wall_at(at).rem_euclid(interval as WallNanos) as Nanos
    }

    /// The limits that requests for a route take from.
    fn takes(&self, route: usize) -> impl Iterator<Item = usize> {
        let RateLimit { weight, links, .. } = &self.table[route];
        let own = Some(route).filter(|_| *weight > 0);
        let linked = links.iter().filter(|link| link.weight > 0);
        own.into_iter().chain(linked.map(|link| link.id.parse().expect("a number")))
    }

    fn wall_at(&self, at: Nanos) -> WallNanos {
        self.wall + at as WallNanos
    }
}

fn worlds(max_requests: usize) -> impl Strategy<Value = World> {
    let limits = prop::collection::vec(
        (
            (1..6_u64, 1..12_u64, prop::bool::weighted(0.4)),
            0..2_u64,
            prop::collection::vec((0..4_usize, 0..4_u64), 0..3),
        ),
        1..5,
    );
    let utc = Zone::named("UTC").expect("UTC");
    let request = (
        0..25_u64,
        0..5_usize,
        1..3_u64,
        0..8_u64,
        prop::option::weighted(0.15, 1..20_u64),
        prop::bool::weighted(0.1),
    );
    let requests = prop::collection::vec(request, 1..max_requests);
    let plans_for = prop_oneof![2 => Just(None), 1 => (0..3_usize, 0..2_usize).prop_map(Some)];
    (limits, requests, 0..100 as WallNanos, plans_for).prop_map(move |(limits, requests, wall, plans_for)| {
        let count = limits.len();
        let table: Vec<RateLimit> = limits
            .iter()
            .enumerate()
            .map(|(at, ((limit, interval, quota), weight, links))| RateLimit {
                links: links
                    .iter()
                    .filter(|(other, _)| other % count != at)
                    .map(|&(other, weight)| crate::limit::Link {
                        id: (other % count).to_string(),
                        weight: weight.min(limits[other % count].0.0),
                    })
                    .scan(std::collections::HashSet::new(), |seen, link| {
                        Some(seen.insert(link.id.clone()).then_some(link))
                    })
                    .flatten()
                    .collect(),
                resets: quota.then_some(Resets { period: Period::Span(*interval), zone: utc }),
                ..RateLimit::new(at.to_string(), *limit, Duration::from_nanos(*interval)).weight(*weight)
            })
            .collect();
        let mut requests: Vec<Request> = requests
            .into_iter()
            .map(|(arrives, route, units, lasts, patience, abandons)| Request {
                arrives,
                route: route % count,
                units,
                lasts,
                gives_up: patience.map(|patience| arrives + patience),
                abandons,
            })
            .filter(|request| {
                let row = &table[request.route];
                row.weight * request.units <= row.limit
                    && row.links.iter().all(|link| {
                        let target: usize = link.id.parse().expect("a number");
                        link.weight * request.units <= table[target].limit
                    })
            })
            .collect();
        requests.sort_by_key(|request| request.arrives);
        World { table, wall, requests, plans_for }
    })
}

/// Runs a world through the gate. `polls`: look at every instant, not only when the gate asks for it.
/// `loner`: from this instant on, only the requests up to this one exist.
struct Run<'a> {
    world: &'a World,
    /// Who gives up does so by a deadline that the gate knows, not by being cancelled.
    deadlines: bool,
    gate: Gate<usize>,
    routes: Vec<Arc<Route>>,
    places: BTreeMap<usize, Place>,
    running: Vec<(Nanos, usize, Arc<Route>)>,
    started: Vec<Option<Nanos>>,
    ended: Vec<Option<Nanos>>,
    /// When each request became the oldest that waits on any of its limits.
    oldest_since: Vec<Option<Nanos>>,
    /// When the gate was looked at because it had asked for it.
    woken: Vec<Nanos>,
}

impl<'a> Run<'a> {
    fn new(world: &'a World, hold: Hold) -> Self {
        let mut gate = Gate::new(&world.table, Options { hold, ..Options::default() }).expect("a fine table");
        gate.walk.plans_for = world.plans_for.unwrap_or(gate.walk.plans_for);
        let routes =
            world.table.iter().map(|limit| gate.lookup(&limit.id).expect("present").clone()).collect();
        let count = world.requests.len();
        Self {
            world,
            deadlines: false,
            gate,
            routes,
            places: BTreeMap::new(),
            running: Vec::new(),
            started: vec![None; count],
            ended: vec![None; count],
            oldest_since: vec![None; count],
            woken: Vec::new(),
        }
    }

    /// Has the gate look at the clocks, as it does before anything else.
    fn look(&mut self, now: Nanos) {
        self.gate.observe(now, self.world.wall_at(now));
    }

    fn advance(&mut self, now: Nanos) {
        self.look(now);
        loop {
            let mut granted: Vec<Decided<usize>> = Vec::new();
            self.gate.advance(now, &mut granted);
            let mut again = false;
            for Decided { outcome, waiter } in granted {
                // Whoever gives up at an instant still goes if it can go at that very instant.
                let Ok(route) = outcome else {
                    self.places.remove(&waiter.tag);
                    continue;
                };
                let (at, units) = (waiter.tag, waiter.units);
                self.places.remove(&at);
                if self.world.requests[at].abandons {
                    self.gate.give_back(&route, units);
                    again = true;
                    continue;
                }
                self.gate.begin(now, &route, units);
                self.started[at] = Some(now);
                self.running.push((now + self.world.requests[at].lasts, at, route));
                // What has begun has a known end now.
                again = true;
            }
            if !again {
                break;
            }
        }
        assert!(self.gate.wake_at().is_none_or(|at| at > now), "asks at {now} for {:?}", self.gate.wake_at());
        let waiting: Vec<usize> = self.places.keys().copied().collect();
        for (nth, &at) in waiting.iter().enumerate() {
            let takes = |at: usize| self.world.takes(self.world.requests[at].route);
            let shares = |&older: &usize| takes(older).any(|limit| takes(at).any(|own| own == limit));
            if !waiting[..nth].iter().any(shares) {
                self.oldest_since[at].get_or_insert(now);
            }
        }
    }

    /// The next instant at which anything happens.
    fn next(&self, now: Nanos) -> Option<Nanos> {
        let ends = self.running.iter().map(|&(end, ..)| end);
        let quits = self.places.keys().filter_map(|&at| self.world.requests[at].gives_up);
        let arrivals = self.world.requests.iter().map(|request| request.arrives).filter(|&at| at > now);
        // What began or was set at this instant is seen at the next one.
        let others = ends.chain(quits).chain(self.gate.wake_at()).map(|at| at.max(now + 1));
        arrivals.chain(others).min()
    }

    fn go(mut self, polls: bool, loner: Option<(Nanos, usize)>) -> Self {
        let last_arrival = self.world.requests.last().map_or(0, |request| request.arrives);
        let mut now = 0;
        while now < END {
            if now > last_arrival && self.places.is_empty() && self.running.is_empty() {
                break;
            }
            if self.gate.wake_at().is_some_and(|at| at <= now) {
                self.woken.push(now);
                self.advance(now);
            } else if polls {
                self.advance(now);
            }
            for (_, at, route) in self.running.extract_if(.., |(end, ..)| *end <= now).collect::<Vec<_>>() {
                self.look(now);
                self.gate.leave(now, &route, self.world.requests[at].units);
                self.ended[at] = Some(now);
                self.advance(now);
            }
            let quitters: Vec<usize> = (self.places.keys().copied())
                .filter(|&at| {
                    (!self.deadlines && self.world.requests[at].gives_up.is_some_and(|quits| quits <= now))
                        || loner.is_some_and(|(since, last)| now >= since && at > last)
                })
                .collect();
            for at in quitters {
                if let Some(place) = self.places.remove(&at) {
                    self.gate.remove(place).expect("it waits");
                    self.advance(now);
                }
            }
            for (at, request) in self.world.requests.iter().enumerate() {
                let exists = loner.is_none_or(|(since, last)| now < since || at <= last);
                if request.arrives == now && exists {
                    let deadline = request.gives_up.filter(|_| self.deadlines);
                    let waiter = Waiter { units: request.units, since: now, deadline, tag: at };
                    let place = self.gate.join(&self.routes[request.route], waiter);
                    self.places.insert(at, place);
                    self.advance(now);
                }
            }
            now = if polls { now + 1 } else { self.next(now).unwrap_or(END) };
        }
        let endless = self.world.requests.iter().any(|request| request.lasts >= NEVER);
        assert!(endless || self.places.is_empty(), "{:?} still wait", self.places);
        self
    }

    /// Every instant at which the clock alone changes anything: what was stamped comes free, a window of a quota ends, or
    /// a request gives up.
    fn known_instants(&self) -> BTreeSet<Nanos> {
        let mut instants: BTreeSet<Nanos> =
            self.world.requests.iter().filter_map(|one| one.gives_up).collect();
        let stamped = if self.gate.options.hold == Hold::Start { &self.started } else { &self.ended };
        for (request, at) in
            self.world.requests.iter().zip(stamped).filter_map(|(one, at)| Some((one, (*at)?)))
        {
            instants.extend(self.world.takes(request.route).map(|limit| self.world.end(limit, at)));
        }
        let quotas = (0..self.world.table.len()).filter(|&limit| self.world.table[limit].resets.is_some());
        instants.extend(quotas.flat_map(|limit| {
            let boundary = move |&at: &Nanos| Some(self.world.end(limit, at)).filter(|&end| end < END);
            std::iter::successors(Some(0), boundary).skip(1)
        }));
        instants
    }
}

/// The schedule of `Hold::Start` by brute force: at each event, every waiting request in the order of arrival gets
/// the earliest start at which it fits, for as long as it holds its units, beside everything before it.
fn brute_force(world: &World, deadlines: bool) -> Vec<Option<Nanos>> {
    let limits: Vec<u64> = world.table.iter().map(|limit| limit.limit).collect();
    let held = |limit: usize, start: usize| start..world.end(limit, start as Nanos) as usize;
    let takes: Vec<Vec<(usize, u64)>> = (world.table.iter().enumerate())
        .map(|(at, limit)| {
            let links = limit.links.iter().map(|link| (link.id.parse().expect("a number"), link.weight));
            std::iter::once((at, limit.weight)).chain(links).collect()
        })
        .collect();
    let horizon = 2 * END as usize;
    let mut used = vec![vec![0_u64; horizon]; limits.len()];
    let mut started = vec![None; world.requests.len()];
    let mut waiting: Vec<usize> = Vec::new();
    let settle =
        |now: usize, waiting: &mut Vec<usize>, used: &mut Vec<Vec<u64>>, started: &mut Vec<Option<Nanos>>| {
            loop {
                let mut reserved = used.clone();
                let mut last_of_route = vec![now; limits.len()];
                let (mut gone, mut abandoned) = (Vec::new(), false);
                for &at in waiting.iter() {
                    let Request { route, units, .. } = world.requests[at];
                    let fits = |start: usize, reserved: &[Vec<u64>]| {
                        takes[route].iter().all(|&(x, weight)| {
                            held(x, start)
                                .all(|t| weight == 0 || reserved[x][t] + weight * units <= limits[x])
                        })
                    };
                    let start =
                        (last_of_route[route]..).find(|&start| fits(start, &reserved)).expect("some time");
                    last_of_route[route] = start;
                    for &(x, weight) in &takes[route] {
                        held(x, start).for_each(|t| reserved[x][t] += weight * units);
                    }
                    if start == now {
                        gone.push(at);
                    }
                }
                for &at in &gone {
                    let Request { route, units, abandons, .. } = world.requests[at];
                    if abandons {
                        abandoned = true;
                        continue;
                    }
                    started[at] = Some(now as Nanos);
                    for &(x, weight) in &takes[route] {
                        held(x, now).for_each(|t| used[x][t] += weight * units);
                    }
                }
                waiting.retain(|at| !gone.contains(at));
                if !abandoned {
                    break;
                }
            }
        };
    for now in 0..END {
        if now > world.requests.last().map_or(0, |request| request.arrives) && waiting.is_empty() {
            break;
        }
        settle(now as usize, &mut waiting, &mut used, &mut started);
        if deadlines {
            waiting.retain(|&at| world.requests[at].gives_up.is_none_or(|quits| quits > now));
            settle(now as usize, &mut waiting, &mut used, &mut started);
        }
        for at in waiting.clone() {
            if world.requests[at].gives_up.is_some_and(|quits| quits <= now) {
                waiting.retain(|&other| other != at);
                settle(now as usize, &mut waiting, &mut used, &mut started);
            }
        }
        for (at, request) in world.requests.iter().enumerate() {
            if request.arrives == now {
                waiting.push(at);
                settle(now as usize, &mut waiting, &mut used, &mut started);
            }
        }
    }
    started
}

/// The most units of each limit that fall into one window of it.
fn worst_windows(world: &World, arrivals: &[(Nanos, usize)]) -> Vec<u64> {
    let taken_from = |limit: usize, at: usize| {
        let Request { route, units, .. } = world.requests[at];
        let row = &world.table[route];
        let own = if route == limit { row.weight } else { 0 };
        let linked =
            row.links.iter().filter(|link| link.id == limit.to_string()).map(|link| link.weight).sum::<u64>();
        (own + linked) * units
    };
    (0..world.table.len())
        .map(|x| {
            let quota = world.table[x].resets.is_some();
            (arrivals.iter())
                .map(|&(from, _)| {
                    let end = world.end(x, from);
                    let inside = arrivals
                        .iter()
                        .filter(|&&(t, _)| if quota { world.end(x, t) == end } else { from <= t && t < end });
                    inside.map(|&(_, at)| taken_from(x, at)).sum::<u64>()
                })
                .max()
                .unwrap_or(0)
        })
        .collect()
}

fn over(world: &World, arrivals: &[(Nanos, usize)]) -> bool {
    let worst = worst_windows(world, arrivals);
    worst.iter().zip(&world.table).any(|(&worst, limit)| worst > limit.limit)
}

/// Rare interleavings need many worlds; `PROPTEST_CASES` asks for more still.
fn thorough() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(1500), ..config }
}

proptest! {
    #![proptest_config(thorough())]

    /// I2, I3, I4: nobody is delayed by a later request, and whoever can go without delaying an older one does.
    #[test]
    fn starts_equal_the_brute_force_schedule(world in worlds(30), deadlines in any::<bool>()) {
        // At one instant, the gate turns away whoever gives up before it hears of a grant that nobody wanted.
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

    /// I1: a server that sees each request at any instant between enter and leave never sees more than the limit.
    #[test]
    fn no_window_of_the_server_is_over_its_limit(world in worlds(40), when in prop::collection::vec(0.0..=1.0_f64, 40)) {
        let run = Run::new(&world, Hold::Response).go(false, None);
        let arrivals: Vec<(Nanos, usize)> = (run.started.iter().zip(&run.ended).enumerate())
            .filter_map(|(at, (start, end))| {
                let (start, end) = ((*start)?, (*end)?);
                Some((start + ((end - start) as f64 * when[at]).round() as Nanos, at))
            })
            .collect();
        prop_assert!(!over(&world, &arrivals));
    }

    /// I3, also where nobody knows how long requests take: from the moment in which a request is the oldest on
    /// each of its limits, it goes as early as if nothing came after it.
    #[test]
    fn the_oldest_goes_as_if_nothing_came_after_it(world in worlds(25), pick in any::<prop::sample::Index>()) {
        for hold in [Hold::Start, Hold::Response] {
            let run = Run::new(&world, hold).go(false, None);
            let oldest: Vec<(usize, Nanos)> =
                run.oldest_since.iter().enumerate().filter_map(|(at, since)| Some((at, (*since)?))).collect();
            if oldest.is_empty() {
                continue;
            }
            let (at, since) = oldest[pick.index(oldest.len())];
            let alone = Run::new(&world, hold).go(false, Some((since, at)));
            prop_assert_eq!(run.started[at], alone.started[at], "request {} since {}, {:?}", at, since, hold);
        }
    }

    /// I6: the gate names the instant of the next grant itself; looking more often finds nothing earlier.
    #[test]
    fn waking_when_told_is_as_early_as_looking_all_the_time(world in worlds(30)) {
        for hold in [Hold::Start, Hold::Response] {
            let told = Run::new(&world, hold).go(false, None);
            let polled = Run::new(&world, hold).go(true, None);
            prop_assert_eq!(&told.started, &polled.started);
        }
    }

    /// Requests for the same id pass in the order in which they came.
    #[test]
    fn each_id_keeps_its_order(world in worlds(30)) {
        for hold in [Hold::Start, Hold::Response] {
            let run = Run::new(&world, hold).go(false, None);
            for route in 0..world.table.len() {
                let starts: Vec<Nanos> = (world.requests.iter().zip(&run.started))
                    .filter(|(request, _)| request.route == route)
                    .filter_map(|(_, start)| *start)
                    .collect();
                prop_assert!(starts.is_sorted(), "{:?}", starts);
            }
        }
    }

    /// I5: when everything has left and one interval has passed, nothing is used and nobody waits.
    #[test]
    fn nothing_leaks(world in worlds(30)) {
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
        world in worlds(30),
        late in prop::collection::vec(prop::option::weighted(0.3, prop_oneof![20..200_u64, Just(NEVER)]), 30),
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
    Request { arrives, route, units: 1, lasts, gives_up: None, abandons: false }
}

/// Two orders for different pools share a third limit; the younger is the oldest of its own pool, so that nothing
/// younger still may be in its way, even while the older order is in flight for long (I3).
#[test]
fn the_oldest_of_each_limit_is_not_delayed_by_later_ones() {
    let ns = Duration::from_nanos;
    let world = World {
        plans_for: None,
        wall: 0,
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
        wall: 0,
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
    let told = Run::new(&world, Hold::Response).go(false, None);
    let polled = Run::new(&world, Hold::Response).go(true, None);
    assert_eq!(told.started, polled.started);
}

/// What is in flight when a request comes was not answered before that, so that an older one which waits for the answer
/// comes after the expiry that makes room for both (I4).
#[test]
fn an_arrival_moves_what_hangs_on_requests_in_flight() {
    let ns = Duration::from_nanos;
    let world = World {
        plans_for: None,
        wall: 0,
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
