//! Units whose end is known, by kind of limit: a new kind of limit begins here.
//!
//! A kind says how long a stamped unit stays, and nothing else. How many units fit, what is in flight and when nothing
//! may pass at all is the same for all kinds: see [`window`](super::window).

use crate::clock::{Nanos, WallNanos};

use super::quota::Quota;
use super::rolling::Rolling;
use super::window::Span;

/// What is in the window of a limit.
#[derive(Debug)]
pub(super) enum Stamps {
    Rolling(Rolling),
    /// Boxed: it is the larger one, and rolling limits shall lie close together.
    Quota(Box<Quota>),
}

/// When units leave the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// At an instant.
    At(Nanos),
    /// At a boundary of wall time.
    Boundary(WallNanos),
}

/// Units in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub units: u64,
    pub end: End,
}

/// The same call for either kind.
macro_rules! either {
    ($stamps:expr, $each:ident => $call:expr) => {
        match $stamps {
            Stamps::Rolling($each) => $call,
            Stamps::Quota($each) => $call,
        }
    };
}

impl Stamps {
    /// With so many units stamped at `now`. A quota must be observed after that.
    pub fn holding(span: Span, now: Nanos, units: u64) -> Self {
        match span {
            Span::Rolling(interval) => {
                let mut rolling = Rolling::new(interval);
                rolling.stamp(now, units);
                Self::Rolling(rolling)
            }
            Span::Quota(resets) => Self::Quota(Box::new(Quota::new(resets, units))),
        }
    }

    /// Takes another span. Should the kind or the boundaries change, what is in the window counts as stamped now.
    pub fn reshape(&mut self, now: Nanos, span: Span) {
        match (&mut *self, span) {
            (Self::Rolling(rolling), Span::Rolling(interval)) => rolling.reshape(now, interval),
            (Self::Quota(quota), Span::Quota(resets)) if quota.resets() == resets => {}
            _ => *self = Self::holding(span, now, self.units()),
        }
    }

    /// How long most windows are.
    pub fn interval(&self) -> Nanos {
        match self {
            Self::Rolling(rolling) => rolling.interval(),
            Self::Quota(quota) => quota.resets().period.nanos(),
        }
    }

    /// The clock on the wall shows `wall` at `now`; that is nothing to kinds that do not follow it.
    #[inline]
    pub fn observe(&mut self, now: Nanos, wall: WallNanos, in_flight: u64) {
        if let Self::Quota(quota) = self {
            quota.observe(now, wall, in_flight);
        }
    }

    /// Drops what has ended by `now`, as far as the monotonic clock alone decides it.
    #[inline]
    pub fn expire(&mut self, now: Nanos) {
        if let Self::Rolling(rolling) = self {
            rolling.expire(now);
        }
    }

    /// Units in the window, as of the last [`Stamps::expire`] or [`Stamps::observe`].
    #[inline]
    pub fn units(&self) -> u64 {
        either!(self, stamps => stamps.units())
    }

    #[inline]
    pub fn stamp(&mut self, now: Nanos, units: u64) {
        match self {
            Self::Rolling(rolling) => rolling.stamp(now, units),
            Self::Quota(quota) => quota.stamp(units),
        }
    }

    /// Takes the oldest units out of the window; how many there were to take, no more than `units`.
    pub fn take_back(&mut self, units: u64) -> u64 {
        either!(self, stamps => stamps.take_back(units))
    }

    /// From now on it is known what was in the window up to `longer` ago.
    pub fn remember(&mut self, now: Nanos, longer: Nanos) {
        if let Self::Rolling(rolling) = self {
            rolling.remember(now, longer);
        }
    }

    /// Units that were in the window at `since` or came later; `None` where that is not known, or another window began
    /// after it.
    pub fn units_since(&self, since: Nanos) -> Option<u64> {
        either!(self, stamps => stamps.units_since(since))
    }

    /// When the window began and when it ends, if all of its units end together.
    #[inline]
    pub fn window(&self) -> Option<(Nanos, Nanos)> {
        match self {
            Self::Rolling(_) => None,
            Self::Quota(quota) => Some(quota.window()),
        }
    }

    /// What is in the window, oldest first.
    pub fn settled(&self) -> Vec<Settled> {
        match self {
            Self::Rolling(rolling) => {
                rolling.ends().map(|(at, units)| Settled { units, end: End::At(at) }).collect()
            }
            Self::Quota(quota) if quota.units() == 0 => Vec::new(),
            Self::Quota(quota) => {
                vec![Settled { units: quota.units(), end: End::Boundary(quota.boundary()) }]
            }
        }
    }

    /// Takes the oldest units out of the window.
    pub fn hand_over(&mut self, units: u64) {
        either!(self, stamps => stamps.hand_over(units));
    }

    /// When units stamped at `at` end: later for a later `at`, or at the same instant.
    pub fn frees_at(&self, at: Nanos) -> Nanos {
        match self {
            Self::Rolling(rolling) => at.saturating_add(rolling.interval()),
            Self::Quota(quota) => quota.frees_at(at),
        }
    }

    /// Units of today's window that will still be in it at `at`.
    pub fn units_at(&self, at: Nanos) -> u64 {
        either!(self, stamps => stamps.units_at(at))
    }

    /// The first instant at which at most `units` of today's window are left in it; 0 if that is so already.
    pub fn down_to(&self, units: u64) -> Nanos {
        either!(self, stamps => stamps.down_to(units))
    }

    /// Whether nothing is in the window, nor would be in the longest interval that it ever had.
    pub fn is_unused(&mut self, now: Nanos) -> bool {
        match self {
            Self::Rolling(rolling) => rolling.is_unused(now),
            Self::Quota(quota) => quota.units() == 0,
        }
    }

    /// When units last ended, or a window of a quota in which any were used; 0 if none has.
    #[inline]
    pub fn expired_at(&self) -> Nanos {
        either!(self, stamps => stamps.expired_at())
    }

    /// When the next units end after `at`.
    pub fn next_expiry(&self, at: Nanos) -> Option<Nanos> {
        either!(self, stamps => stamps.next_expiry(at))
    }
}
