//! When the gate is polled next, and what follows: those who may pass are let through, and each wake group is to poll in time.

use std::sync::Arc;

use crate::clock::Nanos;
use crate::error::Error;

use super::effects::Effects;
use super::pass::HeldUnits;
use super::shared::Shared;
use super::throttler::Throttler;
use super::turn::{Claim, Phase, Turn};
use super::wake_groups::WakeGroup;

/// How often requests that wait for a quota read the clock on the wall, which may have been set forward meanwhile. No
/// portable call reports that it was. One waiter for each wake group reads it, for some microseconds; a quota for which none
/// wait, and a rolling limit, cost nothing.
const POLL_OF_WALL_CLOCK: Nanos = 1_000_000_000;

/// What a waiting thread finds when it polls.
#[derive(Debug)]
pub(super) enum ThreadPoll {
    Over(Result<HeldUnits, Error>),
    /// It parks until this instant, or until it is woken.
    Park(Option<Nanos>),
}

impl Shared {
    /// When the next waiting request can pass, should nothing happen before.
    pub fn next_pass(&mut self) -> Option<Nanos> {
        let lease = if self.gate.has_waiters() { self.leases.first_end() } else { None };
        self.gate.wake_at().into_iter().chain(lease).min()
    }

    /// When somebody must poll the gate again if nothing happens before.
    pub fn wake_at(&mut self, now: Nanos) -> Option<Nanos> {
        let event = self.next_event();
        let wake = self.next_pass().into_iter().chain(event).min();
        // The thread that sets a manual clock polls.
        if self.clock.is_manual() || !self.gate.waits_for_wall_time() {
            return wake;
        }
        let poll = now.saturating_add(POLL_OF_WALL_CLOCK);
        Some(wake.map_or(poll, |wake| wake.min(poll)))
    }

    /// Lets through all that may pass now, and has every group that waits poll in time.
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
                    // A request that was let through just now keeps no watch any more: its successor must be woken.
                    let polls = self.keeps_watch(turn).then_some(&turn.group);
                    self.set_timers(now, polls, effects);
                    if polls.is_some() {
                        return ThreadPoll::Park(self.groups.rings_at(&turn.group));
                    }
                }
            }
        }
    }

    /// Lets through all that may pass now.
    fn decide(&mut self, now: Nanos, effects: &mut Effects) {
        self.end_leases(now, effects);
        let mut decided = std::mem::take(&mut self.decided);
        self.gate.advance(now, &mut decided);
        self.announce(now, decided.drain(..), effects);
        self.decided = decided;
        self.note_time(now);
    }

    /// Has every group poll when next somebody can pass; the group that `polls` gets it as its answer.
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
}

impl Throttler {
    /// A waiting thread polls: its outcome, or for how long to park.
    pub(super) fn poll_in_thread(&self, turn: &Arc<Turn>) -> ThreadPoll {
        self.locked(|shared, now, effects| shared.poll_in_thread(now, turn, effects))
    }

    /// An event loop's timer has gone off. Returns when it must ring again.
    pub(crate) fn poll(&self, group: &WakeGroup) -> Option<Nanos> {
        self.locked(|shared, now, effects| shared.poll(now, group, effects))
    }

    /// When an event loop's timer must ring; `None` where nobody waits.
    pub(crate) fn rings_at(&self, group: &WakeGroup) -> Option<Nanos> {
        self.shared.lock().groups.rings_at(group)
    }

    /// An event loop's timer could not be set: it shall be asked for again at the next occasion.
    pub(crate) fn unset(&self, group: &WakeGroup) {
        self.shared.lock().groups.unset(group);
    }

    /// Polls the gate now: for a manual clock, which has no timers. The thread that moves it goes on to `end`.
    pub(super) fn poll_on_the_way_to(&self, end: Nanos) {
        self.locked(|shared, now, effects| {
            shared.claimable = shared.claimable.max(end);
            shared.advance(now, effects);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::gate::{Gate, Hold, Options};
    use crate::limit::{Period, RateLimit, Resets, Zone};

    const DAY: Nanos = 86_400_000_000_000;

    /// When to poll again, with one request passed and one waiting.
    fn wake_after(limit: RateLimit, clock: Clock) -> Nanos {
        let options = Options { hold: Hold::Start, ..Options::default() };
        let gate = Gate::new(std::slice::from_ref(&limit), options).expect("a fine table");
        let mut shared = Shared::new(clock, gate, vec![limit]);
        let now = shared.now();
        let route = shared.gate.lookup("/x").expect("known").clone();
        assert!(shared.gate.try_acquire(now, &route, 1));
        let turn = Arc::new(Turn::new(WakeGroup::Threads, Waker::noop().clone()));
        let mut effects = Effects::default();
        shared.join(now, &HeldUnits::new(&route, 1, None), None, &turn, &mut effects);
        shared.advance(now, &mut effects);
        effects.carry_out();
        shared.wake_at(now).expect("somebody waits") - now
    }

    fn quota() -> RateLimit {
        let zone = Zone::named("UTC").expect("UTC");
        RateLimit::quota("/x", 1, Resets { period: Period::Span(365 * DAY), zone })
    }

    #[test]
    fn the_wall_clock_is_read_each_second_while_requests_wait_for_a_quota() {
        assert_eq!(wake_after(quota(), Clock::monotonic()), POLL_OF_WALL_CLOCK);
    }

    #[test]
    fn the_wall_clock_is_not_read_for_a_rolling_limit_or_on_a_manual_clock() {
        assert_eq!(wake_after(quota(), Clock::manual()), 365 * DAY);
        let rolling = RateLimit::new("/x", 1, Duration::from_nanos(DAY));
        assert_eq!(wake_after(rolling, Clock::monotonic()), DAY);
    }
}
