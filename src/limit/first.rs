//! A window that its first request opens, and that ends one interval later.
//!
//! The server's window opens when a request arrives: at some instant between entering and the answer. So two things are known
//! of the window that is open: since when it may be (`opened_from`: the first request entered), and when it surely ends
//! (`ends_by`: one interval after the first answer to a request that is surely in it).
//!
//! - A request that is answered before the window can have ended is in it, and its units come free at `ends_by`.
//! - One that is answered later may be in the next window, which opened before its answer: its units stay for an interval.
//! - When the window has surely ended, requests in flight may be in it or in the next one, and nobody can tell them from
//!   those that enter later. Once more units have been answered than were in flight then, one of them is in the next window.
//!
//! Others open windows, too. Where an answer has more left than one before it, another window has opened between the two. So its
//! end is known, also where no answer tells it ([`First::hear`]).

use crate::clock::Nanos;

use super::ends::Ends;

/// What is in the window of such a limit.
#[derive(Debug)]
pub(crate) struct First {
    interval: Nanos,
    ends: Ends,
    /// The earliest instant at which the window may have opened; `None` where nobody knows.
    opened_from: Option<Nanos>,
    /// When the window has surely ended; `None` until a request that is surely in it was answered.
    ends_by: Option<Nanos>,
    /// So many of the units that are answered next may be in the window before.
    doubtful: u64,
    /// Until then a window may be open that others opened, or requests of which nothing counts.
    open_until: Nanos,
    /// The instant of the last look.
    seen: Nanos,
    /// When a window last ended.
    expired_at: Nanos,
    /// The last answer that told how much was left: when its request left, when it was heard, and how much.
    told: Option<(Nanos, Nanos, i128)>,
    /// The window that was seen to open since ends between these two.
    told_ends: (Nanos, Nanos),
}

impl First {
    pub fn new(interval: Nanos, now: Nanos, units: u64) -> Self {
        let mut first = Self {
            interval,
            ends: Ends::default(),
            opened_from: None,
            ends_by: None,
            doubtful: 0,
            open_until: 0,
            seen: now,
            expired_at: 0,
            told: None,
            told_ends: (0, 0),
        };
        first.insert(now.saturating_add(interval), units);
        first
    }

    pub fn interval(&self) -> Nanos {
        self.interval
    }

    /// Its windows last so long from now on. What is in one that is open stays for as long as the longer of both says.
    pub fn reshape(&mut self, now: Nanos, interval: Nanos) {
        if interval != self.interval {
            let units = self.ends.units();
            let end = self.ends.iter().last().map_or(0, |(end, _)| end).max(now.saturating_add(interval));
            *self = Self { expired_at: self.expired_at, ..Self::new(interval, now, 0) };
            self.insert(end, units);
        }
    }

    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    pub fn ends_mut(&mut self) -> &mut Ends {
        &mut self.ends
    }

    pub fn expired_at(&self) -> Nanos {
        self.expired_at.max(self.ends.expired_at())
    }

    /// Drops what has ended by `now`, while so many units are in flight.
    pub fn expire(&mut self, now: Nanos, in_flight: u64) {
        self.seen = self.seen.max(now);
        self.ends.expire(now);
        if let Some(end) = self.ends_by.filter(|&end| end <= now) {
            self.expired_at = end;
            self.ends_by = None;
            self.doubtful = in_flight;
            self.opened_from = self.opened_from.map(|from| from.saturating_add(self.interval));
        }
    }

    /// A request enters, as of the last look, beside so many units in flight.
    pub fn enter(&mut self, in_flight: u64) {
        if in_flight == 0 && self.ends.units() == 0 && self.open_until <= self.seen {
            // No window is open, nor can one have been opened by a request that is not answered.
            (self.opened_from, self.ends_by, self.doubtful) = (Some(self.seen), None, 0);
        }
    }

    /// Units of a request that was answered at `now`.
    pub fn stamp(&mut self, now: Nanos, units: u64) {
        let end = self.end_of(now);
        if units == 0 {
            self.cost_less(now);
        }
        self.insert(end, units);
        if self.ends_by.is_none() {
            if units > self.doubtful {
                self.ends_by = Some(end);
            }
            self.doubtful = self.doubtful.saturating_sub(units);
        }
    }

    /// A request that was answered by `now` cost so many units more: in which window, nobody need know.
    pub fn count_more(&mut self, now: Nanos, units: u64) {
        self.insert(now.saturating_add(self.interval), units);
    }

    /// A request that was answered by `now` cost less than it seemed. It may have opened a window all the same.
    pub fn cost_less(&mut self, now: Nanos) {
        self.open_until = self.open_until.max(now.saturating_add(self.interval));
    }

    /// Others may have opened a window, at any time up to now.
    pub fn doubt(&mut self, now: Nanos) {
        self.opened_from = None;
        self.open_until = self.open_until.max(now.saturating_add(self.interval));
    }

    /// An answer at `now` to a request that left at `since` tells how much was left: when the window that it tells of has ended at
    /// the latest; `None` if nobody saw it open.
    pub fn hear(&mut self, now: Nanos, since: Nanos, left: i128) -> Option<Nanos> {
        // Of two that were under way at once, nobody knows which one the exchange counted first.
        if self.told.is_none_or(|(_, heard, _)| heard <= since) {
            if let Some((before, ..)) = self.told.filter(|&(_, _, before)| left > before) {
                // Nor did it open before the one that was seen last had ended.
                let opened = before.max(self.told_ends.0);
                self.told_ends = (opened.saturating_add(self.interval), now.saturating_add(self.interval));
            }
            self.told = Some((since, now, left));
        }
        // Nor is it that one if the request left when, by what is known of own requests, a window had ended that may be it.
        let has_ended = self.told_ends.0 < self.expired_at && self.expired_at <= since;
        Some(self.told_ends.1).filter(|&end| now < end && !has_ended)
    }

    fn insert(&mut self, end: Nanos, units: u64) {
        self.ends.insert(end, units, self.interval);
    }

    /// When units of a request that is answered at `at` come free.
    pub fn frees_at(&self, at: Nanos) -> Nanos {
        self.end_of(at)
    }

    fn end_of(&self, at: Nanos) -> Nanos {
        let surely_in = self.opened_from.is_some_and(|from| at < from.saturating_add(self.interval));
        self.ends_by.filter(|_| surely_in).unwrap_or_else(|| at.saturating_add(self.interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests one after the other: (enters, answered).
    fn ends(requests: &[(Nanos, Nanos)]) -> Vec<(Nanos, u64)> {
        let mut first = First::new(10, 0, 0);
        for &(entered, answered) in requests {
            first.expire(entered, 0);
            first.enter(0);
            first.expire(answered, 1);
            first.stamp(answered, 1);
        }
        first.ends().iter().collect()
    }

    #[test]
    fn all_of_a_window_come_free_together() {
        assert_eq!(ends(&[(5, 5), (9, 9), (14, 14)]), [(15, 3)]);
        // It may have opened as late as the first answer.
        assert_eq!(ends(&[(5, 7), (9, 11), (12, 14)]), [(17, 3)]);
    }

    #[test]
    fn who_may_be_in_the_next_window_stays_for_an_interval() {
        // The window may have ended at 15, and the next one opened with any of the others.
        assert_eq!(ends(&[(5, 7), (9, 15), (16, 16)]), [(17, 1), (25, 1), (26, 1)]);
    }

    #[test]
    fn the_next_window_opens_with_the_next_request_after_the_end() {
        assert_eq!(ends(&[(5, 5), (15, 15), (24, 24)]), [(25, 2)]);
        assert_eq!(ends(&[(5, 5), (40, 40), (49, 49)]), [(50, 2)]);
    }

    #[test]
    fn where_more_is_left_than_before_another_window_has_opened() {
        let mut first = First::new(100, 0, 0);
        // (Heard, its request left, so many are left): it ends by.
        for ((now, since, left), end) in [
            ((10, 5, 60), None),
            ((14, 11, 50), None),
            // It opened between 11 and 30, and so ends between 111 and 130.
            ((30, 20, 90), Some(130)),
            ((40, 35, 80), Some(130)),
            // It left before the last one was heard: it may be older.
            ((41, 39, 85), Some(130)),
            ((110, 100, 20), Some(130)),
            // It may be the next one by now, and is not as long as no more is left.
            ((115, 112, 20), Some(130)),
            ((120, 116, 99), Some(220)),
            ((211, 205, 40), Some(220)),
        ] {
            assert_eq!(first.hear(now, since, left), end, "heard at {now}");
        }
    }

    #[test]
    fn who_leaves_when_a_window_of_own_requests_has_ended_is_told_of_another_one() {
        let mut first = First::new(100, 0, 0);
        first.expire(5, 0);
        first.enter(0);
        first.stamp(5, 1);
        assert_eq!(first.hear(8, 5, 50), None);
        // It opened between 5 and 30; and of that one, requests are known to end by 120.
        first.expire(120, 0);
        first.enter(0);
        first.stamp(120, 1);
        assert_eq!(first.hear(130, 120, 90), Some(230));
        first.expire(219, 0);
        assert_eq!(first.hear(219, 218, 50), Some(230));
        first.expire(220, 0);
        assert_eq!((first.expired_at(), first.hear(221, 220, 50)), (220, None));
    }

    #[test]
    fn a_request_in_flight_while_a_window_ends_may_be_in_either() {
        let mut first = First::new(10, 0, 0);
        first.expire(5, 0);
        first.enter(0);
        first.enter(1);
        first.enter(2);
        first.stamp(5, 1);
        // At 15 two are in flight that entered at 5, and a third one enters.
        first.expire(15, 2);
        assert_eq!(first.ends().units(), 0);
        first.enter(2);
        for (answered, in_flight, end) in [(16, 3, 26), (17, 2, 27), (18, 1, 28), (19, 0, 28)] {
            first.expire(answered, in_flight);
            first.stamp(answered, 1);
            assert_eq!(first.ends().iter().last().map(|(end, _)| end), Some(end), "answered at {answered}");
        }
    }
}
