//! Time: the machine's monotonic and wall clocks, and ones that tests move by hand.
//!
//! Everything below the lock counts in nanoseconds since the clock's own start. Only quotas know wall time. Nothing
//! outside this file reads the machine's clocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// An instant (nanoseconds since the clock's start) or a span (nanoseconds). 584 years fit.
pub type Nanos = u64;

/// An instant of wall time: nanoseconds since the Unix epoch. Unlike [`Nanos`] it may step, both ways.
pub type WallNanos = i64;

/// The machine's time since some start, which goes on while the machine sleeps, where it can tell (Linux); elsewhere a
/// monotonic clock that may stand still meanwhile.
pub(crate) fn boottime() -> Nanos {
    #[cfg(all(target_os = "linux", any(feature = "sqlite", feature = "redis")))]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        time.tv_sec as Nanos * 1_000_000_000 + time.tv_nsec as Nanos
    }
    #[cfg(not(all(target_os = "linux", any(feature = "sqlite", feature = "redis"))))]
    {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        nanos(START.get_or_init(Instant::now).elapsed())
    }
}

/// Converts a span to nanoseconds; spans over 584 years become the longest one.
pub fn nanos(span: Duration) -> Nanos {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Converts the machine's wall time; what is over 292 years from the epoch becomes the nearest that is not.
fn wall_nanos(time: SystemTime) -> WallNanos {
    let clamp = |span: Duration| WallNanos::try_from(span.as_nanos()).unwrap_or(WallNanos::MAX);
    time.duration_since(SystemTime::UNIX_EPOCH).map_or_else(|before| -clamp(before.duration()), clamp)
}

/// Where a throttler reads the time. Clones share one time line.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's monotonic clock: never steps, whatever happens to the wall clock.
    Monotonic(Instant),
    /// A clock that moves only when a test moves it.
    Manual(Arc<ManualTime>),
}

/// Both times of a manual clock.
#[derive(Debug, Default)]
pub struct ManualTime {
    now: AtomicU64,
    /// How far wall time is ahead: it runs along until it is set.
    wall_ahead: AtomicI64,
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
            Self::Manual(time) => time.now.load(Ordering::SeqCst),
        }
    }

    /// The wall time now.
    pub fn wall(&self) -> WallNanos {
        match self {
            Self::Monotonic(_) => wall_nanos(SystemTime::now()),
            Self::Manual(time) => {
                let now = self.now().min(WallNanos::MAX as Nanos) as WallNanos;
                now.saturating_add(time.wall_ahead.load(Ordering::SeqCst))
            }
        }
    }

    /// Steps a manual clock's wall time to `wall`, either way. Does nothing to the machine's clock.
    pub fn set_wall(&self, wall: WallNanos) {
        if let Self::Manual(time) = self {
            let now = self.now().min(WallNanos::MAX as Nanos) as WallNanos;
            time.wall_ahead.store(wall.saturating_sub(now), Ordering::SeqCst);
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
        if let Self::Manual(time) = self {
            time.now.fetch_max(at, Ordering::SeqCst);
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
    fn manual_wall_time_runs_along_and_steps_both_ways() {
        let clock = Clock::manual();
        clock.set_wall(1_000);
        clock.set(5);
        assert_eq!(clock.wall(), 1_005);
        clock.set_wall(10);
        assert_eq!((clock.wall(), clock.now()), (10, 5));
        clock.set_wall(-10);
        clock.set(7);
        assert_eq!(clock.wall(), -8);
    }

    #[test]
    fn the_machines_wall_time_counts_from_the_epoch() {
        let second = Duration::from_secs(1);
        assert_eq!(wall_nanos(SystemTime::UNIX_EPOCH + second), 1_000_000_000);
        assert_eq!(wall_nanos(SystemTime::UNIX_EPOCH - second), -1_000_000_000);
        let before = wall_nanos(SystemTime::now());
        assert!(Clock::monotonic().wall() >= before);
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
