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
        let silent = now.saturating_sub(self.heard_at);
        self.found *= (-(silent as f64) / interval).exp();
        // What the first number tells of may have come at any time.
        if self.heard_at > 0 && silent < slope.unit {
            self.found += new as f64 / interval;
        }
        self.heard_at = now;
        // What is found where there is nobody: the exchange may round up, and its numbers are late.
        let none = 1.0 + drain * age as f64 / interval;
        let rate = (self.found - none).clamp(0.0, drain / 2.0);
        (2.0 * rate * (age as f64 / interval + 1.0 / drain)).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::listening::Told;
    use super::super::window::{Shape, Span, Window};
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    /// Kraken's counter: 15, one less each three seconds.
    fn counter() -> Window {
        Window::new(Shape { limit: 15, span: Span::Bucket { limit: 15, interval: 45 * SECOND } })
    }

    fn hear(window: &mut Window, now: Nanos, age: Nanos, remaining: i128, expect: bool) -> u64 {
        let told = Told { since: now - age, remaining, until: None, expect };
        window.hear(now, told).expect("it is not old")
    }

    #[test]
    fn a_full_counter_falls_once_at_the_rate_of_the_limit_whoever_has_used_it() {
        for (own, in_block) in [(0, false), (1, false), (1, true), (9, false), (15, true)] {
            let mut window = counter();
            window.take(own);
            if !in_block {
                window.settle(100 * SECOND, own);
            }
            assert_eq!(hear(&mut window, 100 * SECOND, SECOND, 0, false), 15 - own, "{own} own");
            if in_block {
                window.settle(100 * SECOND, own);
            }
            assert_eq!((window.used(), window.own(), window.others(100 * SECOND)), (15, own, 15 - own));
            for unit in 1..=15 {
                let free = (100 + 3 * unit) * SECOND;
                window.expire(free - 1);
                assert_eq!(window.used(), 16 - unit);
                window.expire(free);
                assert_eq!(window.used(), 15 - unit);
            }
        }
    }

    #[test]
    fn a_number_is_not_added_to_what_it_counts_and_a_smaller_one_frees_nothing() {
        let mut window = counter();
        window.stamp(0, 6);
        assert_eq!(hear(&mut window, SECOND, 0, 5, false), 5);
        assert!(window.used() == 10 && window.fits(5) && !window.fits(6));
        for (now, remaining) in [(2, 6), (2, 9), (3, 15)] {
            assert_eq!(hear(&mut window, now * SECOND, 0, remaining, false), 0);
        }
        assert_eq!(window.used_down_to(9, 0), 4 * SECOND);
        // What may have drained since the exchange counted is no sign of others, and counts all the same.
        window.expire(4 * SECOND);
        assert_eq!(hear(&mut window, 4 * SECOND, 3 * SECOND, 5, false), 0);
        assert_eq!((window.used(), window.used_down_to(9, 0)), (10, 7 * SECOND));
    }

    #[test]
    fn what_is_in_flight_may_be_in_the_number_unless_others_are_expected() {
        let mut window = counter();
        window.take(4);
        assert_eq!(hear(&mut window, SECOND, SECOND, 11, false), 0);
        assert_eq!(window.used(), 4);
        hear(&mut window, 2 * SECOND, SECOND, 11, true);
        assert_eq!((window.used(), window.own(), window.others(2 * SECOND)), (8, 4, 4));
        // They are answered, and were in it.
        window.settle(3 * SECOND, 4);
        assert_eq!(window.used(), 8);
        hear(&mut window, 3 * SECOND, SECOND / 2, 11, true);
        assert_eq!(window.used(), 4);
        // An answer to an earlier request takes nothing back.
        hear(&mut window, 3 * SECOND, SECOND / 4, 9, true);
        hear(&mut window, 3 * SECOND, SECOND, 11, true);
        assert_eq!(window.used(), 6);
    }

    #[test]
    fn who_goes_on_as_before_has_some_room_until_the_next_number() {
        let (mut window, mut plain) = (counter(), counter());
        let mut left = 15;
        for now in 1..39 {
            left += i128::from(now % 3 == 0) - i128::from(now % 2 == 0);
            hear(&mut window, now * SECOND, 0, left, true);
            hear(&mut plain, now * SECOND, 0, left, false);
        }
        assert_eq!(window.used(), plain.used() + 1);
        hear(&mut window, 39 * SECOND, 0, left, false);
        plain.expire(39 * SECOND);
        assert_eq!(window.used(), plain.used());
    }

    #[test]
    fn who_is_alone_loses_no_more_than_what_the_exchange_rounds_up() {
        let (mut window, mut exchange) = (counter(), counter());
        for now in 1..100 {
            exchange.expire(now * SECOND);
            for counter in [&mut window, &mut exchange] {
                counter.stamp(now * SECOND, u64::from(now % 3 == 0 || now % 20 == 0));
            }
            let told = 15 - i128::from(exchange.used());
            assert_eq!(hear(&mut window, now * SECOND, SECOND / 3, told, true), 0);
            assert!(window.used() <= exchange.used() + 1, "{now}");
        }
    }

    #[test]
    fn only_own_units_are_given_back() {
        let mut window = counter();
        window.stamp(0, 2);
        hear(&mut window, 0, 0, 5, false);
        assert_eq!((window.take_back(0, 5), window.used(), window.others(0)), (2, 8, 8));
    }

    #[test]
    fn a_limit_that_was_told_is_the_rate_and_a_larger_one_is_the_tables() {
        let mut window = counter();
        window.stamp(0, 12);
        assert!(window.tell_limit(0, 5));
        assert_eq!((window.limit(), window.used_down_to(4, 0)), (5, 72 * SECOND));
        assert!(window.tell_limit(9 * SECOND, 100));
        assert_eq!((window.limit(), window.used_down_to(10, 0)), (15, 12 * SECOND));
    }

    #[test]
    fn a_part_of_a_counter_has_the_same_units_of_others() {
        let mut window = counter();
        let span = Span::Bucket { limit: 10, interval: 45 * SECOND };
        let mut part = Window::new(Shape { limit: 10, span });
        part.stamp(0, 3);
        window.stamp(0, 3);
        hear(&mut window, 0, 0, 3, false);
        part.follow(0, &window);
        assert_eq!((part.used(), part.own()), (12, 3));
        // It drains more slowly by itself, and yet they do not pile up.
        for now in (3..300).step_by(3) {
            hear(&mut window, now * SECOND, 0, 3, false);
            part.follow(now * SECOND, &window);
            assert!(part.used() <= 12 && part.others(now * SECOND) == window.others(now * SECOND));
        }
    }
}
