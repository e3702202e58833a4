//! What the exchange says to one process of the model's cluster: pauses, and limits that have changed. All keep to it from the
//! moment at which it is in the store, as they hear of it.

use crate::clock::Nanos;

use super::learned::ToldLimit;
use super::model::Cluster;
use super::model_world::{MS, World};
use super::pauses::{Pause, SAME_END};
use super::state::{MemberId, ScopeState};
use super::time::STALE;
use super::visit::{Answer, Request};

/// What the exchange says of a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Saying {
    /// Nothing may leave for so long.
    Pause(Nanos),
    /// It has so many units.
    Limit(u64),
}

/// What a process was told, and who knows of it.
#[derive(Clone, Debug)]
pub(super) struct Said {
    limit: usize,
    saying: Saying,
    at: Nanos,
    /// The number of the visit that brought it into the store; `None` while it is not there.
    stored: Option<u64>,
    /// The processes that know of it.
    heard: Vec<MemberId>,
    /// Since when all keep to a limit: those who should hold less do.
    spread_at: Option<Nanos>,
}

impl Said {
    /// Whether what a document says covers it, as of `now`.
    fn is_in(&self, now: Nanos, request: &Request, state: &ScopeState) -> bool {
        match self.saying {
            // One who leaves has told it before, or leaves a store that has lost it.
            Saying::Pause(lasts) => {
                !request.leaves
                    && request.pauses.iter().any(|pause| {
                        pause.limit == self.limit && now + pause.left + SAME_END >= self.at + lasts
                    })
            }
            Saying::Limit(units) => {
                let id = &request.table[self.limit].id;
                let told = state.budgets.iter().find(|budget| budget.id == *id).and_then(|one| one.told);
                told.is_some_and(|told| told.limit == units)
                    && request.limits[self.limit].told.is_some_and(|(told, _)| told == units)
            }
        }
    }
}

impl World {
    /// The same where the exchange tells processes of pauses; and of limits that have changed, where nobody else changes
    /// what holds.
    pub(super) fn spoken_to(mut self, seed: u64) -> Self {
        let random = &mut super::model_world::Random(seed ^ 0x7e11);
        let lasts = self.calm_from - 8_000 * MS;
        let limits = self.table.len() as u64;
        for _ in 0..random.within(0, 4) {
            let pause = Saying::Pause(random.within(1, 3_000) * MS);
            let process = random.within(0, self.processes as u64) as usize;
            self.said.push((random.within(0, lasts), process, random.within(0, limits) as usize, pause));
        }
        let is_changed = |(_, fault): &(Nanos, super::model_world::Fault)| {
            matches!(fault, super::model_world::Fault::Table(..))
        };
        if self.foreign.is_empty() && !self.faults.iter().any(is_changed) {
            // A queue that lasts for hours makes clocks drift by more than the margin that the limits have.
            let slowest = if self.nests > 0 { 2 } else { u64::MAX };
            let heaviest = self.heaviest();
            for _ in 0..random.within(0, 3) {
                let limit = random.within(0, limits) as usize;
                // What requests need can still be had.
                let units = random.within(
                    heaviest[limit].max(1).max(self.table[limit].limit / slowest),
                    self.table[limit].limit + 1,
                );
                let process = random.within(0, self.processes as u64) as usize;
                self.said.push((random.within(0, lasts), process, limit, Saying::Limit(units)));
            }
        }
        self
    }
}

impl Cluster {
    /// The exchange says something to a process.
    pub(super) fn tell(&mut self, at: usize, limit: usize, saying: Saying) {
        let now = self.local_of(at);
        let process = &mut self.processes[at];
        let gate = &mut process.gate.limits[limit];
        match saying {
            Saying::Pause(lasts) => gate.paused_until = gate.paused_until.max(now + lasts),
            Saying::Limit(units) => gate.told = Some((units, now)),
        }
        let heard = vec![process.id];
        self.said.push(Said { limit, saying, at: self.now, stored: None, heard, spread_at: None });
    }

    /// Notes what came into the store with a visit.
    pub(super) fn note_said(&mut self, request: &Request, state: &ScopeState) {
        let (now, visit) = (self.now, self.visits);
        let own =
            self.said.iter_mut().filter(|one| one.stored.is_none() && one.heard.contains(&request.member));
        own.filter(|one| one.is_in(now, request, state)).for_each(|one| one.stored = Some(visit));
    }

    /// A process takes what an answer of the store tells.
    pub(super) fn learn_said(&mut self, at: usize, visit: u64, answer: &Answer) {
        let now = self.local_of(at);
        let process = &mut self.processes[at];
        for Pause { limit, left, .. } in &answer.pauses {
            let gate = &mut process.gate.limits[*limit];
            if now + left > gate.paused_until.max(now) + SAME_END {
                gate.paused_until = now + left;
            }
        }
        for (gate, granted) in process.gate.limits.iter_mut().zip(&answer.limits) {
            let of = |(units, at): (u64, Nanos)| ToldLimit { limit: units, at: at as i64 };
            let told = granted.told.map(|(units, age)| ToldLimit::of(units, age, now));
            if let Some(told) = told.filter(|told| told.replaces(gate.told.map(of))) {
                gate.told = Some((told.limit, u64::try_from(told.at).unwrap_or(0)));
            }
        }
        let id = process.id;
        for one in self.said.iter_mut().filter(|one| one.stored.is_some_and(|stored| stored <= visit)) {
            if !one.heard.contains(&id) {
                one.heard.push(id);
            }
        }
    }

    /// Whether all keep to limits that they were told of by now.
    pub(super) fn spread_limits(&mut self) {
        let Some(document) = &self.document else { return };
        // Of a store that has forgotten, the pool is not what nobody holds.
        let paid = |limit: usize| {
            let at = document.budgets.iter().position(|budget| budget.id == self.table[limit].id);
            at.is_none_or(|at| document.budgets[at].pool >= 0 && !document.is_locked(at))
        };
        let keeps = |one: &super::model::Process, stored: u64| {
            one.answered >= stored && self.now >= one.stopped_until && !one.asking
        };
        for one in self.said.iter_mut().filter(|one| one.spread_at.is_none()) {
            let Some(stored) = one.stored else { continue };
            if paid(one.limit) || self.processes.iter().filter(|one| one.alive).all(|one| keeps(one, stored))
            {
                one.spread_at = Some(self.now);
            }
        }
    }

    /// The store has forgotten: what is told again is there again.
    pub(super) fn forget_said(&mut self) {
        self.said.iter_mut().for_each(|one| (one.stored, one.spread_at) = (None, None));
    }

    /// A process lets a request through: not during a pause that it knows of, or should know of.
    pub(super) fn check_pauses(&mut self, at: usize, needs: &[(usize, u64)]) {
        let id = self.processes[at].id;
        for one in self.said.iter().filter(|one| one.heard.contains(&id)) {
            let Saying::Pause(lasts) = one.saying else { continue };
            // The same end may be told twice; clocks drift; the time of a server may be a little old.
            let ends = one.at + lasts - lasts / 3_000;
            let early = 2 * SAME_END + if self.world.lease.is_some() { STALE } else { 0 };
            if needs.iter().any(|need| need.0 == one.limit) && self.now + early < ends {
                self.broken.push(format!(
                    "{id:?} sent at {} in a pause of limit {} until {ends}",
                    self.now, one.limit
                ));
            }
        }
    }

    /// The limit that the exchange has told and that is in force; an error if a later one is in the store.
    pub(super) fn in_force(&self, limit: usize) -> Result<Option<u64>, String> {
        let document = self.document.as_ref().ok_or("nobody is there")?;
        let budget = document.budgets.iter().find(|budget| budget.id == self.table[limit].id);
        let told = budget.and_then(|budget| budget.told).map(|told| told.limit);
        let last = self.said.iter().filter(|one| one.limit == limit && one.stored.is_some());
        let last = last.filter_map(|one| match one.saying {
            Saying::Limit(units) => Some((one.at, std::cmp::Reverse(units))),
            Saying::Pause(_) => None,
        });
        // Of two at the same time, as far as clocks tell, the smaller one.
        let is_as_late = |at: Nanos, units: u64| {
            let one = self.said.iter().filter(|one| one.limit == limit && one.stored.is_some());
            let mut one = one.filter(|one| one.at + SAME_END + MS >= at);
            one.any(|one| told.is_some_and(|told| told < units && one.saying == Saying::Limit(told)))
        };
        match last.max() {
            Some((at, std::cmp::Reverse(units))) if told != Some(units) && !is_as_late(at, units) => {
                let (said, faults) = (&self.said, &self.world.faults);
                Err(format!(
                    "limit {limit} was told to be {units} at {at}, and {told:?} is in force: {said:?}, {faults:?}, lease {:?}",
                    self.world.lease
                ))
            }
            _ => Ok(told),
        }
    }

    /// What arrived that was too much beside limits that all had been told of.
    pub(super) fn over_told(&self, limit: usize) -> Option<String> {
        let told = |one: &Said| match one.saying {
            Saying::Limit(units) if one.limit == limit => Some((one.at, units, one.spread_at)),
            _ => None,
        };
        let told: Vec<(Nanos, u64, Option<Nanos>)> = self.said.iter().filter_map(told).collect();
        if told.is_empty() {
            return None;
        }
        for (nth, &(at, of, units)) in self.arrivals.iter().enumerate() {
            if of != limit {
                continue;
            }
            let left = self.spans[nth].left;
            let spread = told.iter().filter(|one| one.2.is_some_and(|spread| spread < left));
            let last = spread.max_by_key(|one| one.0);
            // What was told since then may have reached some.
            let since = last.map_or(0, |one| one.0);
            let most = told.iter().filter(|one| one.0 >= since).map(|one| one.1);
            let whole = last.is_none().then_some(self.table[limit].limit);
            let most = most.chain(whole).max().unwrap_or(0);
            let used = self.at_server(limit, at, true);
            if used > most {
                return Some(format!("{used} of {most} at {at}, {units} of them left at {left}: {told:?}"));
            }
        }
        None
    }
}
