//! What a model of the gate's world comes to by brute force: the schedule, and the fullest windows that a server sees.

use crate::clock::Nanos;

use super::model::{Change, END, Request, What, World};

/// The schedule of `Hold::Start` by brute force: at each event, every waiting request in the order of arrival gets
/// the earliest start at which it fits, for as long as it holds its units, beside everything before it.
pub(super) fn brute_force(world: &World, deadlines: bool) -> Vec<Option<Nanos>> {
    let nominal: Vec<u64> = world.table.iter().map(|limit| limit.limit).collect();
    let mut limits = nominal.clone();
    let mut paused: Vec<Nanos> = vec![0; limits.len()];
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
    // Those that go before all ranks, in the order in which they did so.
    let mut first: Vec<usize> = Vec::new();
    let settle = |now: usize,
                  waiting: &mut Vec<usize>,
                  used: &mut Vec<Vec<u64>>,
                  started: &mut Vec<Option<Nanos>>,
                  limits: &[u64],
                  paused: &[Nanos]| {
        loop {
            let mut reserved = used.clone();
            // When the last of each route goes; `None` where nobody knows.
            let mut last_of_route = vec![Some(now); limits.len()];
            let (mut gone, mut abandoned) = (Vec::new(), false);
            for &at in waiting.iter() {
                let Request { route, units, .. } = world.requests[at];
                let fits = |start: usize, reserved: &[Vec<u64>]| {
                    takes[route].iter().filter(|&&(_, weight)| weight > 0).all(|&(x, weight)| {
                        start as Nanos >= paused[x]
                            && held(x, start).all(|t| reserved[x][t] + weight * units <= limits[x])
                    })
                };
                if takes[route].iter().any(|&(x, weight)| weight * units > limits[x]) {
                    last_of_route[route] = None;
                }
                let Some(after) = last_of_route[route] else { continue };
                let start = (after..).find(|&start| fits(start, &reserved)).expect("some time");
                last_of_route[route] = Some(start);
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
        settle(now as usize, &mut waiting, &mut used, &mut started, &limits, &paused);
        if deadlines {
            waiting.retain(|&at| world.requests[at].gives_up.is_none_or(|quits| quits > now));
            settle(now as usize, &mut waiting, &mut used, &mut started, &limits, &paused);
        }
        for &Change { limit, what, .. } in world.changes.iter().filter(|change| change.at == now) {
            match what {
                What::Allow(units) => limits[limit] = nominal[limit].min(units),
                What::Pause(length) => paused[limit] = paused[limit].max(now + length),
                What::Foreign(units, later) => {
                    let until = world.foreign_end(limit, now, later) as usize;
                    (now as usize..until).for_each(|t| used[limit][t] += units);
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
            settle(now as usize, &mut waiting, &mut used, &mut started, &limits, &paused);
        }
        // Those that give up at one instant do so in the order of arrival, whatever their ranks, as in the run.
        let mut by_arrival = waiting.clone();
        by_arrival.sort_unstable();
        for at in by_arrival {
            if world.requests[at].gives_up.is_some_and(|quits| quits <= now) {
                waiting.retain(|&other| other != at);
                settle(now as usize, &mut waiting, &mut used, &mut started, &limits, &paused);
            }
        }
        for (at, request) in world.requests.iter().enumerate() {
            if request.arrives == now {
                let order = |at: usize| (!first.contains(&at), world.requests[at].rank, at);
                let place = waiting.partition_point(|&other| order(other) < order(at));
                waiting.insert(place, at);
                settle(now as usize, &mut waiting, &mut used, &mut started, &limits, &paused);
            }
        }
    }
    started
}

/// The most units of each limit that fall into one window of it.
pub(super) fn worst_windows(world: &World, arrivals: &[(Nanos, usize)]) -> Vec<u64> {
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

pub(super) fn over(world: &World, arrivals: &[(Nanos, usize)]) -> bool {
    let worst = worst_windows(world, arrivals);
    worst.iter().zip(&world.table).any(|(&worst, limit)| worst > limit.limit)
}
