//! How a request enters, at once or through the queue, and how it leaves.

use std::sync::Arc;

use parking_lot::MutexGuard;

use crate::clock::Nanos;
use crate::error::Error;
use crate::gate::Route;

use super::effects::Effects;
use super::epoch::Epoch;
use super::pass::HeldUnits;
use super::shared::Shared;
use super::throttler::Throttler;
use super::turn::{Turn, WaitHandle};

/// What became of a request that asked to enter.
#[derive(Debug)]
pub(crate) enum Admission {
    Entered,
    Waiting(WaitHandle),
}

impl Throttler {
    /// Enters if that can be done at once, and says in which epoch. The route must be of the current table.
    #[inline]
    pub(crate) fn enter_at_once(&self, route: &Route, units: u64) -> Option<Epoch> {
        let mut shared = self.shared.lock();
        shared.check_lease();
        if shared.must_tell() {
            return None;
        }
        let Shared { gate, clock, epoch, .. } = &mut *shared;
        let entered = units > 0 && gate.is_current(route) && gate.try_enter(clock, route, units);
        entered.then_some(*epoch)
    }

    /// Charges for good if that can be done at once. The route must be of the current table.
    #[inline]
    pub(super) fn charge_at_once(&self, route: &Route, units: u64) -> bool {
        let mut shared = self.shared.lock();
        shared.check_lease();
        let must_tell = shared.must_tell();
        let Shared { gate, clock, .. } = &mut *shared;
        if must_tell || units == 0 || !gate.is_current(route) {
            return false;
        }
        let now = gate.now(clock);
        gate.try_acquire(now, route, units)
    }

    /// Enters, or joins the queue for at most `timeout`.
    pub(crate) fn enter(
        &self,
        held: &mut HeldUnits,
        timeout: Option<Nanos>,
        turn: impl FnOnce() -> Turn,
    ) -> Result<Admission, Error> {
        if let Some(epoch) = self.enter_at_once(&held.route, held.units) {
            held.epoch = epoch;
            // The gate was not asked: it may be.
            held.is_tight = true;
            return Ok(Admission::Entered);
        }
        let turn = Arc::new(turn().of_rank(held.rank));
        self.locked(|shared, now, effects| {
            shared.refresh(held)?;
            let others = shared.gate.waits_before(now, &held.route, held.rank);
            let deadline = timeout.map(|timeout| now.saturating_add(timeout));
            let changes = shared.join(now, held, deadline, &turn, effects);
            // Behind others of the same route it cannot pass yet, and the gate is polled for them; but it must be
            // polled as well when its own time is up.
            if !others || changes || deadline.is_some() {
                shared.advance(now, effects);
            } else {
                shared.set_timers(now, None, effects);
            }
            shared.tell_wanted();
            Ok(())
        })?;
        let ticket = WaitHandle::new(self.clone(), turn);
        match ticket.take() {
            None => Ok(Admission::Waiting(ticket)),
            Some(Ok(granted)) => {
                *held = granted;
                Ok(Admission::Entered)
            }
            Some(Err(error)) => Err(error),
        }
    }

    /// A request's block has ended.
    #[inline]
    pub(crate) fn leave(&self, route: &Route, units: u64, epoch: Epoch) {
        if !route.is_held {
            return;
        }
        let mut shared = self.shared.lock();
        if epoch != shared.epoch {
            return self.leave_settled(shared, route, units, epoch);
        }
        let now = shared.now();
        shared.gate.leave(now, route, units);
        if shared.gate.is_waited_for(route) {
            self.advance(shared, now);
        }
    }

    /// A request's block has ended, all of which but for concurrent units was settled before.
    #[cold]
    #[inline(never)]
    fn leave_settled(&self, mut shared: MutexGuard<'_, Shared>, route: &Route, units: u64, epoch: Epoch) {
        shared.give_back_unsettled(epoch, route, units);
        let now = shared.now();
        self.advance(shared, now);
    }

    /// Lets others through. Apart, so that leaving where nobody waits stays short.
    #[cold]
    #[inline(never)]
    fn advance(&self, mut shared: MutexGuard<'_, Shared>, now: Nanos) {
        let mut effects = Effects::default();
        shared.advance(now, &mut effects);
        let has_news = shared.has_news();
        drop(shared);
        effects.carry_out();
        if has_news {
            self.tell();
        }
    }
}
