//! A throttler across a fork.

use parking_lot::{ArcMutexGuard, RawMutex};

use super::state::State;
use super::throttler::Throttler;
use super::turn::Phase;

/// A throttler's lock, held over a fork, so that the child does not inherit it from another thread.
pub(crate) struct Held(ArcMutexGuard<RawMutex, State>);

impl Throttler {
    pub(crate) fn hold(&self) -> Held {
        Held(self.state.lock_arc())
    }
}

impl Held {
    /// In the child: what was in flight counts as just answered, and those who waited do so in the parent.
    /// What must be dropped without the lock comes back.
    pub fn start_anew(mut self) -> impl Sized + use<> {
        let state = &mut *self.0;
        state.epoch = state.epoch.wrapping_add(1);
        let groups = state.watch.clear();
        let now = state.now();
        let waiters = state.gate.forget_others(now);
        for waiter in &waiters {
            *waiter.tag.phase.lock() = Phase::Over;
        }
        (groups, waiters)
    }
}
