//! At most N units between boundaries of wall time.
//!
//! A unit is charged to the window in which it is stamped, until that window ends. (So units in flight over a boundary
//! count on both sides.)
//!
//! Where processes of several hosts share a quota, their clocks may be apart, by a *margin* at most. A unit that is stamped
//! within the margin before a boundary may have come after it, and counts in the next window as well. A window ends a margin
//! after its boundary. So each unit is free only once the window that it came in is over by every clock.
//!
//! Instants are monotonic, as everywhere. The gate tells the quota what the clock on the wall shows
//! ([`Quota::observe`]) before anything else, so that a clock that steps is noticed.

use crate::clock::{Nanos, WallNanos};

use super::MAX_LIMIT;
use super::resets::Resets;

/// The window of a quota.
///
/// Promise I7, with the clock on the wall stepping as it likes:
///
/// - A window ends when the clock shows its end, not before: a step back leaves it open, and used as it is.
/// - A new window ends at the next boundary that the clock will show: a step forward opens one, however far it goes.
/// - A window never stays open for longer than its length after the first step back in it, nor for twice its length
///   in all: no step can block anybody for longer than one period.
#[derive(Debug)]
pub(crate) struct Quota {
    resets: Resets,
    /// How far other clocks may be from this one; less than half of a period.
    margin: Nanos,
    charged: u64,
    /// Units that may have come after the end of the window.
    next: u64,
    /// When the clock was last looked at, and what it showed.
    seen_at: Nanos,
    seen: WallNanos,
    /// The end of the window: what the clock will show then, and when its units come free if it does not step.
    end: WallNanos,
    ends_at: Nanos,
    /// The window ends here even if the clock never shows its end.
    at_most_until: Nanos,
    /// When the window began; 0 of the first one.
    opened_at: Nanos,
    /// One period: what the window lasts, or most windows do.
    length: Nanos,
    /// When a window last ended in which anything was used.
    expired_at: Nanos,
    /// No window has been opened yet: what is charged belongs to the first one.
    unopened: bool,
}

impl Quota {
    /// A quota whose first window, with so much charged to it, is the one in which it is first observed. `margin`: how far
    /// the clocks of those who share it may be apart.
    pub fn new(resets: Resets, margin: Nanos, charged: u64) -> Self {
        Self {
            resets,
            margin,
            charged,
            next: 0,
            seen_at: 0,
            seen: 0,
            end: 0,
            ends_at: 0,
            at_most_until: 0,
            opened_at: 0,
            length: resets.period.nanos(),
            expired_at: 0,
            unopened: true,
        }
    }

    pub fn resets(&self) -> Resets {
        self.resets
    }

    /// When a window last ended in which anything was used.
    pub fn expired_at(&self) -> Nanos {
        self.expired_at
    }

    /// Units charged to the window, and to the next one.
    #[inline]
    pub fn units(&self) -> u64 {
        self.charged.saturating_add(self.next)
    }

    /// The clock on the wall shows `wall` at `now`, while so many units are in flight.
    #[inline]
    pub fn observe(&mut self, now: Nanos, wall: WallNanos, in_flight: u64) {
        if self.unopened || wall >= self.over(self.end) || now >= self.at_most_until {
            self.open(now, wall, in_flight);
        } else if wall < self.seen {
            self.at_most_until = self.at_most_until.min(now.saturating_add(self.length));
        }
        (self.seen_at, self.seen) = (now, wall);
        self.ends_at = now.saturating_add(span(wall, self.over(self.end))).min(self.at_most_until);
    }

    fn open(&mut self, now: Nanos, wall: WallNanos, in_flight: u64) {
        if !self.unopened {
            if self.units() > 0 || in_flight > 0 {
                // Noticed late, it still ended when it did; a clock that was set forward ended it now.
                self.expired_at = now.min(self.ends_at);
            }
            self.charged =
                if self.next > 0 && wall >= self.over(self.resets.after(self.end)) { 0 } else { self.next };
            self.next = 0;
            self.opened_at = now.min(self.ends_at);
        }
        self.end = self.resets.after(wall.saturating_sub_unsigned(self.margin));
        if self.unopened && self.may_be_after(wall) {
            (self.charged, self.next) = (0, self.charged);
        }
        self.unopened = false;
        self.length = span(wall, self.end).max(self.resets.period.nanos());
        self.at_most_until = now.saturating_add(self.length).saturating_add(self.length);
    }

    /// What the clock shows once a boundary has come by every clock.
    fn over(&self, boundary: WallNanos) -> WallNanos {
        boundary.saturating_add_unsigned(self.margin)
    }

    /// When the next window ends, if the clock does not step.
    fn next_ends_at(&self) -> Nanos {
        self.seen_at.saturating_add(span(self.seen, self.over(self.resets.after(self.end))))
    }

    /// When units charged at `at` come free, if the clock does not step. An instant before the last observation had its
    /// own boundary.
    pub fn frees_at(&self, at: Nanos) -> Nanos {
        let wall = match at.checked_sub(self.seen_at) {
            Some(later) => self.seen.saturating_add_unsigned(later),
            None => self.seen.saturating_sub_unsigned(self.seen_at - at),
        };
        if self.seen_at <= at && at < self.ends_at && !self.may_be_after(wall) {
            return self.ends_at;
        }
        let latest = wall.saturating_add_unsigned(self.margin);
        at.saturating_add(span(wall, self.over(self.resets.after(latest))))
    }

    /// Whether another clock may show that the window has ended.
    fn may_be_after(&self, wall: WallNanos) -> bool {
        self.margin > 0 && wall.saturating_add_unsigned(self.margin) >= self.end
    }

    /// Charges units to the window.
    #[inline]
    pub fn stamp(&mut self, units: u64) {
        let units = units.min(MAX_LIMIT.saturating_sub(self.units()));
        let charged = if self.may_be_after(self.seen) { &mut self.next } else { &mut self.charged };
        *charged += units;
    }

    /// Units charged, with the boundary that ends their window, oldest first.
    pub fn settled(&self) -> impl Iterator<Item = (u64, WallNanos)> {
        let next = (self.next > 0).then(|| (self.next, self.resets.after(self.end)));
        (self.charged > 0).then_some((self.charged, self.end)).into_iter().chain(next)
    }

    /// From now on the clocks of those who share it may be so far apart.
    pub fn spread(&mut self, margin: Nanos) {
        self.margin = margin;
    }

    /// When the window began, 0 of the first one; and when it ends, if the clock does not step. `None` where clocks may be
    /// apart: not all of its units end together.
    pub fn window(&self) -> Option<(Nanos, Nanos)> {
        (self.margin == 0).then_some((self.opened_at, self.ends_at))
    }

    /// Units charged to the window; `None` if it began after `since`.
    pub fn units_since(&self, since: Nanos) -> Option<u64> {
        (self.opened_at <= since).then_some(self.units())
    }

    /// Takes units out of the window; how many there were to take, no more than `units`.
    pub fn take_back(&mut self, units: u64) -> u64 {
        let charged = units.min(self.charged);
        let next = (units - charged).min(self.next);
        (self.charged, self.next) = (self.charged - charged, self.next - next);
        charged + next
    }

    /// Units charged that will still be at `at`.
    pub fn units_at(&self, at: Nanos) -> u64 {
        let charged = if at < self.ends_at { self.charged } else { 0 };
        let next = if self.next > 0 && at < self.next_ends_at() { self.next } else { 0 };
        charged.saturating_add(next)
    }

    /// The first instant at which at most `units` of those charged are left; 0 if that is so already.
    pub fn down_to(&self, units: u64) -> Nanos {
        if self.units() <= units {
            0
        } else if self.next <= units {
            self.ends_at
        } else {
            self.next_ends_at()
        }
    }

    /// When the next units come free after `at`.
    pub fn next_expiry(&self, at: Nanos) -> Option<Nanos> {
        let charged = (self.charged > 0 && at < self.ends_at).then_some(self.ends_at);
        charged.or_else(|| (self.next > 0).then(|| self.next_ends_at()).filter(|&end| at < end))
    }
}

/// From one wall time to another; 0 where the other is not later.
fn span(from: WallNanos, to: WallNanos) -> Nanos {
    Nanos::try_from(to.saturating_sub(from)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::period::{DAY, HOUR, Period, SECOND};
    use super::super::window::{Shape, Span, Window};
    use super::super::zone::Zone;
    use super::*;

    const MINUTE: Nanos = 60 * SECOND;

    fn resets(period: Period) -> Resets {
        Resets { period, zone: Zone::named("UTC").expect("UTC") }
    }

    fn quota(limit: u64, period: Nanos) -> Window {
        Window::new(Shape { limit, span: Span::Quota { resets: resets(Period::Span(period)), margin: 0 } })
    }

    /// A quota of a minute with all of its 5 units used, 30 s into the minute and 30 s after the clock's start.
    fn used_up() -> Window {
        let mut quota = quota(5, MINUTE);
        quota.observe(0, 10 * wall(MINUTE));
        quota.observe(30 * SECOND, 10 * wall(MINUTE) + wall(30 * SECOND));
        quota.stamp(0, 5);
        quota
    }

    fn wall(nanos: Nanos) -> WallNanos {
        WallNanos::try_from(nanos).expect("a small span")
    }

    /// When the quota opens again, with the clock showing `shown` at `from` and running on without a step.
    fn opens(quota: &mut Window, from: Nanos, shown: WallNanos) -> Nanos {
        let mut now = from;
        loop {
            quota.observe(now, shown + wall(now - from));
            if quota.used() == 0 {
                return now;
            }
            now = quota.frees_at(now);
        }
    }

    #[test]
    fn a_window_ends_at_the_boundary_however_late_its_units_came() {
        let mut quota = used_up();
        assert_eq!((quota.used(), quota.frees_at(30 * SECOND)), (5, MINUTE));
        quota.observe(MINUTE - 1, 11 * wall(MINUTE) - 1);
        assert_eq!(quota.used(), 5);
        quota.observe(MINUTE, 11 * wall(MINUTE));
        assert_eq!((quota.used(), quota.frees_at(MINUTE)), (0, 2 * MINUTE));
    }

    #[test]
    fn units_in_flight_over_a_boundary_count_on_both_sides() {
        let mut quota = quota(5, MINUTE);
        quota.observe(0, 0);
        quota.take(2);
        assert_eq!(quota.used(), 2);
        quota.observe(MINUTE + 1, wall(MINUTE) + 1);
        assert_eq!(quota.used(), 2);
        quota.settle(MINUTE + 1, 2);
        assert_eq!(quota.used(), 2);
        quota.observe(2 * MINUTE, wall(2 * MINUTE));
        assert_eq!(quota.used(), 0);
    }

    #[test]
    fn a_step_back_within_the_window_keeps_it_used_until_the_clock_shows_its_end() {
        // 10:30 becomes 10:05: the minute is over 55 s later.
        let mut quota = used_up();
        assert_eq!(opens(&mut quota, 30 * SECOND, 10 * wall(MINUTE) + wall(5 * SECOND)), 85 * SECOND);
    }

    #[test]
    fn a_step_back_over_a_boundary_does_not_open_the_used_window_a_second_time() {
        // 10:30 becomes 09:50. The clock shows 10:00 10 s later; that window is used up.
        let mut quota = used_up();
        quota.observe(30 * SECOND, 10 * wall(MINUTE) - wall(10 * SECOND));
        quota.observe(40 * SECOND, 10 * wall(MINUTE));
        assert_eq!(quota.used(), 5);
    }

    #[test]
    fn a_step_back_by_a_year_blocks_for_one_period_at_most() {
        let mut quota = used_up();
        let year_before = 10 * wall(MINUTE) - wall(365 * DAY) + 7;
        assert_eq!(opens(&mut quota, 30 * SECOND, year_before), 90 * SECOND);
        // From then on it is aligned again.
        assert_eq!(quota.frees_at(90 * SECOND), 150 * SECOND - 7);
    }

    #[test]
    fn a_clock_set_back_again_and_again_blocks_for_one_period_after_the_first_time() {
        let mut quota = used_up();
        let mut opened = None;
        for step in 0..100 {
            let now = 31 * SECOND + step * SECOND;
            quota.observe(now, 10 * wall(MINUTE) + wall(20 * SECOND) - wall(step * SECOND));
            if quota.used() == 0 {
                opened.get_or_insert(now);
            }
        }
        assert_eq!(opened, Some(91 * SECOND));
    }

    #[test]
    fn a_clock_that_hardly_moves_blocks_for_two_periods_at_most() {
        let mut quota = used_up();
        quota.observe(2 * MINUTE - 1, 10 * wall(MINUTE) + wall(31 * SECOND));
        assert_eq!(quota.used(), 5);
        quota.observe(2 * MINUTE, 10 * wall(MINUTE) + wall(32 * SECOND));
        assert_eq!(quota.used(), 0);
    }

    #[test]
    fn a_step_forward_opens_one_window_however_far_it_goes() {
        let mut quota = used_up();
        let year_after = 10 * wall(MINUTE) + wall(365 * DAY);
        quota.observe(31 * SECOND, year_after);
        assert_eq!(quota.used(), 0);
        quota.stamp(0, 5);
        // Back, and forward again: still that window.
        quota.observe(32 * SECOND, 10 * wall(MINUTE));
        assert_eq!(quota.used(), 5);
        quota.observe(33 * SECOND, year_after);
        assert_eq!(quota.used(), 5);
    }

    #[test]
    fn an_unused_quota_is_neither_helped_nor_hurt_by_steps() {
        let mut quota = quota(5, HOUR);
        for (now, shown) in [(0, 0), (1, wall(DAY)), (2, -wall(DAY)), (3, 5)] {
            quota.observe(now, shown);
            assert_eq!(quota.used(), 0);
        }
    }

    #[test]
    fn what_was_charged_before_the_first_window_belongs_to_it() {
        let mut quota = Quota::new(resets(Period::Span(MINUTE)), 0, 3);
        quota.observe(0, 1, 1);
        assert_eq!((quota.units(), quota.expired_at()), (3, 0));
        quota.observe(MINUTE, wall(MINUTE), 1);
        assert_eq!((quota.units(), quota.expired_at()), (0, MINUTE - 1));
    }

    #[test]
    fn a_day_of_25_hours_is_one_period() {
        let zone = Zone::named("Europe/Berlin").expect("Berlin");
        let span = Span::Quota { resets: Resets { period: Period::Daily(0), zone }, margin: 0 };
        let mut quota = Window::new(Shape { limit: 5, span });
        // Midnight of 25 October 2026 in Berlin.
        let midnight = 1_792_879_200 * wall(SECOND);
        quota.observe(0, midnight);
        quota.stamp(0, 5);
        assert_eq!(quota.frees_at(0), 25 * HOUR);
        // Set back by a second: one second longer, not an hour shorter.
        assert_eq!(opens(&mut quota, 10 * SECOND, midnight + wall(9 * SECOND)), 25 * HOUR + SECOND);
    }

    proptest! {
        /// I7, with any steps at all: a user that takes all that there is, whenever it can, gets it again within one
        /// period of the last step, and never more often than periods and steps allow.
        #[test]
        fn no_step_blocks_for_longer_than_a_period(
            steps in prop::collection::vec((1..15_u64, -40..40_i64), 1..12),
        ) {
            let period = 10;
            let mut quota = quota(1, period);
            let (mut now, mut shown, mut opened) = (0_u64, 1_000_i64, Vec::new());
            for &(wait, step) in &steps {
                for _ in 0..wait {
                    quota.observe(now, shown);
                    if quota.used() == 0 {
                        quota.stamp(now, 1);
                        opened.push(now);
                    }
                    (now, shown) = (now + 1, shown + 1);
                }
                shown += step;
            }
            let stepped = now;
            while opened.last().is_none_or(|&at| at < stepped) {
                quota.observe(now, shown);
                prop_assert!(now <= stepped + period, "blocked at {}, after the last step at {}", now, stepped);
                if quota.used() == 0 {
                    opened.push(now);
                }
                (now, shown) = (now + 1, shown + 1);
            }
            // The first window, one for each period, and for each step the one that it opens and the one that it cuts
            // short.
            let most = 2 + now / period + 2 * steps.len() as u64;
            prop_assert!(opened.len() as u64 <= most, "{} windows in {}", opened.len(), now);
        }
    }
}
