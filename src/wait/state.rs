//! Everything that the throttler's lock guards.

use std::sync::Arc;

use crate::clock::{Clock, Nanos};
use crate::error::Error;
use crate::gate::{Decided, Gate, Waiter};
use crate::limit::RateLimit;

use super::pass::Charge;
use super::turn::{Phase, Turn};
use super::watch::{Effects, Looker, Watch};

#[derive(Debug)]
pub(super) struct State {
    pub clock: Clock,
    pub gate: Gate<Arc<Turn>>,
    pub watch: Watch,
    /// The table in force.
    pub table: Vec<RateLimit>,
    /// How often everything in flight was settled at once: by a fork, or for a request within another's block.
    pub epoch: u32,
    /// The tokio runtimes in which requests wait.
    #[cfg(feature = "tokio")]
    pub runtimes: super::tokio::Runtimes,
    /// Kept for its allocation.
    decided: Vec<Decided<Arc<Turn>>>,
}

impl State {
    pub fn new(clock: Clock, gate: Gate<Arc<Turn>>, table: Vec<RateLimit>) -> Self {
        Self {
            clock,
            gate,
            watch: Watch::default(),
            table,
            epoch: 0,
            #[cfg(feature = "tokio")]
            runtimes: Vec::new(),
            decided: Vec::new(),
        }
    }

    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Replaces the table, whole or not at all.
    pub fn set_table(
        &mut self,
        now: Nanos,
        table: Vec<RateLimit>,
        effects: &mut Effects,
    ) -> Result<(), Error> {
        let refused = self.gate.set_table(now, &table)?;
        self.table = table;
        self.announce(refused.into_iter(), effects);
        self.advance(now, None, effects);
        Ok(())
    }

    /// Brings what a request is about to take up to the table in force, and checks that it could ever pass.
    pub fn refresh(&self, charge: &mut Charge) -> Result<(), Error> {
        if !self.gate.is_current(&charge.route) {
            charge.route = self.gate.lookup(charge.route.id())?.clone();
        }
        self.gate.check_units(&charge.route, charge.units)
    }

    pub fn join(&mut self, now: Nanos, charge: &Charge, deadline: Option<Nanos>, turn: &Arc<Turn>) {
        let waiter = Waiter { units: charge.units, since: now, deadline, tag: turn.clone() };
        let place = self.gate.join(&charge.route, waiter);
        *turn.phase.lock() = Phase::Waiting(place);
        self.watch.join(place, turn);
    }

    /// Lets through whoever may pass now, and has everybody who waits look again in time.
    pub fn advance(&mut self, now: Nanos, looker: Option<Looker<'_>>, effects: &mut Effects) {
        let mut decided = std::mem::take(&mut self.decided);
        self.gate.advance(now, &mut decided);
        self.announce(decided.drain(..), effects);
        self.decided = decided;
        // Whoever was let through just now does not look again: its successor must be told.
        let told = looker.filter(|looker| match looker {
            Looker::Loop(_) => true,
            Looker::Waiter(turn) => self.keeps_watch(turn),
        });
        self.watch.set(self.gate.wake_at(), told.map(Looker::station), effects);
    }

    /// Whether a request waits, and keeps watch for its station.
    pub fn keeps_watch(&self, turn: &Turn) -> bool {
        match *turn.phase.lock() {
            Phase::Waiting(place) => self.watch.keeps_watch(&turn.station, place),
            _ => false,
        }
    }

    /// Tells waiting requests what became of them.
    pub fn announce(&mut self, decided: impl Iterator<Item = Decided<Arc<Turn>>>, effects: &mut Effects) {
        for Decided { outcome, waiter: Waiter { units, tag: turn, .. } } in decided {
            let outcome = match outcome {
                Ok(route) => Phase::Granted(Charge { route, units, epoch: self.epoch }),
                Err(error) => Phase::Refused(error),
            };
            if let Phase::Waiting(place) = std::mem::replace(&mut *turn.phase.lock(), outcome) {
                self.watch.leave(place, &turn, effects);
            }
            effects.wake(turn.waker());
        }
    }
}
