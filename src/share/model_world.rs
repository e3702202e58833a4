//! Random worlds for the model: limits, processes, requests, and what goes wrong.

use crate::clock::Nanos;

use super::model_news::Saying;
use super::model_server::Server;
use super::terms::{Kind, LONG, Terms};

pub(super) const MS: Nanos = 1_000_000;

/// Splitmix64: the same numbers from the same seed, everywhere.
#[derive(Clone, Debug)]
pub(super) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to below `high`.
    pub fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low)
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// What goes wrong at an instant.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    Crash(usize),
    /// For so long.
    Stop(usize, Nanos),
    /// A clean end.
    Leave(usize),
    Fork(usize),
    /// The store forgets everything.
    Forget,
    /// The store forgets the last visits (leases only).
    RollBack,
    /// The store's clock steps (leases only).
    Step(i64),
    /// All processes change their tables one after the other: limit by index, new limit, new interval.
    Table(usize, u64, Nanos),
}

/// A world and all that will happen in it.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub seed: u64,
    pub processes: usize,
    pub table: Vec<Terms>,
    /// What requests take: (limit, units).
    pub routes: Vec<Vec<(usize, u64)>>,
    /// The priority of the requests of each route: 0 beyond the last.
    pub priorities: Vec<i16>,
    pub patience: Option<Nanos>,
    pub by_start: bool,
    pub lease: Option<Nanos>,
    pub arrival: Nanos,
    pub margin: Nanos,
    /// (when, process, route).
    pub requests: Vec<(Nanos, usize, usize)>,
    pub faults: Vec<(Nanos, Fault)>,
    /// Replies and requests to the store that get lost, in percent.
    pub lossy: u64,
    /// When nothing goes wrong any more.
    pub calm_from: Nanos,
    /// So many requests of a hundred make another one within their block.
    pub nests: u64,
    /// What the exchange says to processes: (when, process, limit, what).
    pub said: Vec<(Nanos, usize, usize, Saying)>,
    /// What others use beside the budget, if the server has room: (when, limit, units).
    pub foreign: Vec<(Nanos, usize, u64)>,
    /// How the server counts, and what its answers tell.
    pub server: Server,
}

impl World {
    pub fn random(seed: u64) -> Self {
        let mut random = Random(seed);
        let r = &mut random;
        let processes = r.within(1, 6) as usize;
        let long = r.chance(15);
        let margin = if r.chance(50) { 0 } else { r.within(20, 200) * MS };
        let table: Vec<Terms> = (0..r.within(1, 4))
            .map(|at| {
                let quota = r.chance(20);
                let interval = match (long, quota) {
                    (true, _) if r.chance(70) => LONG + r.within(1, 60) * 1_000 * MS,
                    (_, true) => 4 * margin + r.within(500, 3_000) * MS,
                    _ => r.within(50, 1_500) * MS,
                };
                let kind = if quota { Kind::Quota(interval.to_string()) } else { Kind::Rolling };
                Terms {
                    id: format!("limit {at}"),
                    limit: r.within(1, if long { 200 } else { 16 }),
                    interval,
                    kind,
                    reserve: Vec::new(),
                }
            })
            .collect();
        let routes: Vec<Vec<(usize, u64)>> = (0..r.within(1, 4))
            .map(|_| {
                let mut needs: Vec<(usize, u64)> = Vec::new();
                for (at, terms) in table.iter().enumerate() {
                    if r.chance(60) {
                        let most = if r.chance(25) { terms.limit } else { terms.limit.min(3) };
                        needs.push((at, r.within(1, most + 1)));
                    }
                }
                if needs.is_empty() {
                    needs.push((r.within(0, table.len() as u64) as usize, 1));
                }
                needs
            })
            .collect();
        let lease =
            r.chance(50).then(|| if long { r.within(6_000, 20_000) } else { r.within(600, 3_000) } * MS);
        let lasts = if long { 200_000 * MS } else { r.within(1_000, 6_000) * MS };
        let mut requests: Vec<(Nanos, usize, usize)> = Vec::new();
        for _ in 0..r.within(3, 14) {
            // A burst, or one alone.
            let (at, process) = (r.within(0, lasts), r.within(0, processes as u64) as usize);
            let route = r.within(0, routes.len() as u64) as usize;
            for nth in 0..if r.chance(40) { r.within(1, 9) } else { 1 } {
                requests.push((at + nth * r.within(0, 20 * MS), process, route));
            }
        }
        let mut faults: Vec<(Nanos, Fault)> = (0..r.within(0, 7))
            .map(|_| {
                let process = r.within(0, processes as u64 + 1) as usize;
                let fault = match r.within(0, 14) {
                    0..3 => Fault::Crash(process),
                    3..6 => Fault::Stop(process, r.within(1, 8_000) * MS),
                    6..8 => Fault::Leave(process),
                    8 => Fault::Fork(process),
                    9 => Fault::Forget,
                    10 => Fault::RollBack,
                    11 => Fault::Step(
                        r.within(1, 20_000_000) as i64 * MS as i64 * [-1, 1][r.chance(70) as usize],
                    ),
                    12 => Fault::Step(r.within(1, 3_000) as i64 * MS as i64),
                    _ => {
                        let at = r.within(0, table.len() as u64) as usize;
                        let same = table[at].kind != Kind::Rolling || r.chance(50);
                        let factor = r.within(2, 9);
                        let interval = table[at].interval;
                        let most = routes.iter().flatten().filter(|one| one.0 == at).map(|one| one.1).max();
                        let limit = r.within(most.unwrap_or(1), table[at].limit * 2 + 1);
                        Fault::Table(at, limit, if same { interval } else { interval * factor / 4 })
                    }
                };
                (r.within(0, lasts), fault)
            })
            .collect();
        // What a store forgets of a long window cannot be known, and its time without witnesses is taken from its clock.
        let forgetful = |fault: &Fault| matches!(fault, Fault::Forget | Fault::RollBack | Fault::Step(_));
        faults.retain(|(_, fault)| !(long && forgetful(fault)));
        faults.retain(|(_, fault)| lease.is_some() || !matches!(fault, Fault::RollBack | Fault::Step(_)));
        // One change of the table in a world: what holds before and after it is known.
        let mut changed = false;
        faults.retain(|(_, fault)| {
            !matches!(fault, Fault::Table(..)) || !std::mem::replace(&mut changed, true)
        });
        let lossy = if r.chance(40) { r.within(1, 40) } else { 0 };
        let arrival = if r.chance(50) { r.within(1, 100) } else { r.within(1, 1_000) } * MS;
        let by_start = r.chance(40);
        let classes = &mut Random(seed ^ 0xc1a5);
        let ranked = classes.chance(50);
        let priorities =
            routes.iter().map(|_| if ranked { classes.within(0, 4) as i16 - 1 } else { 0 }).collect();
        let patience = classes.chance(50).then(|| classes.within(1, 2_000) * MS);
        let world = Self {
            seed,
            processes,
            table,
            routes,
            priorities,
            patience,
            by_start,
            lease,
            arrival,
            margin,
            requests,
            faults,
            lossy,
            calm_from: lasts + 8_000 * MS,
            nests: 0,
            foreign: Vec::new(),
            said: Vec::new(),
            server: Server::default(),
        };
        let world = if Random(!seed).chance(25) { world.nested() } else { world };
        let world = if Random(seed ^ 0xf0e1).chance(40) { world.beside_others() } else { world };
        let world = world.with_server();
        if Random(seed ^ 0x5a1d).chance(40) { world.spoken_to(seed) } else { world }
    }

    /// The same beside others, who use a part of the limits in bursts; answers tell how much is left.
    fn beside_others(mut self) -> Self {
        let mut random = Random(self.seed ^ 0x0ff1);
        // The server's limit and its windows are those of the table.
        self.faults.retain(|(_, fault)| !matches!(fault, Fault::Table(..)));
        for _ in 0..random.within(1, 30) {
            let limit = random.within(0, self.table.len() as u64) as usize;
            let units = random.within(1, self.table[limit].limit / 2 + 2);
            self.foreign.push((random.within(0, self.calm_from - 8_000 * MS), limit, units));
        }
        self
    }

    /// The same with larger limits, light requests, and more of them, some within others.
    fn nested(mut self) -> Self {
        let mut random = Random(self.seed ^ 0xb10c);
        for terms in &mut self.table {
            terms.limit = random.within(64, 400);
        }
        for (at, units) in self.routes.iter_mut().flatten() {
            let most = self.table[*at].limit / 16;
            *units = if random.chance(60) { most } else { random.within(1, most.min(4) + 1) };
        }
        for (at, process, route) in self.requests.clone() {
            for _ in 0..random.within(0, 20) {
                self.requests.push((at + random.within(0, 300) * MS, process, route));
            }
        }
        // A limit that shrinks is the matter of the gate that it belongs to: it settles what is in flight.
        self.faults.retain(|(_, fault)| !matches!(fault, Fault::Table(..)));
        Self { nests: 40, ..self }
    }

    /// The priority of requests that take this.
    pub fn priority_of(&self, needs: &[(usize, u64)]) -> i16 {
        let route = self.routes.iter().position(|route| route == needs);
        route.and_then(|route| self.priorities.get(route)).copied().unwrap_or(0)
    }

    /// The most that a request takes of each limit.
    pub fn heaviest(&self) -> Vec<u64> {
        let mut heaviest = vec![0; self.table.len()];
        for &(at, units) in self.routes.iter().flatten() {
            heaviest[at] = units.max(heaviest[at]);
        }
        heaviest
    }

    pub fn longest_interval(&self) -> Nanos {
        let changed = self.faults.iter().filter_map(|(_, fault)| match fault {
            Fault::Table(_, _, interval) => Some(*interval),
            _ => None,
        });
        self.table.iter().map(|terms| terms.interval).chain(changed).max().unwrap_or(0)
    }
}
