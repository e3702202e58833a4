//! Units whose end is known, by kind of limit: a new kind of limit begins here.
//!
//! A kind says how long a stamped unit stays, and nothing else. How many units fit, what is in flight and when nothing
//! may pass at all is the same for all kinds: see [`window`](super::window).

use crate::clock::{Nanos, WallNanos};

use super::bucket::{Bucket, Slope};
use super::ends::Ends;
use super::first::First;
use super::fixed::Fixed;
use super::quota::Quota;
use super::rolling::Rolling;
use super::server_clock::ServerClock;
use super::window::Span;

/// What is in the window of a limit.
#[derive(Debug)]
pub(super) enum Stamps {
    Rolling(Rolling),
    /// Boxed, as all others are: they are larger, and rolling limits shall lie close together.
    Quota(Box<Quota>),
    Bucket(Box<Bucket>),
    /// Of requests that have ended, nothing stays; of others than ours it may.
    Concurrent(Box<Ends>),
    Fixed(Box<Fixed>),
    First(Box<First>),
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

/// The same call for each kind.
macro_rules! each {
    ($stamps:expr, $each:ident => $call:expr, $ends:ident => $of_ends:expr) => {
        match $stamps {
            Stamps::Rolling($each) => $call,
            Stamps::Quota($each) => $call,
            Stamps::Bucket($each) => $call,
            Stamps::Concurrent($ends) => $of_ends,
            Stamps::Fixed(fixed) => {
                let $ends = fixed.ends();
                $of_ends
            }
            Stamps::First(first) => {
                let $ends = first.ends();
                $of_ends
            }
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
            Span::Quota { resets, margin } => Self::Quota(Box::new(Quota::new(resets, margin, units))),
            Span::Bucket { limit, interval } => {
                Self::Bucket(Box::new(Bucket::new(limit, interval, now, units)))
            }
            Span::Concurrent => Self::Concurrent(Box::default()),
            Span::Fixed { interval, margin } => {
                Self::Fixed(Box::new(Fixed::new(interval, margin, now, units)))
            }
            Span::First(interval) => Self::First(Box::new(First::new(interval, now, units))),
        }
    }

    /// Takes another span. Should the kind or the boundaries change, what is in the window counts as stamped now.
    pub fn reshape(&mut self, now: Nanos, span: Span) {
        match (&mut *self, span) {
            (Self::Rolling(rolling), Span::Rolling(interval)) => rolling.reshape(now, interval),
            (Self::Quota(quota), Span::Quota { resets, margin }) if quota.resets() == resets => {
                quota.spread(margin)
            }
            (Self::Bucket(bucket), Span::Bucket { limit, interval }) => bucket.reshape(now, limit, interval),
            (Self::Concurrent(_), Span::Concurrent) => {}
            (Self::Fixed(fixed), Span::Fixed { interval, margin }) => fixed.reshape(now, interval, margin),
            (Self::First(first), Span::First(interval)) => first.reshape(now, interval),
            _ => *self = Self::holding(span, now, self.units()),
        }
    }

    /// How long most windows are.
    pub fn interval(&self) -> Nanos {
        match self {
            Self::Rolling(rolling) => rolling.interval(),
            Self::Quota(quota) => quota.resets().period.nanos(),
            Self::Bucket(bucket) => bucket.interval(),
            Self::Concurrent(_) => 0,
            Self::Fixed(fixed) => fixed.interval(),
            Self::First(first) => first.interval(),
        }
    }

    /// The clock on the wall shows `wall` at `now`; that is nothing to kinds that do not follow it.
    #[inline]
    pub fn observe(&mut self, now: Nanos, wall: WallNanos, in_flight: u64) {
        if let Self::Quota(quota) = self {
            quota.observe(now, wall, in_flight);
        }
    }

    /// What is known of the server's clock; that is nothing to kinds that do not follow it.
    pub fn learn(&mut self, now: Nanos, clock: ServerClock) {
        if let Self::Fixed(fixed) = self {
            fixed.learn(now, clock);
        }
    }

    /// Drops what has ended by `now`, as far as the monotonic clock alone decides it, while so many units are in flight.
    #[inline]
    pub fn expire(&mut self, now: Nanos, in_flight: u64) {
        if let Self::Rolling(rolling) = self {
            rolling.expire(now);
        } else {
            self.expire_others(now, in_flight);
        }
    }

    #[inline(never)]
    fn expire_others(&mut self, now: Nanos, in_flight: u64) {
        match self {
            Self::Rolling(_) | Self::Quota(_) => {}
            Self::Bucket(bucket) => bucket.expire(now),
            Self::Concurrent(ends) => ends.expire(now),
            Self::Fixed(fixed) => fixed.expire(now),
            Self::First(first) => first.expire(now, in_flight),
        }
    }

    /// Units in the window, as of the last [`Stamps::expire`] or [`Stamps::observe`].
    #[inline]
    pub fn units(&self) -> u64 {
        if let Self::Rolling(rolling) = self { rolling.units() } else { self.units_of_others() }
    }

    #[inline(never)]
    fn units_of_others(&self) -> u64 {
        each!(self, stamps => stamps.units(), ends => ends.units())
    }

    /// A request enters beside so many units in flight, as of the last [`Stamps::expire`].
    #[inline]
    pub fn enter(&mut self, in_flight: u64) {
        if let Self::First(first) = self {
            first.enter(in_flight);
        }
    }

    /// Units of a request that has ended at `now`.
    #[inline]
    pub fn stamp(&mut self, now: Nanos, units: u64) {
        if let Self::Rolling(rolling) = self {
            rolling.stamp(now, units);
        } else {
            self.stamp_others(now, units);
        }
    }

    #[inline(never)]
    fn stamp_others(&mut self, now: Nanos, units: u64) {
        match self {
            Self::Rolling(rolling) => rolling.stamp(now, units),
            Self::Quota(quota) => quota.stamp(units),
            Self::Bucket(bucket) => bucket.stamp(now, units),
            Self::Concurrent(_) => {}
            Self::Fixed(fixed) => fixed.stamp(now, units),
            Self::First(first) => first.stamp(now, units),
        }
    }

    /// Units of a request that was answered by `now`, beside those that it entered with.
    pub fn count_more(&mut self, now: Nanos, units: u64) {
        if let Self::First(first) = self { first.count_more(now, units) } else { self.stamp(now, units) }
    }

    /// Units of a request that was answered by `now` turned out not to be used.
    pub fn cost_less(&mut self, now: Nanos) {
        if let Self::First(first) = self {
            first.cost_less(now);
        }
    }

    /// Takes the oldest units out of the window; how many there were to take, no more than `units`.
    pub fn take_back(&mut self, units: u64) -> u64 {
        match self {
            Self::Rolling(rolling) => rolling.take_back(units),
            Self::Quota(quota) => quota.take_back(units),
            Self::Bucket(bucket) => bucket.take_back(units),
            Self::Concurrent(ends) => ends.take_back(units),
            Self::Fixed(fixed) => fixed.ends_mut().take_back(units),
            Self::First(first) => first.ends_mut().take_back(units),
        }
    }

    /// From now on it is known what was in the window up to `longer` ago.
    pub fn remember(&mut self, now: Nanos, longer: Nanos) {
        match self {
            Self::Rolling(rolling) => rolling.remember(now, longer),
            Self::Quota(_) | Self::Bucket(_) | Self::Concurrent(_) => {}
            Self::Fixed(fixed) => fixed.ends_mut().remember(longer),
            Self::First(first) => first.ends_mut().remember(longer),
        }
    }

    /// Units that were in the window at `since` or came later; `None` where that is not known, or another window began
    /// after it.
    pub fn units_since(&self, since: Nanos) -> Option<u64> {
        match self {
            Self::Rolling(rolling) => rolling.units_since(since),
            Self::Quota(quota) => quota.units_since(since),
            // A bucket's level is compared as a whole, and what of others was in flight since then nobody knows.
            Self::Bucket(_) | Self::Concurrent(_) => None,
            Self::Fixed(fixed) => fixed.ends().units_since(since),
            Self::First(first) => first.ends().units_since(since),
        }
    }

    /// Others have used the same limit: units of a bucket drain from now on. Whether that is all that there is to note.
    pub fn stamp_foreign(&mut self, now: Nanos, units: u64) -> bool {
        match self {
            Self::Bucket(bucket) => {
                bucket.stamp_foreign(now, units);
                true
            }
            Self::First(first) => {
                first.doubt(now);
                false
            }
            _ => false,
        }
    }

    /// Of the units, those that are own ones, and those that are own ones or known to be used.
    pub fn known_units(&self) -> (u64, u64) {
        if let Self::Bucket(bucket) = self { bucket.known_units() } else { (self.units(), self.units()) }
    }

    /// A bucket falls by so many units an interval from now on.
    pub fn drain_by(&mut self, now: Nanos, limit: u64) {
        if let Self::Bucket(bucket) = self {
            bucket.drain_by(now, limit);
        }
    }

    /// What of a bucket is of others is what it is in another one.
    pub fn follow(&mut self, now: Nanos, other: &Self) {
        if let (Self::Bucket(bucket), Self::Bucket(other)) = (self, other) {
            bucket.follow(now, other);
        }
    }

    /// When the window began and when it ends, if all of its units end together.
    #[inline]
    pub fn window(&self) -> Option<(Nanos, Nanos)> {
        if let Self::Quota(quota) = self { quota.window() } else { None }
    }

    /// When the window that units stamped at `now` are in began and ends, as far as it is known, if all of its units end
    /// together.
    pub fn window_at(&self, now: Nanos) -> Option<(Nanos, Nanos)> {
        match self {
            Self::Fixed(fixed) => fixed.window_at(now),
            _ => self.window(),
        }
    }

    /// Units in the window that is open at `now`: without those that count still, but surely came in the one before.
    pub fn units_of_window(&self, now: Nanos) -> u64 {
        if let Self::Fixed(fixed) = self { fixed.units_of_window(now) } else { self.units() }
    }

    /// What is in the window, oldest first.
    pub fn settled(&self) -> Vec<Settled> {
        let at = |(at, units)| Settled { units, end: End::At(at) };
        match self {
            Self::Rolling(rolling) => rolling.ends().map(at).collect(),
            Self::Quota(quota) => {
                let at = |(units, end)| Settled { units, end: End::Boundary(end) };
                quota.settled().map(at).collect()
            }
            Self::Bucket(bucket) if bucket.units() == 0 => Vec::new(),
            Self::Bucket(bucket) => vec![Settled { units: bucket.units(), end: End::At(bucket.down_to(0)) }],
            Self::Concurrent(ends) => ends.iter().map(at).collect(),
            Self::Fixed(fixed) => fixed.ends().iter().map(at).collect(),
            Self::First(first) => first.ends().iter().map(at).collect(),
        }
    }

    /// Takes the oldest units out of the window.
    pub fn hand_over(&mut self, units: u64) {
        match self {
            Self::Rolling(rolling) => rolling.hand_over(units),
            _ => {
                self.take_back(units);
            }
        }
    }

    /// When units stamped at `at` have surely ended: later for a later `at`, or at the same instant.
    pub fn frees_at(&self, at: Nanos) -> Nanos {
        match self {
            Self::Rolling(rolling) => at.saturating_add(rolling.interval()),
            Self::Quota(quota) => quota.frees_at(at),
            Self::Bucket(bucket) => at.saturating_add(bucket.interval()),
            Self::Concurrent(_) => at,
            Self::Fixed(fixed) => fixed.frees_at(at),
            Self::First(first) => first.frees_at(at),
        }
    }

    /// When the first of many units stamped at `at` ends at the earliest.
    pub fn first_frees_at(&self, at: Nanos) -> Nanos {
        if let Self::Bucket(bucket) = self { at.saturating_add(bucket.shortest()) } else { self.frees_at(at) }
    }

    /// The level of a bucket, with so many units in flight that begin to drain at `answered`.
    pub fn slope(&self, in_flight: u64, answered: Nanos) -> Option<Slope> {
        if let Self::Bucket(bucket) = self { Some(bucket.slope(in_flight, answered)) } else { None }
    }

    /// Units of today's window that will still be in it at `at`.
    pub fn units_at(&self, at: Nanos) -> u64 {
        each!(self, stamps => stamps.units_at(at), ends => ends.units_at(at))
    }

    /// The first instant at which at most `units` of today's window are left in it; 0 if that is so already.
    pub fn down_to(&self, units: u64) -> Nanos {
        each!(self, stamps => stamps.down_to(units), ends => ends.down_to(units))
    }

    /// Whether nothing is in the window, nor would be in the longest interval that it ever had.
    pub fn is_unused(&mut self, now: Nanos) -> bool {
        if let Self::Rolling(rolling) = self { rolling.is_unused(now) } else { self.units() == 0 }
    }

    /// When units last ended, or a window of a quota in which any were used; 0 if none has.
    #[inline]
    pub fn expired_at(&self) -> Nanos {
        if let Self::Rolling(rolling) = self { rolling.expired_at() } else { self.expired_at_of_others() }
    }

    #[inline(never)]
    fn expired_at_of_others(&self) -> Nanos {
        match self {
            Self::Rolling(rolling) => rolling.expired_at(),
            Self::Quota(quota) => quota.expired_at(),
            Self::Bucket(bucket) => bucket.expired_at(),
            Self::Concurrent(ends) => ends.expired_at(),
            Self::Fixed(fixed) => fixed.ends().expired_at(),
            Self::First(first) => first.expired_at(),
        }
    }

    /// When the next units end after `at`.
    pub fn next_expiry(&self, at: Nanos) -> Option<Nanos> {
        each!(self, stamps => stamps.next_expiry(at), ends => ends.next_expiry(at))
    }

    /// The next instant after `at` of which [`Stamps::expired_at`] will tell.
    pub fn next_event(&self, at: Nanos) -> Option<Nanos> {
        if let Self::Bucket(bucket) = self { bucket.next_event(at) } else { self.next_expiry(at) }
    }
}
