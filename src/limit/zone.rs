//! Time zones: what the clock on the wall shows at an instant, and when it first shows a given time.

use std::fmt;

use chrono::{DateTime, Local, LocalResult, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;
use strsim::jaro_winkler;

use crate::clock::WallNanos;
use crate::error::Error;

/// The time zone in which a quota's boundaries are aligned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// The machine's, as `TZ` or `/etc/localtime` has it.
    #[default]
    Machine,
    /// One of the IANA database, whatever the machine's is.
    Named(Tz),
}

/// No zone is further from UTC than this.
const FARTHEST: WallNanos = 24 * 3_600_000_000_000;

impl Zone {
    /// A zone by its IANA name, such as `Asia/Shanghai` or `UTC`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that the database does not have, with the closest one.
    pub fn named(name: &str) -> Result<Self, Error> {
        name.parse::<Tz>().map(Self::Named).map_err(|_| {
            let must = "the IANA name of a place, such as \"Asia/Shanghai\", or \"UTC\"";
            Error::invalid("a time zone", must, format_args!("{name:?}")).hinting(meant(name))
        })
    }

    /// How far the clock on the wall is ahead of UTC.
    pub(super) fn ahead_at(self, wall: WallNanos) -> WallNanos {
        let utc = DateTime::from_timestamp_nanos(wall).naive_utc();
        let offset = match self {
            Self::Machine => Local.offset_from_utc_datetime(&utc).fix(),
            Self::Named(zone) => zone.offset_from_utc_datetime(&utc).fix(),
        };
        WallNanos::from(offset.local_minus_utc()) * 1_000_000_000
    }

    /// The first instant at which the clock on the wall shows `shown` (nanoseconds since 1970-01-01 00:00 on that
    /// clock); where it skips that time, the instant at which it does.
    pub(super) fn first_instant(self, shown: WallNanos) -> WallNanos {
        let naive = DateTime::from_timestamp_nanos(shown).naive_utc();
        let instant = match self {
            Self::Machine => first_of(Local.from_local_datetime(&naive)),
            Self::Named(zone) => first_of(zone.from_local_datetime(&naive)),
        };
        instant.unwrap_or_else(|| {
            first_where(shown - FARTHEST, shown + FARTHEST, |wall| wall + self.ahead_at(wall) >= shown)
        })
    }

    /// The first instant after `from`, and no later than `to`, with another difference from UTC than `from` has.
    pub(super) fn change_between(self, from: WallNanos, to: WallNanos) -> WallNanos {
        let ahead = self.ahead_at(from);
        first_where(from, to, |wall| self.ahead_at(wall) != ahead)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine => f.write_str("the machine's time zone"),
            Self::Named(zone) => f.write_str(zone.name()),
        }
    }
}

/// What an unknown name was meant to be; nothing where that cannot be told.
fn meant(name: &str) -> String {
    // "Etc/GMT+8", which looks most like "UTC+8", is eight hours *behind* UTC.
    if name.bytes().any(|byte| byte.is_ascii_digit()) {
        return "; write the name of a place, not a difference from UTC".to_owned();
    }
    let folded = name.trim().to_lowercase().replace(' ', "_");
    let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    let city = |zone: &str| zone.rsplit('/').next().unwrap_or(zone).to_lowercase();
    // The name of a city is as good as anybody knows it.
    let found = names()
        .find(|zone| zone.to_lowercase() == folded)
        .or_else(|| names().find(|zone| city(zone) == city(&folded)))
        .or_else(|| {
            // A slip of one letter. More would name places that have nothing to do with the one that was meant.
            let likeness = |zone: &str| jaro_winkler(&city(&folded), &city(zone));
            let best = names().map(|zone| (likeness(zone), zone)).max_by(|a, b| a.0.total_cmp(&b.0));
            best.filter(|&(likeness, _)| likeness > 0.92).map(|(_, zone)| zone)
        });
    found.map_or_else(String::new, |zone| format!("; did you mean {zone:?}?"))
}

fn first_of<T: TimeZone>(found: LocalResult<DateTime<T>>) -> Option<WallNanos> {
    found.earliest().map(|at| nanos_of(at.naive_utc()))
}

fn nanos_of(utc: NaiveDateTime) -> WallNanos {
    utc.and_utc().timestamp_nanos_opt().unwrap_or(WallNanos::MAX)
}

/// The first instant in (`no`, `yes`] at which `holds`, which holds at `yes` and not at `no`, and changes once.
fn first_where(mut no: WallNanos, mut yes: WallNanos, holds: impl Fn(WallNanos) -> bool) -> WallNanos {
    while yes - no > 1 {
        let middle = no + (yes - no) / 2;
        *(if holds(middle) { &mut yes } else { &mut no }) = middle;
    }
    yes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> WallNanos {
        nanos_of(text.parse().expect("a date and a time"))
    }

    #[test]
    fn an_unknown_zone_is_refused_with_the_closest_name() {
        assert_eq!(Zone::named("Asia/Shanghai"), Ok(Zone::Named(Tz::Asia__Shanghai)));
        let message = Zone::named("Asia/Shangai").expect_err("no such zone").to_string();
        assert!(message.contains("\"Asia/Shanghai\"") && message.contains("\"Asia/Shangai\""), "{message}");
    }

    #[test]
    fn a_city_is_refused_with_the_name_of_its_zone() {
        for (name, zone) in [
            ("Shanghai", "\"Asia/Shanghai\""),
            ("Berlin", "\"Europe/Berlin\""),
            ("new york", "\"America/New_York\""),
            ("asia/shanghai", "\"Asia/Shanghai\""),
            ("Europe/Berln", "\"Europe/Berlin\""),
            ("Eurpe/Berlin", "\"Europe/Berlin\""),
            ("Shangai", "\"Asia/Shanghai\""),
        ] {
            let message = Zone::named(name).expect_err(name).to_string();
            assert!(message.contains(&format!("did you mean {zone}?")), "{message}");
        }
        for name in ["UTC+8", "GMT-5", "zzz", "", "China", "Asia/Beijing", "CST"] {
            let message = Zone::named(name).expect_err(name).to_string();
            assert!(!message.contains("did you mean"), "{message}");
        }
    }

    #[test]
    fn of_a_time_shown_twice_the_first_counts() {
        let new_york = Zone::Named(Tz::America__New_York);
        assert_eq!(new_york.first_instant(utc("2026-11-01T01:30:00")), utc("2026-11-01T05:30:00"));
    }

    #[test]
    fn a_time_never_shown_is_when_the_clock_skips_it() {
        let new_york = Zone::Named(Tz::America__New_York);
        assert_eq!(new_york.first_instant(utc("2026-03-08T02:30:00")), utc("2026-03-08T07:00:00"));
        // Samoa left out a whole day.
        let apia = Zone::Named(Tz::Pacific__Apia);
        assert_eq!(apia.first_instant(utc("2011-12-30T12:00:00")), utc("2011-12-30T10:00:00"));
    }

    #[test]
    fn a_change_is_found_to_the_nanosecond() {
        let berlin = Zone::Named(Tz::Europe__Berlin);
        let change = utc("2026-03-29T01:00:00");
        assert_eq!(berlin.change_between(change - 1, change + 1_000_000_007), change);
        assert_eq!(berlin.change_between(change - 1_000_000_007, change), change);
    }

    #[test]
    fn the_machines_zone_shows_some_time() {
        let now = utc("2026-03-29T12:00:00");
        let shown = now + Zone::Machine.ahead_at(now);
        assert!(Zone::Machine.first_instant(shown) <= now);
        assert!(Zone::Machine.ahead_at(now).abs() < FARTHEST);
    }
}
