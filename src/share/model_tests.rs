//! The promises of a shared budget, in thousands of random worlds.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::clock::Nanos;

use super::model::{Cluster, WALL};
use super::model_server::{Counting, DRIFT};
use super::model_world::{Fault, MS, World};
use super::terms::{Kind, LONG};

/// The worst window of a limit among what arrived from `since` on.
fn worst_window(cluster: &Cluster, limit: usize, interval: Nanos, quota: bool, since: Nanos) -> u64 {
    let of = cluster.arrivals.iter().filter(|one| one.1 == limit && one.0 >= since);
    let mut arrivals: Vec<(Nanos, u64)> = of.map(|one| (one.0, one.2)).collect();
    arrivals.sort_unstable();
    let window = interval - interval * DRIFT / 1_000_000;
    let (mut worst, mut sum, mut first) = (0, 0, 0);
    for &(at, units) in &arrivals {
        sum += units;
        let has_left = |start: Nanos| match quota {
            true => (WALL + start) / interval < (WALL + at) / interval,
            false => start + window <= at,
        };
        while has_left(arrivals[first].0) {
            sum -= arrivals[first].1;
            first += 1;
        }
        worst = worst.max(sum);
    }
    worst
}

/// Runs a world to its end and says what was broken.
fn run(seed: u64) -> Result<Cluster, String> {
    let world = World::random(seed);
    let longest = world.longest_interval();
    let lease = world.lease.unwrap_or(0);
    // What was held, used or in doubt when all became calm: a lease, an arrival and an interval, an eighth of one where others may
    // come again, and a little for visits and for what is posted in a long window.
    let settles = lease + world.arrival + longest + longest / 8 + longest / 32 + 1_000 * MS;
    let changed = world.faults.iter().find_map(|(_, fault)| match *fault {
        Fault::Table(limit, units, interval) => Some((limit, units, interval)),
        _ => None,
    });
    let (calm, table, routes) = (world.calm_from, world.table.clone(), world.routes.clone());
    let mut cluster = Cluster::new(world);
    cluster.run_until(calm);
    if cluster.alive().is_empty() {
        cluster.start(0);
    }
    let limits: Vec<(u64, Nanos)> = (table.iter().enumerate())
        .map(|(at, terms)| match changed {
            Some((limit, units, interval)) if limit == at => (units, interval),
            _ => (terms.limit, terms.interval),
        })
        .collect();
    cluster.run_until(calm + settles);
    for process in cluster.alive() {
        routes.iter().for_each(|route| cluster.ask(process, route.clone()));
    }
    // One after the other, if they are that heavy.
    let requests = (cluster.queued() + cluster.alive().len() * routes.len()) as u64;
    let patience = (requests + 4) * (longest + longest / 32 + cluster.world.arrival + 1_000 * MS);
    let mut until = calm + settles;
    while (cluster.queued() > 0 || cluster.now <= calm + settles) && until < calm + settles + patience {
        until += patience / 50;
        cluster.run_until(until);
    }
    if cluster.queued() > 0 {
        return Err(format!("{} requests wait for ever{}", cluster.queued(), detail(&cluster)));
    }
    // No unit is lost: after that time without any request, one for all of them passes at once.
    until += settles;
    cluster.run_until(until);
    for (at, &(units, _)) in limits.iter().enumerate() {
        let units = cluster.in_force(at)?.unwrap_or(units);
        let first = cluster.alive()[0];
        cluster.ask(first, vec![(at, units)]);
        until += 2_000 * MS;
        cluster.run_until(until);
        if cluster.queued() > 0 {
            return Err(format!("not all {units} units of limit {at} can be had{}", detail(&cluster)));
        }
    }
    for (at, terms) in table.iter().enumerate() {
        let quota = terms.kind != Kind::Rolling;
        let (units, interval) = limits[at];
        let counting = cluster.world.counting(at);
        let worst_since = |since: Nanos, interval: Nanos| match counting {
            Counting::Concurrent => cluster.most_at_server(at, since),
            _ => worst_window(&cluster, at, interval, quota, since),
        };
        let worst = worst_since(0, terms.interval.min(interval));
        if worst > terms.limit.max(units) {
            return Err(format!(
                "{worst} of {} in a window of limit {at}{}",
                terms.limit.max(units),
                detail(&cluster)
            ));
        }
        let worst = worst_since(calm + settles, interval);
        if worst > units {
            return Err(format!(
                "{worst} of {units} in a window of limit {at}, after all was calm{}",
                detail(&cluster)
            ));
        }
        let is_alone = cluster.foreign.iter().all(|one| one.1 != at);
        let worst = if is_alone && counting != Counting::ByKind { cluster.most_at_server(at, 0) } else { 0 };
        if worst > terms.limit.max(units) {
            return Err(format!(
                "{worst} of {units} of limit {at} at once, {counting:?}{}",
                detail(&cluster)
            ));
        }
    }
    if let Some(what) = cluster.broken.first() {
        return Err(format!("{what}{}", detail(&cluster)));
    }
    for at in 0..table.len() {
        if let Some(what) = cluster.over_told(at) {
            return Err(format!("a told limit {at}: {what}{}", detail(&cluster)));
        }
        if let Some(what) = cluster.over(at).filter(|_| !cluster.world.foreign.is_empty()) {
            return Err(format!("beside others, limit {at}: {what}{}", detail(&cluster)));
        }
    }
    Ok(cluster)
}

/// The world, the document and the gates, where one world is looked at.
fn detail(cluster: &Cluster) -> String {
    if std::env::var("SHARE_SEED").is_err() {
        return String::new();
    }
    let mut world = cluster.world.clone();
    world.requests.clear();
    format!(": {world:?}\n\n{:?}\n\n{}", cluster.document, cluster.describe())
}

/// How many random worlds: `SHARE_WORLDS`, or so many.
fn worlds() -> u64 {
    std::env::var("SHARE_WORLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000)
}

#[test]
fn no_window_is_ever_over_and_no_unit_is_lost() {
    let first: u64 = std::env::var("SHARE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let found = Mutex::new((0, 0, 0, Vec::new()));
    let nested = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (found, nested) = (&found, &nested);
            scope.spawn(move || {
                for seed in (first..first + worlds()).skip(thread).step_by(threads) {
                    let outcome = std::panic::catch_unwind(|| run(seed));
                    let mut found = found.lock();
                    match outcome {
                        Ok(Ok(cluster)) => {
                            found.0 += cluster.passed;
                            found.1 += cluster.visits;
                            found.2 += u64::from(cluster.world.longest_interval() > LONG);
                            nested.fetch_add(cluster.nested, Relaxed);
                        }
                        Ok(Err(what)) => found.3.push(format!("world {seed}: {what}")),
                        Err(_) => found.3.push(format!("world {seed} panicked")),
                    }
                    if found.3.len() >= 10 {
                        break;
                    }
                }
            });
        }
    });
    let (passed, visits, long, broken) = found.into_inner();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    println!("{} worlds, {long} with long windows: {passed} requests, {visits} visits", worlds());
    println!("{} within others", nested.load(Relaxed));
    assert!(worlds() < 100 || nested.into_inner() > worlds() / 4, "no request is within another");
    assert!(worlds() < 100 || passed > 10 * worlds(), "the worlds are empty");
}
