//! What a model of the gate's world comes to by brute force: the schedule, and what a server sees of it.

use std::collections::BTreeMap;

use crate::clock::Nanos;
use crate::limit::Kind;

use super::bucket_model::Counter;
use super::model::{Change, END, Request, What, World};

/// What is held of each limit at each instant.
#[derive(Clone)]
struct Book<'a> {
    world: &'a World,
    held: Vec<Vec<u64>>,
    /// What each bucket showed when it was last changed, and the units that it took since, by instant.
    counters: Vec<Counter>,
    jumps: Vec<BTreeMap<Nanos, u64>>,
    /// When the window ends that is open, of limits whose windows open with a request.
    ends: Vec<Nanos>,
    /// When own units of each limit end.
    own: Vec<Vec<Nanos>>,
}

impl Book<'_> {
    fn end(&self, limit: usize, start: Nanos) -> Nanos {
        let opens = self.world.table[limit].kind == Kind::First && start < self.ends[limit];
        if opens { self.ends[limit] } else { self.world.end(limit, start) }
    }

    /// Whether units fit from `start` on, for as long as they stay, and everything that comes later fits as well.
    fn fits(&self, limit: usize, start: Nanos, units: u64, most: u64) -> bool {
        if self.world.table[limit].kind != Kind::Bucket {
            let span = start as usize..self.end(limit, start) as usize;
            return self.held[limit][span].iter().all(|held| held + units <= most);
        }
        let mut jumps = self.jumps[limit].clone();
        *jumps.entry(start).or_default() += units;
        levels(self.counters[limit], jumps.into_iter()).all(|(at, level)| {
            at < start || level <= u128::from(most) * u128::from(self.world.interval(limit))
        })
    }

    fn take(&mut self, limit: usize, start: Nanos, units: u64) {
        *self.jumps[limit].entry(start).or_default() += units;
        let end = self.end(limit, start);
        self.own[limit].extend((0..units).map(|_| end));
        self.hold(limit, start, end, units);
    }

    /// Something is told of a bucket.
    fn change(&mut self, limit: usize, now: Nanos, what: What) {
        let base = match what {
            What::TellBeside(_, base) | What::ForeignBeside(.., base) => Some(self.counter(base)),
            _ => None,
        };
        let mut counter = self.counter(limit);
        counter.change(now, what, base);
        (self.counters[limit], self.jumps[limit]) = (counter, BTreeMap::new());
    }

    /// What a bucket shows after all that it took.
    fn counter(&self, limit: usize) -> Counter {
        self.jumps[limit].iter().fold(self.counters[limit], |counter, (&at, &units)| {
            let mut counter = counter.to(at);
            counter.add(units);
            counter
        })
    }

    /// The oldest own units that are still there turned out not to be used.
    fn take_back(&mut self, limit: usize, now: Nanos, units: u64) {
        let mut left = self.own[limit].clone();
        left.sort_unstable();
        left.retain(|&end| end > now);
        for end in left.drain(..left.len().min(units as usize)) {
            self.held[limit][now as usize..end as usize].iter_mut().for_each(|held| *held -= 1);
        }
        self.own[limit] = left;
    }

    fn hold(&mut self, limit: usize, start: Nanos, end: Nanos, units: u64) {
        self.held[limit][start as usize..end as usize].iter_mut().for_each(|held| *held += units);
    }
}

/// The level of a bucket after each jump, in units × nanoseconds.
fn levels(
    counter: Counter,
    jumps: impl Iterator<Item = (Nanos, u64)>,
) -> impl Iterator<Item = (Nanos, u128)> {
    jumps.scan(counter, |counter, (at, units)| {
        *counter = counter.to(at);
        counter.add(units);
        Some((at, counter.all()))
    })
}

/// The schedule of `Hold::Start` by brute force: at each event, every waiting request in the order of the queue at that
/// instant gets the earliest start at which it fits, for as long as it holds its units, beside everything before it.
pub(super) fn brute_force(world: &World, deadlines: bool) -> Vec<Option<Nanos>> {
    let nominal: Vec<u64> = world.table.iter().map(|limit| limit.limit).collect();
    let (mut limits, mut allowed) = (nominal.clone(), nominal.clone());
    let mut told = vec![u64::MAX; limits.len()];
    let mut paused: Vec<Nanos> = vec![0; limits.len()];
    let takes: Vec<Vec<(usize, u64)>> = (world.table.iter().enumerate())
        .map(|(at, limit)| {
            let links = limit.links.iter().map(|link| (link.id.parse().expect("a number"), link.weight));
            std::iter::once((at, limit.weight)).chain(links).collect()
        })
        .collect();
    let horizon = 2 * END as usize;
    let mut used = Book {
        world,
        held: vec![vec![0_u64; horizon]; limits.len()],
        counters: world.table.iter().map(Counter::new).collect(),
        jumps: vec![BTreeMap::new(); limits.len()],
        ends: vec![0; limits.len()],
        own: vec![Vec::new(); limits.len()],
    };
    let mut started = vec![None; world.requests.len()];
    let mut waiting: Vec<usize> = Vec::new();
    // Those that go before all ranks, in the order in which they did so.
    let mut first: Vec<usize> = Vec::new();
    // Whether those that take nothing wait for the pause of the limit of their id: once all were paused.
    let mut knows_pauses = false;
    let settle = |now: usize,
                  waiting: &mut Vec<usize>,
                  used: &mut Book,
                  started: &mut Vec<Option<Nanos>>,
                  limits: &[u64],
                  (paused, knows_pauses): (&[Nanos], bool)| {
        loop {
            let mut reserved = used.clone();
            // When the last of each route goes; `None` where nobody knows.
            let mut last_of_route = vec![Some(now); limits.len()];
            let (mut gone, mut abandoned) = (Vec::new(), false);
            for &at in waiting.iter() {
                let Request { route, units, .. } = world.requests[at];
                let fits = |start: usize, reserved: &Book| {
                    let takes_none = takes[route].iter().all(|&(_, weight)| weight == 0);
                    let is_closed = takes_none && knows_pauses && (start as Nanos) < paused[route];
                    !is_closed
                        && takes[route].iter().filter(|&&(_, weight)| weight > 0).all(|&(x, weight)| {
                            let start = start as Nanos;
                            start >= paused[x] && reserved.fits(x, start, weight * units, limits[x])
                        })
                };
                // Who is turned away now, unless it goes, holds up nobody.
                let turned_away =
                    deadlines && world.requests[at].gives_up.is_some_and(|quits| quits <= now as Nanos);
                if !turned_away && takes[route].iter().any(|&(x, weight)| weight * units > limits[x]) {
                    last_of_route[route] = None;
                }
                let Some(after) = last_of_route[route] else { continue };
                if turned_away && (after > now || !fits(now, &reserved)) {
                    continue;
                }
                let start = (after..).find(|&start| fits(start, &reserved)).expect("some time");
                last_of_route[route] = Some(start);
                for &(x, weight) in takes[route].iter().filter(|&&(_, weight)| weight > 0) {
                    reserved.take(x, start as Nanos, weight * units);
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
                for &(x, weight) in takes[route].iter().filter(|&&(_, weight)| weight > 0) {
                    used.take(x, now as Nanos, weight * units);
                    used.ends[x] = used.end(x, now as Nanos);
                }
            }
            waiting.retain(|at| !gone.contains(at));
            if !abandoned {
                break;
            }
        }
    };
    let mut highest = world.highest();
    for now in 0..END {
        if now > world.requests.last().map_or(0, |request| request.arrives) && waiting.is_empty() {
            break;
        }
        let firsts = waiting.iter().take_while(|at| first.contains(at)).count();
        waiting[firsts..].sort_by_key(|&at| world.order(at, now, highest));
        settle(now as usize, &mut waiting, &mut used, &mut started, &limits, (&paused, knows_pauses));
        if deadlines {
            waiting.retain(|&at| world.requests[at].gives_up.is_none_or(|quits| quits > now));
            settle(now as usize, &mut waiting, &mut used, &mut started, &limits, (&paused, knows_pauses));
        }
        for &Change { limit, what, .. } in world.changes.iter().filter(|change| change.at == now) {
            used.change(limit, now, what);
            match what {
                What::Allow(units) => allowed[limit] = nominal[limit].min(units),
                What::Tell(units) | What::TellBeside(units, _) => told[limit] = units,
                What::Pause(length) => paused[limit] = paused[limit].max(now + length),
                What::PauseAll(length) => {
                    knows_pauses = true;
                    paused.iter_mut().for_each(|until| *until = (now + length).max(*until));
                }
                What::Correct(units) if units > 0 => used.take(limit, now, units.unsigned_abs()),
                What::Correct(units) => used.take_back(limit, now, units.unsigned_abs()),
                What::Foreign(units, later) | What::ForeignBeside(units, later, _) => {
                    used.hold(limit, now, world.foreign_end(limit, now, later).max(now), units);
                }
                What::GoFirst(at) if waiting.contains(&at) => {
                    first.retain(|&other| other != at);
                    first.push(at);
                    waiting.retain(|&other| other != at);
                    let place = waiting.iter().filter(|other| first.contains(other)).count();
                    waiting.insert(place, at);
                }
                What::GoFirst(_) => {}
            }
            limits[limit] = allowed[limit].min(told[limit]);
            if matches!(what, What::ForeignBeside(..) | What::TellBeside(..)) {
                continue;
            }
            settle(now as usize, &mut waiting, &mut used, &mut started, &limits, (&paused, knows_pauses));
        }
        // Those that give up at one instant do so in the order of arrival, whatever their ranks, as in the run.
        let mut by_arrival = waiting.clone();
        by_arrival.sort_unstable();
        for at in by_arrival {
            if world.requests[at].gives_up.is_some_and(|quits| quits <= now) {
                waiting.retain(|&other| other != at);
                settle(now as usize, &mut waiting, &mut used, &mut started, &limits, (&paused, knows_pauses));
            }
        }
        for (at, request) in world.requests.iter().enumerate() {
            if request.arrives == now {
                highest = request.rank.min(if waiting.is_empty() { world.highest() } else { highest });
                let firsts = waiting.iter().take_while(|at| first.contains(at)).count();
                waiting.push(at);
                waiting[firsts..].sort_by_key(|&at| world.order(at, now, highest));
                settle(now as usize, &mut waiting, &mut used, &mut started, &limits, (&paused, knows_pauses));
            }
        }
    }
    started
}

/// The most units of each limit that a server counts at once, if requests arrive so: (instant, request).
pub(super) fn worst_windows(world: &World, arrivals: &[(Nanos, usize)]) -> Vec<u64> {
    let mut arrivals = arrivals.to_vec();
    arrivals.sort_unstable();
    (0..world.table.len())
        .map(|x| {
            let units = |at: usize| world.weight(world.requests[at].route, x) * world.requests[at].units;
            let taken = || arrivals.iter().map(|&(t, at)| (t, units(at))).filter(|&(_, units)| units > 0);
            let interval = world.interval(x);
            match world.table[x].kind {
                Kind::Bucket => {
                    let levels = levels(Counter::new(&world.table[x]), taken());
                    let worst = levels.map(|(_, level)| level.div_ceil(u128::from(interval))).max();
                    worst.unwrap_or(0) as u64
                }
                Kind::First => {
                    let (mut end, mut count, mut worst) = (0, 0, 0);
                    for (t, units) in taken() {
                        if t >= end {
                            (end, count) = (t + interval, 0);
                        }
                        count += units;
                        worst = worst.max(count);
                    }
                    worst
                }
                // What is in flight is no matter of arrivals.
                Kind::Concurrent | Kind::Route => 0,
                kind @ (Kind::Rolling | Kind::Quota(_) | Kind::Fixed) => {
                    let window = |t: Nanos| match kind {
                        Kind::Fixed => (t + world.server.0 + world.server.2) / interval,
                        _ => world.end(x, t),
                    };
                    let inside = |from: Nanos, t: Nanos| match kind {
                        Kind::Rolling => from <= t && t < from + interval,
                        _ => window(t) == window(from),
                    };
                    let count = |(from, _)| taken().filter(|&(t, _)| inside(from, t)).map(|(_, n)| n).sum();
                    taken().map(count).max().unwrap_or(0)
                }
            }
        })
        .collect()
}

pub(super) fn over(world: &World, arrivals: &[(Nanos, usize)]) -> bool {
    let worst = worst_windows(world, arrivals);
    worst.iter().zip(&world.table).any(|(&worst, limit)| worst > limit.limit)
}

/// Whether more was ever in flight than a limit allows: (from, until, request).
pub(super) fn over_in_flight(world: &World, blocks: &[(Nanos, Nanos, usize)]) -> bool {
    let concurrent = (0..world.table.len()).filter(|&x| world.table[x].kind == Kind::Concurrent);
    concurrent.into_iter().any(|x| {
        let units = |at: usize| world.weight(world.requests[at].route, x) * world.requests[at].units;
        blocks.iter().any(|&(now, ..)| {
            let running = blocks.iter().filter(|&&(from, until, _)| from <= now && now < until);
            running.map(|&(.., at)| units(at)).sum::<u64>() > world.table[x].limit
        })
    })
}
