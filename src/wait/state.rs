//! Everything that the throttler's lock guards.

use std::sync::Arc;
use std::sync::Weak;

use crate::clock::{Clock, Nanos};
use crate::error::Error;
use crate::gate::{Decided, Gate, Waiter};
use crate::limit::RateLimit;

use super::block::{Block, Nested, Threads};
use super::pass::Charge;
use super::turn::{Phase, Turn};
use super::watch::{Effects, Looker, Watch};

/// How often whoever waits for a quota looks at the clock on the wall, which may have been set forward meanwhile.
/// Nothing portable tells that it was. One waiter for each station looks, for some microseconds; a quota with nobody
/// waiting, and a rolling limit, cost nothing.
const LOOK_AT_THE_WALL: Nanos = 1_000_000_000;

#[derive(Debug)]
pub(super) struct State {
    pub clock: Clock,
    pub gate: Gate<Arc<Turn>>,
    pub watch: Watch,
    /// The table in force.
    pub table: Vec<RateLimit>,
    /// How often everything in flight was settled at once, by a fork.
    pub epoch: u32,
    /// The blocks that requests may be within.
    pub blocks: Vec<Weak<Block>>,
    /// The waits within such blocks.
    pub nested: Vec<Weak<Nested>>,
    pub threads: Threads,
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
            blocks: Vec::new(),
            nested: Vec::new(),
            threads: Threads::default(),
            #[cfg(feature = "tokio")]
            runtimes: Vec::new(),
            decided: Vec::new(),
        }
    }

    pub fn now(&mut self) -> Nanos {
        self.gate.now(&self.clock)
    }

    /// When somebody must look at the gate again if nothing happens before.
    pub fn wake_at(&self, now: Nanos) -> Option<Nanos> {
        let wake = self.gate.wake_at();
        // Whoever sets a manual clock looks.
        if self.clock.is_manual() || !self.gate.waits_for_wall_time() {
            return wake;
        }
        let look = now.saturating_add(LOOK_AT_THE_WALL);
        Some(wake.map_or(look, |wake| wake.min(look)))
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
        // A quota that is new does not know yet what the clock on the wall shows.
        let now = self.now();
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
        self.watch.set(self.wake_at(now), told.map(Looker::station), effects);
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
                Ok(route) => Phase::Granted(Charge { epoch: self.epoch, ..Charge::new(route, units) }),
                Err(error) => Phase::Refused(error),
            };
            if let Phase::Waiting(place) = std::mem::replace(&mut *turn.phase.lock(), outcome) {
                self.watch.leave(place, &turn, effects);
            }
            effects.wake(turn.waker());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::time::Duration;

    use super::*;
    use crate::gate::{Hold, Options};
    use crate::limit::{Period, Resets, Zone};
    use crate::wait::watch::Station;

    const DAY: Nanos = 86_400_000_000_000;

    /// When to look again, with one request passed and one waiting.
    fn wake_after(limit: RateLimit, clock: Clock) -> Nanos {
        let options = Options { hold: Hold::Start, ..Options::default() };
        let gate = Gate::new(std::slice::from_ref(&limit), options).expect("a fine table");
        let mut state = State::new(clock, gate, vec![limit]);
        let now = state.now();
        let route = state.gate.lookup("/x").expect("known").clone();
        assert!(state.gate.try_acquire(now, &route, 1));
        let turn = Arc::new(Turn::new(Station::Threads, Waker::noop().clone()));
        state.join(now, &Charge::new(route, 1), None, &turn);
        let mut effects = Effects::default();
        state.advance(now, None, &mut effects);
        effects.carry_out();
        state.wake_at(now).expect("somebody waits") - now
    }

    fn quota() -> RateLimit {
        let zone = Zone::named("UTC").expect("UTC");
        RateLimit::quota("/x", 1, Resets { period: Period::Span(365 * DAY), zone })
    }

    #[test]
    fn who_waits_for_a_quota_looks_at_the_wall_each_second() {
        assert_eq!(wake_after(quota(), Clock::monotonic()), LOOK_AT_THE_WALL);
    }

    #[test]
    fn nobody_looks_at_the_wall_for_a_rolling_limit_or_on_a_manual_clock() {
        assert_eq!(wake_after(quota(), Clock::manual()), 365 * DAY);
        let rolling = RateLimit::new("/x", 1, Duration::from_nanos(DAY));
        assert_eq!(wake_after(rolling, Clock::monotonic()), DAY);
    }
}
