//! What is known of the clock of an exchange.

use crate::clock::{Nanos, WallNanos};

/// Clocks that nobody sets run apart by no more than one part in so many.
const DRIFT: u64 = 10_000;

/// What was observed counts with the drift of so long a time; when that is over, with that of twice as long, and so on.
const FRESH: Nanos = 60_000_000_000;

/// The clock of an exchange, between two bounds: how far it is ahead of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerClock {
    /// The bounds when it was last observed.
    lowest: i128,
    highest: i128,
    seen: Nanos,
    /// Until then both may have moved by `drift`.
    good_until: Nanos,
    drift: Nanos,
}

impl ServerClock {
    /// It showed `shown` at `now`, give or take `uncertainty`.
    pub fn observed(now: Nanos, shown: WallNanos, uncertainty: Nanos) -> Self {
        let ahead = i128::from(shown) - i128::from(now);
        let either = i128::from(uncertainty);
        let (lowest, highest) = (ahead - either, ahead + either);
        Self { lowest, highest, seen: now, good_until: now.saturating_add(FRESH), drift: FRESH / DRIFT }
    }

    /// What was known before holds as well: both bounds may come nearer. If the two contradict each other, the exchange has
    /// set its clock, and the new one holds. Where next to nothing is new, it stays as it was.
    pub fn after(self, before: Self) -> Self {
        let drift = i128::from(self.seen.saturating_sub(before.seen).div_ceil(DRIFT));
        let lowest = self.lowest.max(before.lowest - drift);
        let highest = self.highest.min(before.highest + drift);
        let both = Self { lowest, highest, ..self };
        let width = before.width();
        if lowest > highest {
            self
        } else if self.seen <= before.good_until && both.width().saturating_add(width / 8) >= width {
            before
        } else {
            both
        }
    }

    /// Ahead by this at least and at most, and it does not drift.
    #[cfg(test)]
    pub fn between(lowest: i128, highest: i128) -> Self {
        Self { lowest, highest, seen: 0, good_until: Nanos::MAX, drift: 0 }
    }

    /// The same as it is known at `now`.
    pub fn at(mut self, now: Nanos) -> Self {
        while now > self.good_until {
            let age = (self.good_until - self.seen).saturating_mul(2).max(FRESH);
            (self.good_until, self.drift) = (self.seen.saturating_add(age), age / DRIFT);
        }
        self
    }

    /// How much later than its lower bound the upper one is.
    pub fn width(&self) -> Nanos {
        Nanos::try_from(self.highest - self.lowest).unwrap_or(Nanos::MAX).saturating_add(2 * self.drift)
    }

    /// The window that is open from `since` until `now`, if it is one and the same: when it began at the earliest, and when it
    /// has surely ended.
    pub fn window(&self, since: Nanos, now: Nanos, interval: Nanos) -> Option<(Nanos, Nanos)> {
        let interval = i128::from(interval.max(1));
        let earliest = i128::from(since) + self.lowest - i128::from(self.drift);
        let nth = earliest.div_euclid(interval);
        let began = nth * interval - self.highest - i128::from(self.drift);
        let ends = self.surely_shows((nth + 1) * interval, 0);
        let is_one = self.latest_at(now).div_euclid(interval) == nth;
        is_one.then(|| (Nanos::try_from(began.max(0)).unwrap_or(0), ends))
    }

    /// How far each bound may have moved.
    pub fn drift(&self) -> Nanos {
        self.drift
    }

    /// The latest that it may show at `at`.
    pub fn latest_at(&self, at: Nanos) -> i128 {
        i128::from(at) + self.highest + i128::from(self.drift)
    }

    /// The first instant at which it surely shows `shown`, with the drift of `ahead` from now until then.
    pub fn surely_shows(&self, shown: i128, ahead: Nanos) -> Nanos {
        let at = shown - self.lowest + i128::from(self.drift) + i128::from(ahead / DRIFT);
        Nanos::try_from(at.max(0)).unwrap_or(Nanos::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn many_coarse_observations_are_one_fine_one() {
        // A header in whole seconds, of a clock that is 100.37 s ahead.
        let header = |now: Nanos| {
            let shown = (now + 100_370_000_000) / SECOND * SECOND;
            ServerClock::observed(now, (shown + SECOND / 2) as WallNanos, SECOND / 2)
        };
        let mut clock = header(0);
        for at in (0..20 * SECOND).step_by(130_000_000) {
            clock = header(at).after(clock);
            let drift = i128::from(clock.drift);
            let shown = i128::from(100 * SECOND + 370_000_000);
            assert!(clock.lowest - drift <= shown && shown <= clock.highest + drift);
        }
        assert!(clock.width() < 100_000_000, "{}", clock.width());
    }

    #[test]
    fn a_clock_that_is_known_well_changes_seldom() {
        // An answer each millisecond, whose header is in whole seconds.
        let mut clock = ServerClock::observed(0, SECOND as WallNanos, SECOND);
        let mut changes = 0;
        for at in (0..30 * SECOND).step_by(1_000_000) {
            let shown = at / SECOND * SECOND + SECOND / 2;
            let next = ServerClock::observed(at, shown as WallNanos, SECOND / 2).after(clock);
            changes += usize::from(next != clock);
            clock = next;
        }
        assert!(changes < 50, "{changes} changes, each of which every window learns");
    }

    #[test]
    fn a_window_is_known_where_it_is_surely_one_and_the_same() {
        let clock = ServerClock::between(100, 104);
        assert_eq!(clock.window(30, 60, 100), Some((0, 100)));
        assert_eq!(clock.window(100, 190, 100), Some((96, 200)));
        assert_eq!(clock.window(99, 120, 100), None, "it may have left before the window began");
        assert_eq!(clock.window(150, 196, 100), None, "it may be the next one by now");
    }

    #[test]
    fn what_was_seen_long_ago_is_known_less_well() {
        let clock = ServerClock::observed(5, 1_000, 10);
        let fresh = clock.width();
        assert_eq!(clock.at(5 + FRESH).width(), fresh);
        assert_eq!(clock.at(6 + FRESH).width(), fresh + 2 * FRESH / DRIFT);
        assert!(clock.at(1 << 62).width() >= 2 * ((1 << 62) / DRIFT));
    }

    #[test]
    fn a_clock_that_was_set_is_believed() {
        let before = ServerClock::observed(0, 1_000 * SECOND as WallNanos, SECOND);
        let after = ServerClock::observed(10, 2_000 * SECOND as WallNanos, SECOND);
        assert_eq!(after.after(before), after);
    }
}
