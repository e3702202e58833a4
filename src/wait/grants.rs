//! The way of a waiting request: it joins the queue, is granted its units, and claims them; or it is refused, is cancelled,
//! or lets its grant lapse and returns to its old place.

use std::sync::Arc;

use crate::clock::Nanos;
use crate::gate::{Decided, Place, Route, Waiter};

use super::effects::Effects;
use super::epoch::Epoch;
use super::leases::LEASE;
use super::pass::HeldUnits;
use super::shared::Shared;
use super::throttler::Throttler;
use super::turn::{Claim, Phase, QueuedAs, Turn};
use super::wake_groups::WakeGroup;

impl Shared {
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
        let place = self.gate.join(&held.route, held.rank, waiter);
        *turn.phase.lock() = Phase::Waiting(place);
        self.groups.join(place, turn);
        self.note_wait(now, held.units, &held.route, turn);
        changes
    }

    /// Gives waiting requests their outcomes, and wakes them.
    pub fn announce(
        &mut self,
        now: Nanos,
        decided: impl Iterator<Item = Decided<Arc<Turn>>>,
        effects: &mut Effects,
    ) {
        for Decided { outcome, waiter: Waiter { units, since, deadline, tag: turn } } in decided {
            let mut phase = turn.phase.lock();
            // All in the queue wait.
            let Phase::Waiting(place) = *phase else { continue };
            *phase = match outcome {
                Ok(route) => {
                    let waited = now.saturating_sub(since);
                    let standing = QueuedAs { order: place.order, since, deadline, waited };
                    let held = HeldUnits::new(&route, units, Some(turn.rank));
                    Phase::Granted(HeldUnits { epoch: self.epoch, ..held }, standing)
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
            Phase::Granted(mut held, QueuedAs { waited, .. }) => {
                drop(phase);
                self.gate.count_granted(&held.route, waited);
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
    pub fn end_leases(&mut self, now: Nanos, effects: &mut Effects) {
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

    /// A request ends, or will not begin, that took its units in an earlier epoch: they were settled then, all but the
    /// concurrent ones.
    pub fn give_back_unsettled(&mut self, epoch: Epoch, route: &Route, units: u64) {
        if epoch.is_of_same_process(self.epoch) {
            self.gate.give_back_unsettled(route, units);
        }
    }

    /// Takes a waiter out of the queue that is away for sure, until it comes.
    fn set_aside(&mut self, place: Place, turn: Arc<Turn>, effects: &mut Effects) {
        let (Some(route), Some(waiter)) = (self.gate.route_at(place), self.gate.remove(place)) else {
            return;
        };
        let Waiter { units, since, deadline, tag } = waiter;
        let standing = QueuedAs { order: place.order, since, deadline, waited: 0 };
        *turn.phase.lock() = Phase::Lapsed(HeldUnits::new(&route, units, Some(turn.rank)), standing);
        self.groups.leave(place, &turn, effects);
        // It comes as soon as it runs.
        effects.wake(&turn);
        effects.drop_later(tag);
        effects.drop_later(turn);
    }

    /// Takes all who wait in an event loop out of the queue, granted or not: it runs none of them before the request that
    /// blocks it has passed.
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

    /// A waiter whose grant has lapsed has come: it returns to its old place.
    pub fn rejoin(&mut self, now: Nanos, turn: &Arc<Turn>, effects: &mut Effects) {
        let mut phase = turn.phase.lock();
        *phase = match std::mem::replace(&mut *phase, Phase::Over) {
            Phase::Lapsed(mut held, QueuedAs { order, since, deadline, .. }) => match self.refresh(&mut held)
            {
                Ok(()) => {
                    let waiter = Waiter { units: held.units, since, deadline, tag: turn.clone() };
                    let place = self.gate.rejoin(order, &held.route, waiter);
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

impl Throttler {
    /// A waiter comes for its outcome.
    pub(super) fn claim(&self, turn: &Arc<Turn>) -> Claim {
        self.locked(|shared, now, effects| shared.claim(now, turn, effects))
    }

    /// A waiter whose grant has lapsed returns to its old place in the queue.
    pub(super) fn rejoin(&self, turn: &Arc<Turn>) {
        self.locked(|shared, now, effects| shared.rejoin(now, turn, effects));
        self.check_nested();
    }

    /// Takes a waiting request out of the queue, or gives back what it was granted.
    pub(crate) fn cancel(&self, turn: &Arc<Turn>) {
        let _dropped_without_the_lock = self.locked(|shared, now, effects| {
            let phase = std::mem::replace(&mut *turn.phase.lock(), Phase::Over);
            let waiter = match phase {
                Phase::Waiting(place) => {
                    shared.groups.leave(place, turn, effects);
                    shared.gate.remove(place)
                }
                Phase::Granted(held, _) if held.epoch == shared.epoch => {
                    shared.gate.give_back(&held.route, held.units);
                    None
                }
                Phase::Granted(HeldUnits { epoch, route, units, .. }, _) => {
                    shared.give_back_unsettled(epoch, &route, units);
                    None
                }
                _ => return None,
            };
            shared.advance(now, effects);
            waiter
        });
    }

    /// A thread is about to wait in which an event loop runs: none of those who wait in that can come before its wait is
    /// over. They return to their old places as they come.
    pub(crate) fn block(&self, event_loop: &WakeGroup) {
        self.locked(|shared, now, effects| {
            shared.set_loop_aside(event_loop, effects);
            shared.advance(now, effects);
        });
    }
}
