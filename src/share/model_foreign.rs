//! Others who use the server beside the model's cluster, and what its answers tell of them.

use crate::clock::Nanos;

use super::model::{Cluster, Told};
use super::model_gate::ModelAnswer;
use super::model_server::{Counting, Server};
use super::model_world::MS;
use super::state::ScopeState;
use super::terms::LONG;
use super::visit::Request;

impl ScopeState {
    /// Of each budget: its id, the number of its last question, whether that is open, and the pool.
    pub(super) fn tallies(&self) -> Vec<(String, u64, bool, i64)> {
        let of = |budget: &super::state::Budget| {
            let (number, is_open) = budget.tally.as_ref().map_or((0, false), |tally| tally.shown());
            (budget.id.clone(), number, is_open, budget.pool)
        };
        self.budgets.iter().map(of).collect()
    }
}

impl Cluster {
    /// Others come; they are refused where the server has no room.
    pub(super) fn come(&mut self, limit: usize, units: u64) {
        if self.at_server(limit, self.now, false) + units <= self.table[limit].limit {
            self.foreign.push((self.now, limit, units));
        }
    }

    /// A process hears how much was left when its request arrived. `truly`: when it had left and was counted.
    pub(super) fn hear(
        &mut self,
        process: usize,
        limits: &[usize],
        since: Nanos,
        (left, counted): (Nanos, Nanos),
    ) {
        let at = self.local_of(process);
        let Server { tells_end, expects: expect, .. } = self.world.server;
        for &limit in limits {
            if self.world.counting(limit) == Counting::Concurrent {
                continue;
            }
            let used = self.at_server(limit, counted, false);
            let remaining = self.table[limit].limit as i64 - used as i64;
            let window = self.known_window(process, limit, left, counted);
            // As long as it had to go when the server counted.
            let ends = self.window(limit, counted, false).1.filter(|_| tells_end);
            let until = ends.map(|ends| at + (ends - counted));
            let one = &mut self.processes[process].gate.limits[limit];
            // As a gate does: an answer may be 10 s old at most, and must not tell of the window before.
            let is_old = at - since > one.interval.min(10_000_000_000);
            let is_before =
                one.period.is_some_and(|period| (since - one.margin) / period != (at + one.margin) / period);
            if !is_old && !is_before {
                let truly = (left, counted, window.map(|window| window.1));
                let window = window.map(|window| window.0);
                one.hear(ModelAnswer { remaining, since, at, until, window, expect, truly });
            }
        }
    }

    /// Notes which questions a visit opened and closed.
    pub(super) fn note_tallies(
        &mut self,
        visitor: usize,
        request: &Request,
        before: &[(String, u64, bool, i64)],
        after: &[(String, u64, bool, i64)],
    ) {
        for (id, number, is_open, _) in after {
            let old = before.iter().find(|one| one.0 == *id);
            let limit = request.table.iter().position(|terms| terms.id == *id);
            let Some(limit) = limit else { continue };
            if *number > old.map_or(0, |one| one.1) {
                self.counting.insert((limit, *number), self.processes[visitor].news[limit]);
            }
            let closed = old.is_none_or(|one| one.2 || one.1 < *number) && !is_open && *number > 0;
            if let Some(&truly) = self.counting.get(&(limit, *number)).filter(|_| closed) {
                self.told.push(Told { limit, truly, closed: self.visits, spread_at: None });
            }
        }
    }

    /// Whether all keep to what a question found: those who should hold less do.
    pub(super) fn spread(&mut self) {
        let Some(document) = &self.document else { return };
        let pools = document.tallies();
        for told in self.told.iter_mut().filter(|told| told.spread_at.is_none()) {
            let pool = pools.iter().find(|one| one.0 == self.table[told.limit].id).map_or(0, |one| one.3);
            let come = |one: &super::model::Process| {
                one.answered >= told.closed && self.now >= one.stopped_until && !one.asking
            };
            if pool >= 0 || self.processes.iter().filter(|one| one.alive).all(come) {
                told.spread_at = Some(self.now);
            }
        }
    }

    /// What arrived that was too much, but for what is promised. That is, as of the last number of the exchange that all had
    /// heard of when the request left: others who came later; own units that were on their way then, or left before all had
    /// heard; and own units that the exchange had forgotten already, and processes not yet.
    pub(super) fn over(&self, limit: usize) -> Option<String> {
        let interval = self.table[limit].interval;
        // What is posted comes free at the multiples of a part of the interval.
        let late = if interval > LONG { interval / 32 } else { interval / 3_000 } + 200 * MS;
        for (nth, &(at, of, units)) in self.arrivals.iter().enumerate() {
            if of != limit {
                continue;
            }
            let left = self.spans[nth].left;
            let told = self.told.iter().filter(|told| told.limit == limit);
            let told = told.filter_map(|told| Some((told.truly, told.spread_at?)));
            let heard = told.filter(|&(_, spread)| spread < left).max_by_key(|told| told.0.1);
            let (truly, spread) = heard.unwrap_or_default();
            let (since, counted_at, began) = truly;
            let (opened, _) = self.window(limit, at, true);
            let in_window = |one: &(Nanos, usize, u64)| one.1 == limit && (opened..=at).contains(&one.0);
            let (counted_from, _) = self.window(limit, counted_at, false);
            let later = self.foreign.iter().filter(|one| one.0 > counted_at && in_window(one));
            let own = self.arrivals.iter().zip(&self.spans).filter(|(one, _)| one.1 == limit);
            let between = own.filter(|&(one, span)| {
                let on_its_way = in_window(one) && one.0 > counted_at && span.left <= spread;
                // It had gone before the exchange's window began, as far as anybody could know.
                let is_told = began.is_some_and(|began| span.ended + late < began);
                let forgotten = one.0 < counted_from && span.ended + interval + late > since && !is_told;
                on_its_way || forgotten
            });
            let excused: u64 =
                later.map(|one| one.2).sum::<u64>() + between.map(|(one, _)| one.2).sum::<u64>();
            let used = self.at_server(limit, at, true);
            if used > self.table[limit].limit + excused {
                return Some(format!(
                    "{used} of {} at {at}, {excused} excused, {units} units left at {left}: the exchange had counted at \
                     {counted_at}, and all had heard at {spread}",
                    self.table[limit].limit
                ));
            }
        }
        None
    }
}
