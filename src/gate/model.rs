//! A model of the gate's world: random tables, requests, cancellations and changes of limits, and the gate run through
//! them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use crate::clock::{Nanos, WallNanos};
use crate::limit::{Kind, Period, RateLimit, Resets, ServerClock, Zone};

use super::enter::{Decided, Gate};
use super::queue::{Place, Rank, Waiter};
use super::route::Route;
use super::table::{Hold, Options};

/// What the world does with one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) arrives: Nanos,
    pub(super) route: usize,
    pub(super) units: u64,
    /// How long its block runs.
    pub(super) lasts: Nanos,
    /// When it gives up, if it still waits then.
    pub(super) gives_up: Option<Nanos>,
    /// It is cancelled in the very moment in which it is granted.
    pub(super) abandons: bool,
    pub(super) rank: Rank,
}

/// What becomes of a limit, or of the queue, at some instant, while the table stays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) at: Nanos,
    pub(super) limit: usize,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// So much of it may be used.
    Allow(u64),
    /// The exchange says that it is so large.
    Tell(u64),
    /// The same, together with the change after it.
    TellBeside(u64, usize),
    /// Nothing passes for so long that takes from it.
    Pause(Nanos),
    /// Nothing at all does.
    PauseAll(Nanos),
    /// A request that was answered before cost so many units more of it, or less.
    Correct(i64),
    /// Somebody else has used so many units, which come free so much later.
    Foreign(u64, Nanos),
    /// The same, together with the change after it.
    ForeignBeside(u64, Nanos, usize),
    /// A request goes before all others if it waits then, whatever its limits.
    GoFirst(usize),
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) table: Vec<RateLimit>,
    /// What the clock on the wall shows at 0.
    pub(super) wall: WallNanos,
    /// How far the exchange's clock is ahead: at least, and how much more at most. And how much more it is.
    pub(super) server: (Nanos, Nanos, Nanos),
    pub(super) requests: Vec<Request>,
    /// How many requests are planned for, if not as many as ever.
    pub(super) plans_for: Option<(usize, usize)>,
    /// How long a request waits for each class that it rises by.
    pub(super) patience: Option<Nanos>,
    /// In the order of time.
    pub(super) changes: Vec<Change>,
}

pub(super) const END: Nanos = 1200;

/// Requests that last so long may keep others from passing before the end.
pub(super) const LATE: Nanos = 20;

/// How long a request lasts whose answer never comes.
pub(super) const NEVER: Nanos = 2 * END;

impl World {
    /// When units that a request takes from a limit at `at` come free, if it is answered at once: of a window that opens with
    /// a request, if that is this one; of a bucket, when they surely have.
    pub(super) fn end(&self, limit: usize, at: Nanos) -> Nanos {
        let interval = self.interval(limit);
        match self.table[limit].kind {
            // As few nanoseconds as that are aligned to the epoch, whether they divide a day or not.
            Kind::Quota(_) => at + interval - self.wall_at(at).rem_euclid(interval as WallNanos) as Nanos,
            Kind::Fixed => {
                let (least, width, _) = self.server;
                (((at + least + width) / interval + 1) * interval - least).min(at + interval)
            }
            Kind::Concurrent => at,
            _ => at + interval,
        }
    }

    pub(super) fn interval(&self, limit: usize) -> Nanos {
        self.table[limit].interval.as_nanos() as Nanos
    }

    /// What a request for a route takes from a limit.
    pub(super) fn weight(&self, route: usize, limit: usize) -> u64 {
        let RateLimit { weight, links, .. } = &self.table[route];
        let own = if route == limit { *weight } else { 0 };
        let linked = links.iter().filter(|link| link.id == limit.to_string());
        own + linked.map(|link| link.weight).sum::<u64>()
    }

    /// Who goes first at `now`: by rank, and then in the order of arrival. With a patience: by the class that each has
    /// risen to, no higher than `highest`, and then in the order of arrival.
    pub(super) fn order(&self, at: usize, now: Nanos, highest: Rank) -> (Nanos, usize) {
        let Request { rank, arrives, .. } = self.requests[at];
        let Some(patience) = self.patience else { return (rank.0.into(), at) };
        let below = |rank: Rank| patience * Nanos::from(rank.0);
        (below(rank).saturating_sub(now.saturating_sub(arrives)).max(below(highest)), at)
    }

    /// The highest class of a request that comes while nobody else waits.
    pub(super) fn highest(&self) -> Rank {
        (self.table.iter().map(|limit| Rank::of(limit.priority).expect("in range"))).min().expect("a limit")
    }

    /// The limits that requests for a route take from.
    pub(super) fn takes(&self, route: usize) -> impl Iterator<Item = usize> {
        let RateLimit { weight, links, .. } = &self.table[route];
        let own = Some(route).filter(|_| *weight > 0);
        let linked = links.iter().filter(|link| link.weight > 0);
        own.into_iter().chain(linked.map(|link| link.id.parse().expect("a number")))
    }

    /// When units that somebody else has used come free, if they shall do so `later`.
    pub(super) fn foreign_end(&self, limit: usize, at: Nanos, later: Nanos) -> Nanos {
        (at + later).min(self.end(limit, at))
    }

    fn wall_at(&self, at: Nanos) -> WallNanos {
        self.wall + at as WallNanos
    }
}

/// Kinds of limits: rolling ones and quotas most of all.
const KINDS: [Kind; 4] = [Kind::Bucket, Kind::Fixed, Kind::First, Kind::Concurrent];

/// Worlds with limits of all kinds whose units come free at instants that are known as soon as their request is answered.
pub(super) fn worlds(max_requests: usize) -> impl Strategy<Value = World> {
    worlds_of(max_requests, KINDS.len() - 1)
}

/// The same with limits on what is in flight, too.
pub(super) fn all_worlds(max_requests: usize) -> impl Strategy<Value = World> {
    worlds_of(max_requests, KINDS.len())
}

fn worlds_of(max_requests: usize, kinds: usize) -> impl Strategy<Value = World> {
    let kind = prop_oneof![3 => Just(None), 2 => (0..=kinds).prop_map(Some)];
    let limits = prop::collection::vec(
        ((1..6_u64, 1..12_u64, kind), 0..2_u64, prop::collection::vec((0..4_usize, 0..4_u64), 0..3)),
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
    let server = (0..50 as Nanos, 0..7 as Nanos, 0..7 as Nanos);
    let worlds = (limits, requests, 0..100 as WallNanos, server, plans_for);
    worlds.prop_map(move |(limits, requests, wall, (least, width, more), plans_for)| {
        let count = limits.len();
        let table: Vec<RateLimit> = limits
            .iter()
            .enumerate()
            .map(|(at, ((limit, interval, kind), weight, links))| RateLimit {
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
                kind: match kind {
                    None => Kind::Rolling,
                    Some(0) => Kind::Quota(Resets { period: Period::Span(*interval), zone: utc }),
                    Some(kind) => KINDS[kind - 1],
                },
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
                rank: Rank::ORDINARY,
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
        let server = (least, width, more.min(width));
        World { table, wall, server, requests, plans_for, patience: None, changes: Vec::new() }
    })
}

/// Runs a world through the gate. `polls`: look at every instant, not only when the gate asks for it.
/// `loner`: from this instant on, only the requests up to this one, in the order of the queue, exist.
pub(super) struct Run<'a> {
    pub(super) world: &'a World,
    /// Who gives up does so by a deadline that the gate knows, not by being cancelled.
    pub(super) deadlines: bool,
    pub(super) gate: Gate<usize>,
    pub(super) routes: Vec<Arc<Route>>,
    places: BTreeMap<usize, Place>,
    running: Vec<(Nanos, usize, Arc<Route>)>,
    pub(super) started: Vec<Option<Nanos>>,
    pub(super) ended: Vec<Option<Nanos>>,
    /// With a patience, the highest class by now.
    highest: Rank,
    /// When each request became the first, in the order of the queue, that waits on any of its limits.
    pub(super) oldest_since: Vec<Option<Nanos>>,
    /// When the gate was looked at because it had asked for it.
    pub(super) woken: Vec<Nanos>,
    /// What `wait_time` said of each before it came, where that is asked.
    pub(super) told: Option<BTreeMap<usize, Nanos>>,
}

impl<'a> Run<'a> {
    pub(super) fn new(world: &'a World, hold: Hold) -> Self {
        let options =
            Options { hold, patience: world.patience.map(Duration::from_nanos), ..Options::default() };
        let mut gate = Gate::new(&world.table, options).expect("a fine table");
        gate.walk.plans_for = world.plans_for.unwrap_or(gate.walk.plans_for);
        let (least, width, _) = world.server;
        let clock = ServerClock::between(least.into(), (least + width).into());
        gate.limits.iter_mut().for_each(|limit| limit.window.learn(0, clock));
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
            highest: world.highest(),
            oldest_since: vec![None; count],
            woken: Vec::new(),
            told: None,
        }
    }

    /// Has the gate look at the clocks, as it does before anything else.
    pub(super) fn look(&mut self, now: Nanos) {
        self.gate.observe(now, self.world.wall_at(now));
    }

    /// As a throttler does it.
    fn pause_all(&mut self, now: Nanos, until: Nanos) {
        let (_, without_units) = self.gate.pause_for(None, until, &Arc::default());
        if without_units {
            assert!(self.gate.set_table(now, &self.world.table).expect("a fine table").is_empty());
            let lookup = |limit: &RateLimit| self.gate.lookup(&limit.id).expect("present").clone();
            self.routes = self.world.table.iter().map(lookup).collect();
            self.look(now);
        }
    }

    pub(super) fn advance(&mut self, now: Nanos) {
        self.look(now);
        loop {
            let mut granted: Vec<Decided<usize>> = Vec::new();
            self.gate.advance(now, &mut granted);
            let mut again = false;
            for Decided { outcome, waiter } in granted {
                // A request that gives up at an instant still goes if it can go at that very instant.
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
                let window_of = |limit: &RateLimit| {
                    let route = self.gate.lookup(&limit.id).expect("present");
                    self.gate.window(route.index)
                };
                for limit in self.world.takes(self.world.requests[at].route) {
                    let window = window_of(&self.world.table[limit]);
                    assert!(window.used() <= window.limit(), "over at {now}: {window:?}");
                }
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
        let mut waiting: Vec<usize> = self.places.keys().copied().collect();
        waiting.sort_by_key(|&at| self.world.order(at, now, self.highest));
        for (nth, &at) in waiting.iter().enumerate() {
            let takes = |at: usize| self.world.takes(self.world.requests[at].route);
            let shares = |&older: &usize| takes(older).any(|limit| takes(at).any(|own| own == limit));
            if !waiting[..nth].iter().any(shares) {
                self.oldest_since[at].get_or_insert(now);
            }
        }
    }

    fn order(&self, at: usize, now: Nanos) -> (Nanos, usize) {
        self.world.order(at, now, self.highest)
    }

    /// The next instant at which anything happens.
    fn next(&self, now: Nanos) -> Option<Nanos> {
        let ends = self.running.iter().map(|&(end, ..)| end);
        let quits = self.places.keys().filter_map(|&at| self.world.requests[at].gives_up);
        let arrivals = self.world.requests.iter().map(|request| request.arrives).filter(|&at| at > now);
        // What began or was set at this instant is seen at the next one.
        let others = ends.chain(quits).chain(self.gate.wake_at()).map(|at| at.max(now + 1));
        let changes = self.world.changes.iter().map(|change| change.at).filter(|&at| at > now);
        arrivals.chain(others).chain(changes).min()
    }

    pub(super) fn go(mut self, polls: bool, loner: Option<(Nanos, usize)>) -> Self {
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
                // It would not look for itself: nothing has changed, and the instant has not come that it named.
                self.gate.wake = Some(now);
                self.advance(now);
            }
            for &Change { limit, what, .. } in self.world.changes.iter().filter(|change| change.at == now) {
                self.look(now);
                let route = &self.routes[limit];
                match what {
                    What::Allow(units) => self.gate.allow(route, units),
                    What::Tell(units) | What::TellBeside(units, _) => {
                        self.gate.learn_limit(now, &route.clone(), units, 0);
                    }
                    What::Pause(length) => self.gate.pause(route, now + length),
                    What::PauseAll(length) => self.pause_all(now, now + length),
                    What::Correct(units) => {
                        self.gate.correct(now, route, units);
                    }
                    What::Foreign(units, later) | What::ForeignBeside(units, later, _) => {
                        self.gate.stamp_foreign(now, route, units, now + later)
                    }
                    What::GoFirst(at) => {
                        if let Some(place) = self.places.get_mut(&at) {
                            *place = self.gate.go_first(*place).expect("it waits");
                        }
                    }
                }
                self.advance(now);
            }
            for (_, at, route) in self.running.extract_if(.., |(end, ..)| *end <= now).collect::<Vec<_>>() {
                self.look(now);
                self.gate.leave(now, &route, self.world.requests[at].units);
                self.ended[at] = Some(now);
                self.advance(now);
            }
            let quits = |at: &usize| self.world.requests[*at].gives_up.is_some_and(|quits| quits <= now);
            let quitters: Vec<usize> =
                self.places.keys().copied().filter(|at| !self.deadlines && quits(at)).collect();
            for at in quitters {
                if let Some(place) = self.places.remove(&at) {
                    self.gate.remove(place).expect("it waits");
                    self.advance(now);
                }
            }
            for (at, request) in self.world.requests.iter().enumerate() {
                let exists = loner.is_none_or(|(since, last)| {
                    now < since || (now == since && at < last) || self.order(at, now) <= self.order(last, now)
                });
                if request.arrives == now && exists {
                    self.ask(now, at);
                    let deadline = request.gives_up.filter(|_| self.deadlines);
                    let waiter = Waiter { units: request.units, since: now, deadline, tag: at };
                    let others = if self.places.is_empty() { self.world.highest() } else { self.highest };
                    self.highest = others.min(request.rank);
                    let route = self.routes[request.route].of_rank(request.rank);
                    let place = self.gate.join(route, request.rank, waiter);
                    self.places.insert(at, place);
                    self.advance(now);
                }
            }
            // All at once: none of them shall go because another one is gone.
            if let Some((_, last)) = loner.filter(|&(since, _)| now >= since) {
                let mut gone = self.places.clone();
                gone.retain(|&at, _| self.order(at, now) > self.order(last, now));
                for (at, place) in &gone {
                    self.places.remove(at);
                    self.gate.remove(*place).expect("it waits");
                }
                if !gone.is_empty() {
                    self.advance(now);
                }
            }
            now = if polls { now + 1 } else { self.next(now).unwrap_or(END) };
        }
        let endless = self.world.requests.iter().any(|request| request.lasts >= LATE);
        assert!(endless || self.places.is_empty(), "{:?} still wait", self.places);
        self
    }
}
