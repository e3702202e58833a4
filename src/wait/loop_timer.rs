//! Event loops of any library: what each must be able to do ([`EventLoop`]), and the one timer of each.
//!
//! The timer is set to when those who wait in its loop must poll the gate, and set again until that has succeeded.

use std::fmt::Debug;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::clock::{Clock, Nanos};

use super::throttler::{Throttler, WeakThrottler};
use super::wake_groups::{Timer, WakeGroup, is_lost};

/// What an event loop can do. None of it is called with a lock held: foreign code may run within.
pub(crate) trait EventLoop: Debug + Send + Sync + Sized + 'static {
    /// A call that is due later, and can be taken back.
    type Handle: Debug + Send;
    type Error;

    /// Whether all that wait in this loop run, or none.
    const RUNS_ALL: bool;

    /// Whether [`EventLoop::call_at`] may be called from anywhere; otherwise only in a call that the loop itself makes.
    const SETS_TIMERS_ANYWHERE: bool;

    /// Has the loop make a call at `at`. `None` from a loop that is gone.
    fn call_at(
        &self,
        clock: &Clock,
        at: Nanos,
        call: Call<Self>,
    ) -> Result<Option<Self::Handle>, Self::Error>;

    /// From anywhere: has the loop make a call soon. In a loop that is closed, this does nothing.
    fn call_soon(&self, call: Call<Self>) -> Result<(), Self::Error>;

    /// Takes a later call back, from within the loop or from elsewhere.
    fn cancel(&self, handle: &Self::Handle) -> Result<(), Self::Error>;

    /// Whether it can meet the instants of a clock: nobody can those of a manual one, so the thread that moves it polls.
    fn can_meet(&self, clock: &Clock) -> bool {
        !clock.is_manual()
    }

    /// Runs what the end of somebody's wait calls for, wherever that is.
    fn aside(&self, f: impl FnOnce()) {
        f();
    }

    /// An error that nobody can be given.
    fn report(&self, error: Self::Error);
}

/// What an event loop is asked to call. Without effect once nobody waits in that loop any more.
#[derive(Debug)]
pub(crate) struct Call<L: EventLoop> {
    timer: Weak<LoopTimer<L>>,
    /// To set the timer, on behalf of who could not; otherwise the timer has gone off.
    set_at: Option<Nanos>,
}

impl<L: EventLoop> Call<L> {
    /// # Errors
    /// What went wrong on the way, also if it succeeded in the end.
    pub fn call(&self) -> Result<(), L::Error> {
        match (self.timer.upgrade(), self.set_at) {
            (Some(timer), Some(at)) => timer.set(at, 0),
            (Some(timer), None) => timer.ring(),
            (None, _) => Ok(()),
        }
    }
}

#[derive(Debug)]
struct ScheduledCall<H> {
    at: Nanos,
    handle: H,
}

fn rings_by<H>(pending: &ScheduledCall<H>, at: Nanos, now: Nanos) -> bool {
    pending.at <= at && !is_lost(pending.at, now)
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct LoopTimer<L: EventLoop> {
    me: Weak<LoopTimer<L>>,
    event_loop: L,
    throttler: WeakThrottler,
    pending: Mutex<Option<ScheduledCall<L::Handle>>>,
}

/// Some loops' timers tick in milliseconds and may go off early; what is left then is waited for in whole ticks.
const TICK: Nanos = 1_000_000;

/// How often something is tried that a signal handler's exception may interrupt.
const ATTEMPTS: usize = 8;

impl<L: EventLoop> LoopTimer<L> {
    pub fn new(event_loop: L, throttler: &Throttler) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            event_loop,
            throttler: throttler.downgrade(),
            pending: Mutex::new(None),
        })
    }

    pub fn event_loop(&self) -> &L {
        &self.event_loop
    }

    pub fn throttler(&self) -> &WeakThrottler {
        &self.throttler
    }

    /// Sets the timer, from where the loop lets timers be set.
    fn set(&self, at: Nanos, at_least: Nanos) -> Result<(), L::Error> {
        let Some(throttler) = self.throttler.upgrade() else { return Ok(()) };
        let clock = throttler.clock();
        let now = clock.now();
        // Asked for late, it goes off now, and is not lost.
        let at = at.max(now.saturating_add(at_least));
        if self.rings_by(at, now) {
            return Ok(());
        }
        let call = || Call { timer: self.me.clone(), set_at: None };
        let (handle, error) = self.attempt(|| self.event_loop.call_at(&clock, at, call()));
        let late = match handle.flatten() {
            // Foreign code has run since we looked: perhaps some that set the timer, too.
            Some(handle) => {
                let new = ScheduledCall { at, handle };
                let mut pending = self.pending.lock();
                let other = pending.as_ref().is_some_and(|other| rings_by(other, at, now));
                if other { Some(new) } else { pending.replace(new) }
            }
            None => {
                self.unset(&throttler);
                None
            }
        };
        self.cancel(late);
        error.map_or(Ok(()), Err)
    }

    /// Does something until it succeeds, some times; and the first error on the way.
    fn attempt<T>(&self, f: impl Fn() -> Result<T, L::Error>) -> (Option<T>, Option<L::Error>) {
        let mut first = None;
        for _ in 0..ATTEMPTS {
            match f() {
                Ok(done) => return (Some(done), first),
                Err(error) if first.is_none() => first = Some(error),
                Err(error) => self.event_loop.report(error),
            }
        }
        (None, first)
    }

    /// The timer could not be set, and no state says it was: the next that comes asks for it again.
    fn unset(&self, throttler: &Throttler) {
        if let Some(me) = self.me.upgrade() {
            throttler.unset(&WakeGroup::Loop(me));
        }
    }

    fn rings_by(&self, at: Nanos, now: Nanos) -> bool {
        self.pending.lock().as_ref().is_some_and(|pending| rings_by(pending, at, now))
    }

    fn cancel(&self, pending: Option<ScheduledCall<L::Handle>>) {
        if let Some(ScheduledCall { handle, .. }) = pending
            && let (_, Some(error)) = self.attempt(|| self.event_loop.cancel(&handle))
        {
            self.event_loop.report(error);
        }
    }

    /// The timer has gone off.
    fn ring(&self) -> Result<(), L::Error> {
        let pending = self.pending.lock().take();
        let (Some(throttler), Some(me)) = (self.throttler.upgrade(), self.me.upgrade()) else {
            return Ok(());
        };
        let early = pending.is_some_and(|pending| throttler.now() < pending.at);
        match throttler.poll(&WakeGroup::Loop(me)) {
            Some(at) => self.set(at, if early { TICK } else { 0 }),
            None => Ok(()),
        }
    }
}

impl<L: EventLoop> Timer for LoopTimer<L> {
    fn ring_at(&self, at: Nanos) {
        let Some(throttler) = self.throttler.upgrade() else { return };
        if !self.event_loop.can_meet(&throttler.clock()) {
            return;
        }
        self.event_loop.aside(|| {
            let error = if L::SETS_TIMERS_ANYWHERE {
                self.set(at, 0).err()
            } else {
                let call = || Call { timer: self.me.clone(), set_at: Some(at) };
                let (asked, error) = self.attempt(|| self.event_loop.call_soon(call()));
                if asked.is_none() {
                    self.unset(&throttler);
                }
                error
            };
            error.into_iter().for_each(|error| self.event_loop.report(error));
        });
    }

    fn runs_all(&self) -> bool {
        L::RUNS_ALL
    }

    fn silence(&self) {
        let pending = self.pending.lock().take();
        self.event_loop.aside(|| self.cancel(pending));
        // Another waiter may have joined the queue since, and that was its timer.
        if let (Some(throttler), Some(me)) = (self.throttler.upgrade(), self.me.upgrade())
            && let Some(at) = throttler.rings_at(&WakeGroup::Loop(me))
        {
            self.ring_at(at);
        }
    }
}
