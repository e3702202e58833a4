//! What others have used of a bucket: a part of its one counter, as the exchange tells it.
//!
//! The exchange has one counter for all. So a number that it tells is compared with the level of the whole: what is missing
//! from that is added, and falls with the rest. The number is of some instant since the request left; it counts as if it were of
//! now, which is late by no more than the answer is.
//!
//! Where others are expected to go on as they did, two things more are *kept* on top of the level, until the next answer tells
//! better: what is in flight counts as if it was not in the number, and some room for those who come before a request of ours
//! arrives there. What is kept is the last that drains, and a later number gives it back. So a counter is never held up for
//! longer than it takes to drain.

use crate::clock::Nanos;

use super::MAX_LIMIT;
use super::bucket::Slope;

/// What an answer says of the counter.
#[derive(Clone, Copy, Debug)]
pub(super) struct ToldOfBucket {
    /// When the request left, at the earliest: the exchange counted at some instant from then on.
    pub since: Nanos,
    /// How many units were used then.
    pub used: u64,
    /// Own units that are on their way, or may be in the number.
    pub in_flight: u64,
    /// Whether others go on as they did.
    pub expect: bool,
}

/// See the [module](self). All in units × nanoseconds, as of the instant that the bucket reckons from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OthersOfBucket {
    /// What they are known to have used: it drains before what is own.
    used: u128,
    /// What is kept beside that: it drains after all else.
    kept: u128,
    /// When the request left whose answer `kept` was made of.
    kept_since: Nanos,
    /// How many units were found in the last interval, old ones fading away; and when the last were.
    found: f64,
    heard_at: Nanos,
}

impl OthersOfBucket {
    /// So much has drained, and this is the level that is left.
    pub fn drain(&mut self, amount: u128, level: u128) {
        (self.used, self.kept) = (self.used.saturating_sub(amount), self.kept.min(level));
    }

    /// Others have used so much more.
    pub fn add(&mut self, amount: u128) {
        self.used += amount;
    }

    /// Of another unit from now on.
    pub fn scale(&mut self, scale: impl Fn(u128) -> u128) {
        (self.used, self.kept) = (scale(self.used), scale(self.kept));
    }

    /// What is kept, of a level.
    pub fn kept_of(&self, level: u128) -> u128 {
        self.kept.min(level)
    }

    /// All that is not own, of a level.
    pub fn in_level(&self, level: u128) -> u128 {
        self.all().min(level)
    }

    /// All that is not own, if the level is as high as that.
    pub fn all(&self) -> u128 {
        self.used + self.kept
    }

    /// Learns from an answer at `now`, from which on the level is reckoned. The new level; and how many units others must have
    /// used that were not known before, if they must have used any.
    pub fn hear(&mut self, now: Nanos, told: &ToldOfBucket, slope: &Slope) -> (u128, u64) {
        let kept_before = self.kept_of(slope.level);
        let level = slope.level - kept_before;
        let used = slope.amount(told.used.min(MAX_LIMIT));
        let new = used.saturating_sub(level + slope.amount(told.in_flight));
        let level = level + new;
        self.used += new;
        // So much can have drained since the exchange counted, and it may have rounded up.
        let age = now.saturating_sub(told.since);
        let late = u128::from(slope.drain) * u128::from(age);
        let is_certain = new >= late + slope.amount(1);

        let room = self.expect(now, new, age, slope);
        let missing = if told.expect { (used + slope.amount(room)).saturating_sub(level) } else { 0 };
        // Of two answers, that to the later request tells more.
        if told.since >= self.kept_since {
            (self.kept, self.kept_since) = (missing, told.since);
        } else {
            self.kept = kept_before.max(missing);
        }
        let found = if is_certain { new.div_ceil(slope.amount(1)) } else { 0 };
        (level + self.kept, u64::try_from(found).unwrap_or(MAX_LIMIT))
    }

    /// How many units others use, most likely, before the next request of ours arrives: twice as many as they did in the time
    /// that the number is late by and one of our units takes to drain. No more is expected of them than half of what drains.
    fn expect(&mut self, now: Nanos, new: u128, age: Nanos, slope: &Slope) -> u64 {
        let (interval, drain) = (slope.unit as f64, slope.drain as f64);
        self.found *= (-(now.saturating_sub(self.heard_at) as f64) / interval).exp();
        self.found += new as f64 / interval;
        self.heard_at = now;
        // What is found where there is nobody: the exchange may round up, and its numbers are late.
        let none = 1.0 + drain * age as f64 / interval;
        let rate = (self.found - none).clamp(0.0, drain / 2.0);
        (2.0 * rate * (age as f64 / interval + 1.0 / drain)).round() as u64
    }
}
