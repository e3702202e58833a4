//! A counter that falls steadily: a token bucket, seen from below.
//!
//! The level is counted in units × nanoseconds of the interval, of which `limit` drain in each nanosecond. So nothing is ever
//! rounded but an instant, up to the next nanosecond.
//!
//! Others use the same counter: what they have used is in it ([`others_of_bucket`](super::others_of_bucket)), and all drains
//! once.

use crate::clock::Nanos;

use super::MAX_LIMIT;
use super::others_of_bucket::{OthersOfBucket, ToldOfBucket};

/// As many of the instants at which a unit has drained are events, in each interval, at most. What a plan makes of units in
/// flight is looked at again at events, and a counter that falls a million times a second must not wake anybody as often.
const EVENTS: u64 = 64;

/// A level that falls steadily, from some instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slope {
    pub at: Nanos,
    /// In units × nanoseconds.
    pub level: u128,
    /// How much drains in a nanosecond.
    pub drain: u64,
    /// How much a unit is.
    pub unit: Nanos,
}

impl Slope {
    /// The level at `at`; what it began with, should that be earlier.
    pub fn level_at(&self, at: Nanos) -> u128 {
        drained(self.level, self.drain, at.saturating_sub(self.at))
    }

    /// The first instant at which the level is no more than this.
    pub fn down_to(&self, level: u128) -> Nanos {
        let span = self.level.saturating_sub(level).div_ceil(u128::from(self.drain));
        self.at.saturating_add(Nanos::try_from(span).unwrap_or(Nanos::MAX))
    }

    /// What so many units are.
    pub fn amount(&self, units: u64) -> u128 {
        u128::from(units) * u128::from(self.unit)
    }

    /// The same, with so many units more.
    pub fn with(self, units: u64) -> Self {
        Self { level: self.level + self.amount(units), ..self }
    }
}

/// What is left of a level after `span`.
pub(crate) fn drained(level: u128, drain: u64, span: Nanos) -> u128 {
    level.saturating_sub(u128::from(drain) * u128::from(span))
}

/// The counter of a bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    slope: Slope,
    /// Units that have not drained, rounded up, as of the last [`Bucket::expire`].
    units: u64,
    /// When that was.
    seen: Nanos,
    /// The last event.
    expired_at: Nanos,
    /// What of the level is of others, or kept for them.
    others: OthersOfBucket,
}

impl Bucket {
    /// A counter that falls by `limit` an `interval`, with so many units at `now`.
    pub fn new(limit: u64, interval: Nanos, now: Nanos, units: u64) -> Self {
        let slope = Slope { at: now, level: 0, drain: limit, unit: interval };
        let mut bucket =
            Self { slope, units: 0, seen: now, expired_at: 0, others: OthersOfBucket::default() };
        bucket.stamp(now, units);
        bucket
    }

    /// How long all of its limit takes to drain.
    pub fn interval(&self) -> Nanos {
        self.slope.unit
    }

    /// Falls by another `limit` an `interval` from now on.
    pub fn reshape(&mut self, now: Nanos, limit: u64, interval: Nanos) {
        self.expire(now);
        self.move_to(now);
        let unit = u128::from(self.slope.unit);
        let scale = |level: u128| {
            level / unit * u128::from(interval) + (level % unit * u128::from(interval)).div_ceil(unit)
        };
        self.others.scale(scale);
        self.slope = Slope { level: scale(self.slope.level), drain: limit, unit: interval, ..self.slope };
        self.units = self.units_at(now);
    }

    /// Falls by `limit` in each of its intervals from now on.
    pub fn drain_by(&mut self, now: Nanos, limit: u64) {
        if limit != self.slope.drain {
            self.reshape(now, limit, self.slope.unit);
        }
    }

    /// Reckons from `now` on.
    fn move_to(&mut self, now: Nanos) {
        let at = now.max(self.slope.at);
        self.others = self.others_at(at);
        self.slope = Slope { at, level: self.slope.level_at(at), ..self.slope };
    }

    /// The level, with so many units in flight that begin to drain at `answered`.
    pub fn slope(&self, in_flight: u64, answered: Nanos) -> Slope {
        let at = answered.max(self.slope.at);
        Slope { at, level: self.slope.level_at(at), ..self.slope }.with(in_flight)
    }

    #[inline]
    pub fn units(&self) -> u64 {
        self.units
    }

    pub fn expired_at(&self) -> Nanos {
        self.expired_at
    }

    /// Notes what has drained by `now`.
    pub fn expire(&mut self, now: Nanos) {
        self.seen = self.seen.max(now);
        if self.units == 0 {
            return;
        }
        let units = self.units_at(now);
        // Of the events since the last look, the latest.
        let event = units.next_multiple_of(self.grain());
        if event < self.units {
            self.expired_at = self.down_to(event);
        }
        self.units = units;
    }

    /// Adds units, which drain from `now` on.
    pub fn stamp(&mut self, now: Nanos, units: u64) {
        self.expire(now);
        self.move_to(now);
        self.raise(self.slope.amount(units.min(MAX_LIMIT)));
    }

    fn raise(&mut self, amount: u128) {
        self.slope.level = (self.slope.level + amount).min(self.slope.amount(MAX_LIMIT));
        self.units = self.units_at(self.slope.at);
    }

    /// The same of units that others have used.
    pub fn stamp_foreign(&mut self, now: Nanos, units: u64) {
        self.stamp(now, units);
        self.others.add(self.slope.amount(units.min(MAX_LIMIT)));
    }

    /// The exchange has told what its counter showed at some instant: this one shows no less from now on. How many units others
    /// must have used that were not known before.
    pub fn hear(&mut self, now: Nanos, told: &ToldOfBucket) -> u64 {
        self.expire(now);
        self.move_to(now);
        let (level, new) = self.others.hear(now, told, &self.slope);
        self.slope.level = level;
        self.raise(0);
        new
    }

    /// What others have used, and what is kept for them, is what is in another counter.
    pub fn follow(&mut self, now: Nanos, other: &Self) {
        self.expire(now);
        self.move_to(now);
        self.slope.level -= self.others.in_level(self.slope.level);
        self.others = other.others_at(now);
        self.raise(self.others.all());
    }

    fn others_at(&self, now: Nanos) -> OthersOfBucket {
        let mut others = self.others;
        let drained = u128::from(self.slope.drain) * u128::from(now.saturating_sub(self.slope.at));
        others.drain(drained, self.slope.level_at(now));
        others
    }

    /// Of the units, those that are own ones, as of the last look; and those that are own ones or known to be used.
    pub fn known_units(&self) -> (u64, u64) {
        let (level, others) = (self.slope.level_at(self.seen), self.others_at(self.seen));
        let units =
            |amount: u128| u64::try_from(amount.div_ceil(u128::from(self.slope.unit))).unwrap_or(MAX_LIMIT);
        (units(level - others.in_level(level)), units(level - others.kept_of(level)))
    }

    /// Takes own units out of the counter; how many there were to take, no more than `units`.
    pub fn take_back(&mut self, units: u64) -> u64 {
        let units = units.min(self.known_units().0);
        // As of the last look: what was left of them then.
        self.move_to(self.seen);
        let own = self.slope.level - self.others.in_level(self.slope.level);
        self.slope.level -= self.slope.amount(units).min(own);
        self.units = self.units_at(self.seen);
        units
    }

    pub fn units_at(&self, at: Nanos) -> u64 {
        let units = self.slope.level_at(at).div_ceil(u128::from(self.slope.unit));
        u64::try_from(units).unwrap_or(MAX_LIMIT)
    }

    /// The first instant at which at most `units` are left; 0 if that is so already.
    pub fn down_to(&self, units: u64) -> Nanos {
        let level = self.slope.amount(units);
        if self.slope.level <= level { 0 } else { self.slope.down_to(level) }
    }

    /// When the next unit has drained after `at`.
    pub fn next_expiry(&self, at: Nanos) -> Option<Nanos> {
        self.units_at(at).checked_sub(1).map(|units| self.down_to(units))
    }

    /// The next event after `at`.
    pub fn next_event(&self, at: Nanos) -> Option<Nanos> {
        let grain = self.grain();
        self.units_at(at).checked_sub(1).map(|units| self.down_to(units / grain * grain))
    }

    /// Each time that a multiple of it is reached is an event.
    fn grain(&self) -> u64 {
        (self.slope.drain / EVENTS).max(1)
    }

    /// How long the next unit takes at least, once its request is answered.
    pub fn shortest(&self) -> Nanos {
        self.slope.unit.div_ceil(self.slope.drain)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_counter_falls_by_its_limit_an_interval_and_no_unit_leaves_early() {
        // Three units in ten nanoseconds: one each 3 1/3.
        let mut bucket = Bucket::new(3, 10, 100, 3);
        for (at, units) in [(100, 3), (103, 3), (104, 2), (106, 2), (107, 1), (109, 1), (110, 0)] {
            bucket.expire(at);
            assert_eq!((bucket.units(), bucket.units_at(at)), (units, units), "at {at}");
        }
        assert_eq!(bucket.expired_at(), 110);
    }

    #[test]
    fn nothing_is_lost_by_rounding_however_often_it_is_looked_at() {
        let mut bucket = Bucket::new(3, 10, 0, 0);
        // One unit each time that one has drained: 3,000 in 10,000 ns, and the two that were there before.
        let mut let_through = 0;
        for now in 0..10_000 {
            bucket.expire(now);
            while bucket.units() < 3 {
                bucket.stamp(now, 1);
                let_through += 1;
            }
        }
        assert_eq!(let_through, 3 + 3_000 - 1);
    }

    #[test]
    fn the_largest_counter_of_a_hundred_years_does_not_overflow() {
        let interval = super::super::MAX_PERIOD;
        let mut bucket = Bucket::new(MAX_LIMIT, interval, 0, MAX_LIMIT);
        bucket.stamp(5, MAX_LIMIT);
        assert_eq!(bucket.units(), MAX_LIMIT);
        assert_eq!(bucket.down_to(0), 5 + interval);
        bucket.reshape(6, 1, 1);
        assert!(bucket.down_to(0) >= MAX_LIMIT);
        bucket.reshape(7, MAX_LIMIT, interval);
        assert!(bucket.units() <= MAX_LIMIT);
        let slope = bucket.slope(MAX_LIMIT, 7);
        assert!(slope.down_to(0) >= interval);
    }

    #[test]
    fn another_rate_keeps_what_is_used_and_rounds_up() {
        let mut bucket = Bucket::new(3, 10, 0, 3);
        // Two and two thirds of a unit are left... and of seven nanoseconds a unit, 18 2/3 are 19.
        bucket.reshape(1, 7, 7);
        assert_eq!((bucket.units(), bucket.down_to(0)), (3, 1 + 19_u64.div_ceil(7)));
    }

    #[test]
    fn a_counter_of_many_units_has_few_events() {
        let bucket = Bucket::new(1_000_000, 1_000_000_000, 0, 1_000_000);
        let mut events = 0;
        let mut at = 0;
        while let Some(next) = bucket.next_event(at) {
            assert!(next > at);
            (at, events) = (next, events + 1);
        }
        assert!((64..=65).contains(&events), "{events}");
        assert_eq!(at, 1_000_000_000);
    }

    proptest! {
        /// Against a fraction that is never rounded: (level × 1, at) by small steps.
        #[test]
        fn a_counter_equals_one_that_is_moved_each_nanosecond(
            limit in 1..20_u64, interval in 1..30_u64, steps in prop::collection::vec((0..9_u64, 0..5_u64), 1..40),
        ) {
            let mut bucket = Bucket::new(limit, interval, 0, 0);
            let (mut level, mut now) = (0_u64, 0);
            for (wait, units) in steps {
                for _ in 0..wait {
                    level = level.saturating_sub(limit);
                }
                now += wait;
                bucket.expire(now);
                prop_assert_eq!(bucket.units(), level.div_ceil(interval));
                bucket.stamp(now, units);
                level += units * interval;
                prop_assert_eq!(bucket.units(), level.div_ceil(interval));
                for left in 0..4 {
                    let at = bucket.down_to(left).max(now);
                    prop_assert!(level.saturating_sub(limit * (at - now)) <= left * interval);
                    prop_assert!(at == now || level.saturating_sub(limit * (at - 1 - now)) > left * interval);
                }
            }
        }
    }
}
