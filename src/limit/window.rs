//! A limit of either kind, and what it holds: the one thing that the gate knows of limits.

use crate::clock::{Nanos, WallNanos};

use super::quota::Quota;
use super::resets::Resets;
use super::rolling::Rolling;

/// What of a limit is fixed by the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// How many units fit.
    pub limit: u64,
    pub span: Span,
}

/// For how long a unit stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// For an interval.
    Rolling(Nanos),
    /// Until the next boundary.
    Quota(Resets),
}

/// A rolling limit or a quota, with the units that it holds.
///
/// Units are *in flight* once taken, and *in the window* once stamped, until they come free.
#[derive(Debug)]
pub(crate) enum Window {
    Rolling(Rolling),
    /// Boxed: it is the larger one, and rolling limits shall lie close together.
    Quota(Box<Quota>),
}

/// The same call for either kind.
macro_rules! either {
    ($window:expr, $each:ident => $call:expr) => {
        match $window {
            Window::Rolling($each) => $call,
            Window::Quota($each) => $call,
        }
    };
}

impl Window {
    pub fn new(shape: Shape) -> Self {
        Self::holding(shape, 0, 0, 0)
    }

    fn holding(shape: Shape, now: Nanos, in_flight: u64, in_window: u64) -> Self {
        match shape.span {
            Span::Rolling(interval) => {
                let mut rolling = Rolling::new(shape.limit, interval);
                rolling.take(in_flight);
                rolling.stamp(now, in_window);
                Self::Rolling(rolling)
            }
            Span::Quota(resets) => {
                Self::Quota(Box::new(Quota::new(shape.limit, resets, in_flight, in_window)))
            }
        }
    }

    /// Takes another shape; what is used stays used. Should the kind or the boundaries change, what is in the window
    /// counts as stamped now. A quota must be observed after that.
    pub fn reshape(&mut self, now: Nanos, shape: Shape) {
        match (&mut *self, shape.span) {
            (Self::Rolling(rolling), Span::Rolling(interval)) => rolling.reshape(now, shape.limit, interval),
            (Self::Quota(quota), Span::Quota(resets)) if quota.resets() == resets => {
                quota.set_limit(shape.limit);
            }
            _ => *self = Self::holding(shape, now, self.in_flight(), self.in_window()),
        }
    }

    #[inline]
    pub fn limit(&self) -> u64 {
        either!(self, window => window.limit())
    }

    #[inline]
    pub fn in_flight(&self) -> u64 {
        either!(self, window => window.in_flight())
    }

    /// How long most windows are.
    pub fn interval(&self) -> Nanos {
        match self {
            Self::Rolling(rolling) => rolling.interval(),
            Self::Quota(quota) => quota.resets().period.nanos(),
        }
    }

    pub fn is_quota(&self) -> bool {
        matches!(self, Self::Quota(_))
    }

    /// Tells a quota what the clock on the wall shows; nothing else about it is right for `now` before that.
    #[inline]
    pub fn observe(&mut self, now: Nanos, wall: WallNanos) {
        if let Self::Quota(quota) = self {
            quota.observe(now, wall);
        }
    }

    /// Drops what has left a rolling window by `now`.
    #[inline]
    pub fn expire(&mut self, now: Nanos) {
        if let Self::Rolling(rolling) = self {
            rolling.expire(now);
        }
    }

    /// When units stamped at `at` come free: later for a later `at`, or at the same instant.
    pub fn frees_at(&self, at: Nanos) -> Nanos {
        match self {
            Self::Rolling(rolling) => at.saturating_add(rolling.interval()),
            Self::Quota(quota) => quota.frees_at(at),
        }
    }

    /// When units stamped at `at` have come free and been stamped anew so many times.
    pub fn frees_after(&self, at: Nanos, rounds: u64) -> Nanos {
        /// Boundaries further ahead are taken to be as far apart as most are.
        const COUNTED: u64 = 1_000;
        let counted = if self.is_quota() { rounds.min(COUNTED) } else { 0 };
        let at = (0..counted).fold(at, |at, _| self.frees_at(at));
        at.saturating_add(self.interval().saturating_mul(rounds - counted))
    }

    /// Units in the window.
    #[inline]
    pub fn in_window(&self) -> u64 {
        match self {
            Self::Rolling(rolling) => rolling.in_window(),
            Self::Quota(quota) => quota.charged(),
        }
    }

    /// Units used up.
    #[inline]
    pub fn used(&self) -> u64 {
        either!(self, window => window.used())
    }

    /// Whether `units` more fit.
    #[inline]
    pub fn fits(&self, units: u64) -> bool {
        either!(self, window => window.fits(units))
    }

    /// Takes units: in flight from now on.
    #[inline]
    pub fn take(&mut self, units: u64) {
        either!(self, window => window.take(units));
    }

    /// Gives units in flight back as if they had never been taken.
    #[inline]
    pub fn give_back(&mut self, units: u64) {
        either!(self, window => window.give_back(units));
    }

    /// Puts units into the window.
    #[inline]
    pub fn stamp(&mut self, now: Nanos, units: u64) {
        match self {
            Self::Rolling(rolling) => rolling.stamp(now, units),
            Self::Quota(quota) => quota.stamp(units),
        }
    }

    /// Moves units from in flight to in the window.
    #[inline]
    pub fn settle(&mut self, now: Nanos, units: u64) {
        match self {
            Self::Rolling(rolling) => rolling.settle(now, units),
            Self::Quota(quota) => quota.settle(units),
        }
    }

    /// Moves everything in flight into the window.
    pub fn settle_all(&mut self, now: Nanos) {
        self.settle(now, self.in_flight());
    }

    /// Units of today's window that will still be in it at `at`.
    pub fn in_window_at(&self, at: Nanos) -> u64 {
        match self {
            Self::Rolling(rolling) => rolling.in_window_at(at),
            Self::Quota(quota) => quota.charged_at(at),
        }
    }

    /// The first instant at which at most `units` of today's window are left in it; 0 if that is so already.
    pub fn window_down_to(&self, units: u64) -> Nanos {
        match self {
            Self::Rolling(rolling) => rolling.window_down_to(units),
            Self::Quota(quota) => quota.charged_down_to(units),
        }
    }

    /// Whether nothing is used, nor would be in the longest interval that it ever had.
    pub fn is_unused(&mut self, now: Nanos) -> bool {
        match self {
            Self::Rolling(rolling) => rolling.is_unused(now),
            Self::Quota(quota) => quota.used() == 0,
        }
    }

    /// When units last left the window, or a quota's window ended in which any were used, as of the last [`Window::expire`] or
    /// [`Window::observe`]; 0 if none has.
    #[inline]
    pub fn expired_at(&self) -> Nanos {
        either!(self, window => window.expired_at())
    }

    /// When units next leave the window after `at`, or could, were those in flight answered before that.
    pub fn next_change(&self, at: Nanos) -> Option<Nanos> {
        match self {
            Self::Rolling(rolling) => rolling.next_expiry(at),
            Self::Quota(quota) => (quota.used() > 0).then(|| quota.frees_at(at)),
        }
    }

    /// When the next units leave the window after `at`.
    pub fn next_expiry(&self, at: Nanos) -> Option<Nanos> {
        either!(self, window => window.next_expiry(at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::period::Period;
    use super::super::zone::Zone;
    use super::*;

    const ROLLING: Shape = Shape { limit: 5, span: Span::Rolling(10) };

    fn quota() -> Shape {
        let zone = Zone::named("UTC").expect("UTC");
        Shape { limit: 5, span: Span::Quota(Resets { period: Period::Span(10), zone }) }
    }

    #[test]
    fn a_change_of_kind_keeps_what_is_used() {
        for (before, after, free_at) in [(ROLLING, quota(), 10), (quota(), ROLLING, 17)] {
            let mut window = Window::new(before);
            window.observe(7, 7);
            window.take(1);
            window.stamp(7, 2);
            window.reshape(7, after);
            window.observe(7, 7);
            assert_eq!((window.used(), window.in_flight()), (3, 1));
            assert_eq!(window.window_down_to(0), free_at);
        }
    }

    #[test]
    fn the_same_boundaries_keep_the_window_as_it_is() {
        let mut window = Window::new(quota());
        window.observe(7, 7);
        window.stamp(7, 2);
        window.reshape(9, Shape { limit: 3, ..quota() });
        assert_eq!((window.limit(), window.used(), window.frees_at(9)), (3, 2, 10));
    }

    #[test]
    fn rounds_of_either_kind_come_free_one_after_the_other() {
        let rolling = Window::new(ROLLING);
        assert_eq!(rolling.frees_after(7, 3), 37);
        let mut window = Window::new(quota());
        window.observe(7, 7);
        assert_eq!((window.frees_after(7, 0), window.frees_after(7, 3)), (7, 30));
        assert_eq!(window.frees_after(7, 5_000), 50_000);
    }
}
