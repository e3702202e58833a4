//! A throttler in the child of a fork.

use super::effects::Effects;
use super::pass::HeldUnits;
use super::throttler::Throttler;
use super::turn::{Phase, QueuedAs};

impl Throttler {
    /// In the child: what was in flight counts as just answered, and those who waited do so in the parent. Should one of
    /// them live on here (the thread that forked may have done so in a signal handler that interrupted its wait), it
    /// returns to its place as it comes. What is left to be done without the lock comes back.
    ///
    /// Nothing is held over the fork. In a Python process the lock is only ever taken by a thread that has the
    /// interpreter, and so does the one that forks: at that moment, nobody else can have it.
    pub(crate) fn start_anew(&self) -> Option<impl FnOnce() + use<>> {
        let mut shared = self.shared.try_lock()?;
        shared.epoch = shared.epoch.after_fork();
        let groups = shared.groups.clear();
        shared.leases.clear();
        let untold = shared.events.as_deref_mut().map(|events| events.start_anew());
        let now = shared.now();
        let waiters = shared.gate.forget_others(now);
        let mut effects = Effects::default();
        for waiter in &waiters {
            let (turn, units) = (&waiter.tag, waiter.units);
            let mut phase = turn.phase.lock();
            let Phase::Waiting(place) = *phase else { continue };
            let Some(route) = shared.gate.route_at(place) else { continue };
            let (since, deadline) = (waiter.since, waiter.deadline);
            let standing = QueuedAs { order: place.order, since, deadline, waited: 0 };
            *phase = Phase::Lapsed(HeldUnits::new(&route, units, Some(turn.rank)), standing);
            drop(phase);
            // No loop runs on in a child; a thread may.
            effects.wake_thread(turn);
        }
        drop(shared);
        Some(move || {
            effects.carry_out();
            drop((groups, waiters, untold));
        })
    }
}
