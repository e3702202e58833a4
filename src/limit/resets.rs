//! When a quota's windows start: aligned to the clock on the wall.
//!
//! - A span that divides a day is aligned to midnight: `4h` starts at 00:00, 04:00, 08:00…
//! - Any other span (`7h`, `2d`) is aligned to the Unix epoch, in every zone.
//! - A time of day starts a window once a day.
//!
//! When clocks are set forward or back for summer, windows of up to an hour stay as long as they are, wherever the
//! change is by a multiple of them (otherwise the change starts a window, too). Longer ones start when the clock first
//! shows their time; where it skips that time, at the change. So days have 23 or 25 hours, and each time of day comes
//! once.

use crate::clock::{Nanos, WallNanos};

use super::period::{DAY, HOUR, Period};
use super::zone::Zone;

/// When a quota's windows start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resets {
    /// How often.
    pub period: Period,
    /// In which time zone.
    pub zone: Zone,
}

/// Calendars are asked only about instants this near to the epoch (146 years): nothing overflows then.
const CALENDAR: WallNanos = 1 << 62;

impl Resets {
    /// The first boundary after `wall`.
    pub(crate) fn after(&self, wall: WallNanos) -> WallNanos {
        let period = self.period.nanos() as WallNanos;
        if wall.unsigned_abs() >= CALENDAR as Nanos {
            return wall.saturating_add(period);
        }
        match self.period {
            Period::Daily(second) => {
                self.first_shown_after(wall, period, WallNanos::from(second) * 1_000_000_000)
            }
            Period::Span(nanos) if !DAY.is_multiple_of(nanos) => (wall.div_euclid(period) + 1) * period,
            Period::Span(nanos) if nanos <= HOUR => self.shown_after(wall, period),
            Period::Span(_) => self.first_shown_after(wall, period, 0),
        }
    }

    /// When the clock next shows a multiple of `step`, or is changed by something else than a multiple of it.
    fn shown_after(&self, wall: WallNanos, step: WallNanos) -> WallNanos {
        let ahead = self.zone.ahead_at(wall);
        let next = wall + step - (wall + ahead).rem_euclid(step);
        if (self.zone.ahead_at(next) - ahead) % step == 0 {
            next
        } else {
            self.zone.change_between(wall, next)
        }
    }

    /// When the clock next shows a multiple of `step`, beside `phase`, that it has not shown before.
    fn first_shown_after(&self, wall: WallNanos, step: WallNanos, phase: WallNanos) -> WallNanos {
        let shown = wall + self.zone.ahead_at(wall);
        let mut next = shown - (shown - phase).rem_euclid(step);
        loop {
            next += step;
            let at = self.zone.first_instant(next);
            if at > wall {
                return at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDateTime};
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str) -> WallNanos {
        let at: NaiveDateTime = text.parse().expect("a date and a time");
        at.and_utc().timestamp_nanos_opt().expect("in our time")
    }

    fn resets(period: &str, zone: &str) -> Resets {
        Resets { period: Period::parse(period).expect(period), zone: Zone::named(zone).expect(zone) }
    }

    /// The boundaries after `from`, in UTC.
    fn boundaries(period: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let resets = resets(period, zone);
        let next = |&wall: &WallNanos| Some(resets.after(wall));
        let all = std::iter::successors(Some(resets.after(utc(from))), next);
        all.take(count)
            .map(|at| DateTime::from_timestamp_nanos(at).format("%m-%dT%H:%M:%S").to_string())
            .collect()
    }

    #[test]
    fn spans_are_aligned_to_whole_ones_and_a_boundary_opens_its_own_window() {
        let from = "2026-06-01T12:00:00.500";
        assert_eq!(boundaries("1s", "UTC", from, 2), ["06-01T12:00:01", "06-01T12:00:02"]);
        assert_eq!(boundaries("1m", "UTC", from, 2), ["06-01T12:01:00", "06-01T12:02:00"]);
        assert_eq!(boundaries("4h", "UTC", from, 3), ["06-01T16:00:00", "06-01T20:00:00", "06-02T00:00:00"]);
        assert_eq!(resets("1s", "UTC").after(utc("2026-06-01T12:00:01")), utc("2026-06-01T12:00:02"));
        assert_eq!(resets("1s", "UTC").after(utc("2026-06-01T12:00:01") - 1), utc("2026-06-01T12:00:01"));
    }

    #[test]
    fn spans_that_divide_a_day_are_aligned_to_midnight_on_the_wall() {
        let from = "2026-06-01T12:00:00";
        assert_eq!(boundaries("1h", "Asia/Kolkata", from, 2), ["06-01T12:30:00", "06-01T13:30:00"]);
        assert_eq!(boundaries("1d", "Asia/Shanghai", from, 2), ["06-01T16:00:00", "06-02T16:00:00"]);
    }

    #[test]
    fn spans_that_do_not_divide_a_day_are_aligned_to_the_epoch_in_every_zone() {
        for zone in ["UTC", "America/New_York"] {
            assert_eq!(boundaries("7h", zone, "1970-01-01T00:00:00", 4).last().expect("4"), "01-02T04:00:00");
            assert_eq!(
                boundaries("2d", zone, "1970-01-01T00:00:00", 2),
                ["01-03T00:00:00", "01-05T00:00:00"]
            );
        }
    }

    #[test]
    fn a_time_of_day_comes_once_a_day_in_its_zone() {
        let from = "2026-06-01T00:14:59";
        assert_eq!(boundaries("@0815", "Asia/Shanghai", from, 2), ["06-01T00:15:00", "06-02T00:15:00"]);
        assert_eq!(boundaries("@235959", "UTC", from, 2), ["06-01T23:59:59", "06-02T23:59:59"]);
    }

    #[test]
    fn days_have_23_or_25_hours_when_the_clocks_change() {
        let berlin = |from| boundaries("1d", "Europe/Berlin", from, 2);
        assert_eq!(berlin("2026-03-28T12:00:00"), ["03-28T23:00:00", "03-29T22:00:00"]);
        assert_eq!(berlin("2026-10-24T12:00:00"), ["10-24T22:00:00", "10-25T23:00:00"]);
    }

    #[test]
    fn a_reset_that_does_not_exist_comes_when_the_clock_skips_it() {
        let new_york = |from| boundaries("@0230", "America/New_York", from, 3);
        assert_eq!(new_york("2026-03-07T00:00:00"), ["03-07T07:30:00", "03-08T07:00:00", "03-09T06:30:00"]);
    }

    #[test]
    fn a_reset_that_comes_twice_counts_once() {
        let new_york = |from| boundaries("@0130", "America/New_York", from, 2);
        assert_eq!(new_york("2026-11-01T05:00:00"), ["11-01T05:30:00", "11-02T06:30:00"]);
        // Between the two of them, and at the second.
        assert_eq!(new_york("2026-11-01T06:10:00")[0], "11-02T06:30:00");
        assert_eq!(new_york("2026-11-01T06:30:00")[0], "11-02T06:30:00");
    }

    #[test]
    fn short_windows_stay_as_long_as_they_are_when_the_clocks_change() {
        let hours = boundaries("1h", "America/New_York", "2026-11-01T04:30:00", 3);
        assert_eq!(hours, ["11-01T05:00:00", "11-01T06:00:00", "11-01T07:00:00"]);
        let seconds = boundaries("1s", "America/New_York", "2026-03-08T06:59:59.5", 2);
        assert_eq!(seconds, ["03-08T07:00:00", "03-08T07:00:01"]);
    }

    #[test]
    fn a_change_by_less_than_a_window_starts_one() {
        // Lord Howe Island changes by half an hour: 02:00 becomes 02:30, and 02:00 becomes 01:30.
        let hours = boundaries("1h", "Australia/Lord_Howe", "2026-10-03T14:40:00", 3);
        assert_eq!(hours, ["10-03T15:30:00", "10-03T16:00:00", "10-03T17:00:00"]);
        let hours = boundaries("1h", "Australia/Lord_Howe", "2026-04-04T14:10:00", 3);
        assert_eq!(hours, ["04-04T15:00:00", "04-04T15:30:00", "04-04T16:30:00"]);
    }

    #[test]
    fn a_change_that_is_no_multiple_of_a_window_starts_one() {
        let windows = boundaries("45m", "America/New_York", "2026-03-08T06:00:00", 3);
        assert_eq!(windows, ["03-08T06:30:00", "03-08T07:00:00", "03-08T07:45:00"]);
    }

    #[test]
    fn long_windows_keep_to_the_times_on_the_wall() {
        let berlin = boundaries("2h", "Europe/Berlin", "2026-10-24T23:00:00", 3);
        assert_eq!(berlin, ["10-25T00:00:00", "10-25T03:00:00", "10-25T05:00:00"]);
    }

    #[test]
    fn instants_beyond_every_calendar_have_a_boundary_too() {
        for wall in [WallNanos::MIN, WallNanos::MAX - 1, CALENDAR, -CALENDAR, CALENDAR - 1] {
            assert!(resets("@0815", "Europe/Berlin").after(wall) > wall, "{wall}");
        }
    }

    proptest! {
        /// What the plan of the gate relies on.
        #[test]
        fn boundaries_come_later_and_in_order(
            period in prop::sample::select(vec!["1s", "45m", "32s", "1h", "2h", "12h", "1d", "7h", "@0000", "@0230"]),
            zone in prop::sample::select(vec![
                "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Beirut",
            ]),
            year in 2015..2035_i64, seconds in 0..31_536_000_i64, later in 0..200_000_i64,
        ) {
            let resets = resets(period, zone);
            let a = ((year - 1970) * 31_557_600 + seconds) * 1_000_000_000;
            let b = a + later * 1_000_000_000;
            let (after_a, after_b) = (resets.after(a), resets.after(b));
            prop_assert!(a < after_a && b < after_b && after_a <= after_b);
            // Nothing between an instant and its boundary is one.
            prop_assert_eq!(resets.after(a + (after_a - a) / 2), after_a);
            prop_assert_eq!(resets.after(after_a - 1), after_a);
            prop_assert!(after_a - a <= resets.period.nanos() as WallNanos + 2 * HOUR as WallNanos);
        }
    }
}
