//! The monotonic clock of a cache: read to the nanosecond, or in a fifth of the time.

use std::sync::OnceLock;
use std::time::Duration;

use pyo3::prelude::*;

use crate::python::once::Once;

/// An instant of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick(u64);

/// How far the quick clock is trusted. It lags behind by a few milliseconds, the time between two
/// ticks of the system; this leaves room for a machine that misses some thousand of them.
const TRUST: Duration = Duration::from_secs(10);

impl Tick {
    #[inline(always)]
    pub(super) fn now() -> Self {
        Self(system::precise())
    }

    /// Whether this is certainly still to come. Told from the quick clock: "no" means that the
    /// precise one must be asked.
    #[inline(always)]
    pub(super) fn is_far(self) -> bool {
        // The quick clock is never ahead, and the margin makes up for what it is behind.
        self.0 > system::quick().saturating_add(TRUST.as_nanos() as u64)
    }

    #[inline(always)]
    pub(super) fn checked_add(self, span: Duration) -> Option<Self> {
        self.0.checked_add(u64::try_from(span.as_nanos()).ok()?).map(Self)
    }

    /// Seconds since an instant; negative if this is before it.
    pub(super) fn seconds_since(self, other: Self) -> f64 {
        let seconds = |nanos| Duration::from_nanos(nanos).as_secs_f64();
        if self >= other { seconds(self.0 - other.0) } else { -seconds(other.0 - self.0) }
    }
}

/// `time.monotonic`.
static MONOTONIC: Once<Py<PyAny>> = Once::new();

/// An instant, and what `time.monotonic` returned at it: the native clock goes on from there, so that
/// both show the same time.
static ANCHOR: OnceLock<(Tick, f64)> = OnceLock::new();

pub(super) fn monotonic(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    let function = MONOTONIC.get_or_try_init(py, || -> PyResult<_> {
        let function = py.import("time")?.getattr("monotonic")?;
        let anchor = (Tick::now(), function.call0()?.extract()?);
        ANCHOR.get_or_init(|| anchor);
        Ok(function.unbind())
    })?;
    Ok(function.bind(py))
}

/// An instant as `time.monotonic` shows it.
pub(super) fn seconds(instant: Tick) -> f64 {
    // Set before the first timer was made, and there is no native instant without a timer.
    let &(anchor, seconds) = ANCHOR.get_or_init(|| (instant, 0.0));
    seconds + instant.seconds_since(anchor)
}

#[cfg(target_os = "linux")]
mod system {
    use rustix::time::{ClockId, clock_gettime};

    #[inline(always)]
    fn read(clock: ClockId) -> u64 {
        let time = clock_gettime(clock);
        // Monotonic time is never negative.
        time.tv_sec.cast_unsigned() as u64 * 1_000_000_000 + time.tv_nsec.cast_unsigned() as u64
    }

    #[inline(always)]
    pub(super) fn precise() -> u64 {
        read(ClockId::Monotonic)
    }

    #[inline(always)]
    pub(super) fn quick() -> u64 {
        read(ClockId::MonotonicCoarse)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::sync::OnceLock;
    use std::time::Instant;

    #[inline(always)]
    pub(super) fn precise() -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }

    /// There is none: the precise one is asked.
    #[inline(always)]
    pub(super) fn quick() -> u64 {
        u64::MAX
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{TRUST, Tick, system};

    #[test]
    fn the_quick_clock_is_never_ahead() {
        for _ in 0..100_000 {
            let quick = system::quick();
            assert!(quick <= system::precise() || cfg!(not(target_os = "linux")));
        }
    }

    #[test]
    fn only_what_is_beyond_the_trust_is_far() {
        let now = Tick::now();
        assert!(!now.is_far());
        assert!(!now.checked_add(TRUST - Duration::from_secs(5)).unwrap().is_far());
        assert!(
            now.checked_add(TRUST + Duration::from_secs(60)).unwrap().is_far() == cfg!(target_os = "linux")
        );
    }

    #[test]
    fn seconds_count_either_way() {
        let now = Tick::now();
        let later = now.checked_add(Duration::from_millis(1500)).unwrap();
        assert_eq!((later.seconds_since(now), now.seconds_since(later)), (1.5, -1.5));
        assert!(now.checked_add(Duration::MAX).is_none());
    }
}
