//! Time: a monotonic clock, and one that tests move by hand.
//!
//! Everything below the lock counts in nanoseconds since the clock's own start. Nothing outside this file
//! reads the machine's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// An instant (nanoseconds since the clock's start) or a span (nanoseconds). 584 years fit.
pub type Nanos = u64;

/// Converts a span to nanoseconds; spans over 584 years become the longest one.
pub fn nanos(span: Duration) -> Nanos {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Where a throttler reads the time. Clones share one time line.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's monotonic clock: never steps, whatever happens to the wall clock.
    Monotonic(Instant),
    /// A clock that moves only when it is told to.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's monotonic clock, counted from now.
    pub fn monotonic() -> Self {
        Self::Monotonic(Instant::now())
    }

    /// The machine's monotonic clock, counted from so long ago; from now where the machine cannot say.
    pub fn monotonic_since(ago: Duration) -> Self {
        let now = Instant::now();
        Self::Monotonic(now.checked_sub(ago).unwrap_or(now))
    }

    /// A clock that stands at 0 until [`Clock::set`] moves it.
    pub fn manual() -> Self {
        Self::Manual(Arc::default())
    }

    /// The instant now.
    #[inline]
    pub fn now(&self) -> Nanos {
        match self {
            Self::Monotonic(start) => {
                let span = start.elapsed();
                span.as_secs() * 1_000_000_000 + Nanos::from(span.subsec_nanos())
            }
            Self::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// The machine's [`Instant`] for one of ours; `None` on a manual clock, whose instants no timer can meet.
    pub fn to_std(&self, at: Nanos) -> Option<Instant> {
        match self {
            Self::Monotonic(start) => start.checked_add(Duration::from_nanos(at)),
            Self::Manual(_) => None,
        }
    }

    /// Moves a manual clock forward to `at`; a clock never goes back. Does nothing to the machine's clock.
    pub fn set(&self, at: Nanos) {
        if let Self::Manual(now) = self {
            now.fetch_max(at, Ordering::SeqCst);
        }
    }

    /// Whether tests move this clock by hand.
    pub fn is_manual(&self) -> bool {
        matches!(self, Self::Manual(_))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::monotonic()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_stands_still_until_moved_and_never_goes_back() {
        let clock = Clock::manual();
        let shared = clock.clone();
        clock.set(5);
        assert_eq!(shared.now(), 5);
        clock.set(3);
        assert_eq!(shared.now(), 5);
    }

    #[test]
    fn monotonic_instants_map_to_the_machines() {
        let clock = Clock::monotonic();
        let before = clock.now();
        let at = clock.to_std(before).expect("a monotonic clock");
        assert!(at <= Instant::now());
        assert!(clock.now() >= before);
    }

    #[test]
    fn a_clock_may_reach_back() {
        assert!(Clock::monotonic_since(Duration::from_secs(60)).now() >= nanos(Duration::from_secs(60)));
    }

    #[test]
    fn endless_spans_become_the_longest() {
        assert_eq!(nanos(Duration::MAX), u64::MAX);
        assert_eq!(nanos(Duration::from_millis(2)), 2_000_000);
    }
}
