//! Everything that the throttler's lock guards.

use std::sync::Arc;
use std::sync::Weak;

use crate::clock::{Clock, Nanos};
use crate::error::Error;
use crate::gate::{Decided, Gate, Place, Waiter};
use crate::limit::RateLimit;

use super::block::{Block, Nested, Threads};
use super::effects::Effects;
use super::groups::{WakeGroup, WakeGroups};
use super::leases::{LEASE, Leases};
use super::pass::HeldUnits;
use super::turn::{Claim, Phase, Standing, Turn};

/// How often whoever waits for a quota looks at the clock on the wall, which may have been set forward meanwhile.
/// Nothing portable tells that it was. One waiter for each wake group looks, for some microseconds; a quota with nobody
/// waiting, and a rolling limit, cost nothing.
const LOOK_AT_THE_WALL: Nanos = 1_000_000_000;

/// What a waiting thread finds when it polls.
#[derive(Debug)]
pub(super) enum ThreadPoll {
    Over(Result<HeldUnits, Error>),
    /// It parks until this instant, or until it is woken.
    Park(Option<Nanos>),
}

#[derive(Debug)]
pub(super) struct Shared {
    pub clock: Clock,
    pub gate: Gate<Arc<Turn>>,
    pub groups: WakeGroups,
    pub leases: Leases,
    /// Nobody can come for a grant before this instant: whoever moves a manual clock is busy with it until then.
    pub claimable: Nanos,
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

impl Shared {
    pub fn new(clock: Clock, gate: Gate<Arc<Turn>>, table: Vec<RateLimit>) -> Self {
        Self {
            clock,
            gate,
            groups: WakeGroups::default(),
            leases: Leases::default(),
            claimable: 0,
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

    /// When the next waiting request can pass, should nothing happen before.
    pub fn next_pass(&mut self) -> Option<Nanos> {
        let lease = if self.gate.has_waiters() { self.leases.first_end() } else { None };
        self.gate.wake_at().into_iter().chain(lease).min()
    }

    /// When somebody must poll the gate again if nothing happens before.
    pub fn wake_at(&mut self, now: Nanos) -> Option<Nanos> {
        let wake = self.next_pass();
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
        self.announce(now, refused.into_iter(), effects);
        // A quota that is new does not know yet what the clock on the wall shows.
        let now = self.now();
        self.advance(now, effects);
        Ok(())
    }

    /// Brings what a request is about to take up to the table in force, and checks that it could ever pass.
    pub fn refresh(&self, held: &mut HeldUnits) -> Result<(), Error> {
        if !self.gate.is_current(&held.route) {
            held.route = self.gate.lookup(held.route.id())?.clone();
        }
        self.gate.check_units(&held.route, held.units)
    }

    /// Joins the queue. Whether others can go before it only now, or it has come for what nobody could use so far, so that
    /// the gate must be polled.
    pub fn join(
        &mut self,
        now: Nanos,
        held: &HeldUnits,
        deadline: Option<Nanos>,
        turn: &Arc<Turn>,
        effects: &mut Effects,
    ) -> bool {
        let interrupted = self.groups.interrupted(&turn.group);
        let changes = !interrupted.is_empty() || self.leases.any_over();
        for (place, outer) in interrupted {
            self.set_aside(place, outer, effects);
        }
        let waiter = Waiter { units: held.units, since: now, deadline, tag: turn.clone() };
        let place = self.gate.join(&held.route, waiter);
        *turn.phase.lock() = Phase::Waiting(place);
        self.groups.join(place, turn);
        changes
    }

    /// Takes a waiter out of the queue that is away for sure, until it comes.
    fn set_aside(&mut self, place: Place, turn: Arc<Turn>, effects: &mut Effects) {
        let (Some(route), Some(waiter)) = (self.gate.route_at(place), self.gate.remove(place)) else {
            return;
        };
        let Waiter { units, since, deadline, tag } = waiter;
        let standing = Standing { number: place.number, since, deadline };
        *turn.phase.lock() = Phase::Lapsed(HeldUnits::new(route, units), standing);
        self.groups.leave(place, &turn, effects);
        // It comes as soon as it runs.
        effects.wake(&turn);
        effects.drop_later(tag);
        effects.drop_later(turn);
    }

    /// Takes all who wait in an event loop out of the queue, granted or not: it runs none of them before whoever blocks it
    /// has passed.
    pub fn set_loop_aside(&mut self, event_loop: &WakeGroup, effects: &mut Effects) {
        let is_of_it = |turn: &Turn| turn.group.is(event_loop);
        for turn in self.leases.take_running(is_of_it) {
            self.let_lapse(turn, effects);
        }
        if !self.groups.has(event_loop) {
            return;
        }
        let waiters = self.gate.waiters().filter(|(_, waiter)| is_of_it(&waiter.tag));
        let waiters: Vec<_> = waiters.map(|(place, waiter)| (place, waiter.tag.clone())).collect();
        for (place, turn) in waiters {
            self.set_aside(place, turn, effects);
        }
    }

    /// Takes back what a waiter was granted and has not come for.
    fn let_lapse(&mut self, turn: Arc<Turn>, effects: &mut Effects) {
        let mut phase = turn.phase.lock();
        *phase = match std::mem::replace(&mut *phase, Phase::Over) {
            Phase::Granted(held, standing) if held.epoch == self.epoch => {
                self.gate.give_back(&held.route, held.units);
                Phase::Lapsed(held, standing)
            }
            other => other,
        };
        drop(phase);
        effects.drop_later(turn);
    }

    /// Lets through whoever may pass now, and has every group that waits poll in time.
    pub fn advance(&mut self, now: Nanos, effects: &mut Effects) {
        self.decide(now, effects);
        self.set_timers(now, None, effects);
    }

    /// As [`Shared::advance`], by the timer of an event loop.
    pub fn poll(&mut self, now: Nanos, group: &WakeGroup, effects: &mut Effects) -> Option<Nanos> {
        self.groups.unset(group);
        self.decide(now, effects);
        self.set_timers(now, Some(group), effects);
        self.groups.rings_at(group)
    }

    /// A waiting thread polls: its outcome if there is one; otherwise until when to park, `None` until it is woken.
    pub fn poll_in_thread(&mut self, now: Nanos, turn: &Arc<Turn>, effects: &mut Effects) -> ThreadPoll {
        loop {
            match self.claim(now, turn, effects) {
                Claim::Over(outcome) => return ThreadPoll::Over(outcome),
                Claim::Lapsed => self.rejoin(now, turn, effects),
                Claim::Waiting if !self.keeps_watch(turn) => return ThreadPoll::Park(None),
                Claim::Waiting => {
                    self.groups.unset(&turn.group);
                    self.decide(now, effects);
                    // Who was let through just now keeps no watch any more: its successor must be told.
                    let polls = self.keeps_watch(turn).then_some(&turn.group);
                    self.set_timers(now, polls, effects);
                    if polls.is_some() {
                        return ThreadPoll::Park(self.groups.rings_at(&turn.group));
                    }
                }
            }
        }
    }

    /// Lets through whoever may pass now.
    fn decide(&mut self, now: Nanos, effects: &mut Effects) {
        self.end_leases(now, effects);
        let mut decided = std::mem::take(&mut self.decided);
        self.gate.advance(now, &mut decided);
        self.announce(now, decided.drain(..), effects);
        self.decided = decided;
    }

    /// Has every group poll when next somebody can pass; `polls` learns it in its answer.
    pub fn set_timers(&mut self, now: Nanos, polls: Option<&WakeGroup>, effects: &mut Effects) {
        let wake = self.wake_at(now);
        self.groups.set(now, wake, polls, effects);
    }

    /// Whether a request waits, and keeps watch for its group.
    pub fn keeps_watch(&self, turn: &Turn) -> bool {
        match *turn.phase.lock() {
            Phase::Waiting(place) => self.groups.keeps_watch(&turn.group, place),
            _ => false,
        }
    }

    /// Tells waiting requests what became of them.
    pub fn announce(
        &mut self,
        now: Nanos,
        decided: impl Iterator<Item = Decided<Arc<Turn>>>,
        effects: &mut Effects,
    ) {
        for Decided { outcome, waiter: Waiter { units, since, deadline, tag: turn } } in decided {
            let mut phase = turn.phase.lock();
            // Whoever is in the queue waits.
            let Phase::Waiting(place) = *phase else { continue };
            *phase = match outcome {
                Ok(route) => {
                    let standing = Standing { number: place.number, since, deadline };
                    Phase::Granted(HeldUnits { epoch: self.epoch, ..HeldUnits::new(route, units) }, standing)
                }
                Err(error) => Phase::Refused(error),
            };
            let leased = turn.group.may_be_away() && matches!(*phase, Phase::Granted(..));
            drop(phase);
            if leased {
                let from = self.claimable.max(now);
                self.leases.begin(from.saturating_add(LEASE), &turn);
            }
            self.groups.leave(place, &turn, effects);
            effects.wake(&turn);
            effects.drop_later(turn);
        }
    }

    /// A waiter comes for its outcome.
    pub fn claim(&mut self, now: Nanos, turn: &Arc<Turn>, effects: &mut Effects) -> Claim {
        let mut phase = turn.phase.lock();
        match *phase {
            Phase::Waiting(_) => return Claim::Waiting,
            Phase::Lapsed(..) => return Claim::Lapsed,
            _ => {}
        }
        match std::mem::replace(&mut *phase, Phase::Over) {
            Phase::Granted(mut held, _) => {
                drop(phase);
                held.is_tight = self.gate.is_tight(&held.route);
                // A grant from before a fork was forgotten with everything else.
                if held.epoch == self.epoch && self.gate.begin(now, &held.route, held.units) {
                    self.advance(now, effects);
                }
                Claim::Over(Ok(held))
            }
            Phase::Refused(error) => Claim::Over(Err(error)),
            _ => Claim::Waiting,
        }
    }

    /// Takes back what nobody has come for in time and others can use.
    fn end_leases(&mut self, now: Nanos, effects: &mut Effects) {
        while let Some(turn) = self.leases.next_over(now) {
            // Once more: should it have been lost the first time, it comes now.
            effects.wake(&turn);
            effects.drop_later(turn);
        }
        let Self { leases, groups, .. } = self;
        for turn in leases.take_back(|turn| groups.wait_beside(&turn.group)) {
            self.let_lapse(turn, effects);
        }
    }

    /// A waiter whose grant has lapsed has come: it returns to its old place.
    pub fn rejoin(&mut self, now: Nanos, turn: &Arc<Turn>, effects: &mut Effects) {
        let mut phase = turn.phase.lock();
        *phase = match std::mem::replace(&mut *phase, Phase::Over) {
            Phase::Lapsed(mut held, Standing { number, since, deadline }) => match self.refresh(&mut held) {
                Ok(()) => {
                    let waiter = Waiter { units: held.units, since, deadline, tag: turn.clone() };
                    let place = self.gate.rejoin(number, &held.route, waiter);
                    self.groups.join(place, turn);
                    Phase::Waiting(place)
                }
                Err(error) => Phase::Refused(error),
            },
            other => other,
        };
        drop(phase);
        self.advance(now, effects);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::time::Duration;

    use super::*;
    use crate::gate::{Hold, Options};
    use crate::limit::{Period, Resets, Zone};
    use crate::wait::groups::WakeGroup;

    const DAY: Nanos = 86_400_000_000_000;

    /// When to look again, with one request passed and one waiting.
    fn wake_after(limit: RateLimit, clock: Clock) -> Nanos {
        let options = Options { hold: Hold::Start, ..Options::default() };
        let gate = Gate::new(std::slice::from_ref(&limit), options).expect("a fine table");
        let mut shared = Shared::new(clock, gate, vec![limit]);
        let now = shared.now();
        let route = shared.gate.lookup("/x").expect("known").clone();
        assert!(shared.gate.try_acquire(now, &route, 1));
        let turn = Arc::new(Turn::new(WakeGroup::Threads, Waker::noop().clone()));
        let mut effects = Effects::default();
        shared.join(now, &HeldUnits::new(route, 1), None, &turn, &mut effects);
        shared.advance(now, &mut effects);
        effects.carry_out();
        shared.wake_at(now).expect("somebody waits") - now
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
