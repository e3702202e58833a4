//! A throttler after a fork.

use super::throttler::Throttler;
use super::turn::Phase;

impl Throttler {
    /// In the child: what was in flight counts as just answered, and those who waited do so in the parent.
    /// What must be dropped without the lock comes back.
    ///
    /// Nothing is held over the fork. In a Python process the lock is only ever taken by a thread that has the
    /// interpreter, and so does the one that forks: at that moment, nobody else can have it.
    pub(crate) fn start_anew(&self) -> impl Sized + use<> {
        let mut state = self.state.try_lock()?;
        state.epoch = state.epoch.wrapping_add(1);
        let groups = state.watch.clear();
        let now = state.now();
        let waiters = state.gate.forget_others(now);
        for waiter in &waiters {
            *waiter.tag.phase.lock() = Phase::Over;
        }
        Some((groups, waiters))
    }
}
