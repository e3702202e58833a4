//! A clock that tests move, and the throttlers that follow it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::{Clock, Nanos, WallNanos, nanos};
use crate::error::Error;
use crate::gate::Options;
use crate::limit::RateLimit;

use super::throttler::{Throttler, WeakThrottler};

/// Time that stands still until a test moves it. Waiting requests pass at the very instant at which they can, however
/// far one step goes.
///
/// ```
/// use sluicegate::{ManualClock, Options, RateLimit};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let second = Duration::from_secs(1);
/// let throttler = clock.throttler(&[RateLimit::new("/ping", 1, second)], Options::default())?;
/// assert!(throttler.try_acquire("/ping", 1)?);
/// clock.advance(second / 2);
/// assert!(!throttler.try_acquire("/ping", 1)?);
/// clock.advance(second / 2);
/// assert!(throttler.try_acquire("/ping", 1)?);
/// # Ok::<(), sluicegate::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    clock: Clock,
    throttlers: Arc<Mutex<Vec<WeakThrottler>>>,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl ManualClock {
    /// A clock that stands at 0.
    pub fn new() -> Self {
        Self { clock: Clock::manual(), throttlers: Arc::default() }
    }

    /// Nanoseconds since the clock was made.
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// What the clock on the wall shows, in nanoseconds since the Unix epoch: 0 when the clock was made.
    pub fn wall(&self) -> WallNanos {
        self.clock.wall()
    }

    /// Sets the clock on the wall to `wall`, forward or back, in no time. From there on it runs along again.
    pub fn set_wall(&self, wall: WallNanos) {
        self.clock.set_wall(wall);
        let now = self.now();
        self.throttlers().iter().for_each(|throttler| throttler.poll_on_the_way_to(now));
    }

    fn throttlers(&self) -> Vec<Throttler> {
        self.throttlers.lock().iter().filter_map(WeakThrottler::upgrade).collect()
    }

    /// A throttler that lives by this clock.
    ///
    /// # Errors
    /// As [`Throttler::new`].
    pub fn throttler(&self, table: &[RateLimit], options: Options) -> Result<Throttler, Error> {
        let throttler = Throttler::with_clock(table, options, self.clock.clone())?;
        let mut throttlers = self.throttlers.lock();
        throttlers.retain(|other| other.upgrade().is_some());
        throttlers.push(throttler.downgrade());
        drop(throttlers);
        Ok(throttler)
    }

    /// Moves time on, stopping at each instant at which a waiting request can pass, or an event is to be told.
    pub fn advance(&self, by: Duration) {
        let end = self.clock.now().saturating_add(nanos(by));
        loop {
            let throttlers = self.throttlers();
            let next = throttlers.iter().filter_map(Throttler::next_instant).min().filter(|&at| at < end);
            self.clock.set(next.unwrap_or(end));
            throttlers.iter().for_each(|throttler| throttler.poll_on_the_way_to(end));
            if next.is_none() {
                return;
            }
        }
    }
}
