//! Spans of time and times of day, as users write them: `"100ms"`, `"1d"`, `"@0815"`.

use std::fmt;

use crate::clock::Nanos;
use crate::error::Error;

/// How long a limit's window is, or when a quota's windows start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// A span, in nanoseconds.
    Span(Nanos),
    /// Once a day, so many seconds after midnight on the clock on the wall.
    Daily(u32),
}

pub(crate) const SECOND: Nanos = 1_000_000_000;
pub(crate) const HOUR: Nanos = 3_600 * SECOND;
pub(crate) const DAY: Nanos = 24 * HOUR;

/// The longest period: a hundred years. Longer ones are mistakes of the unit.
pub(crate) const MAX_PERIOD: Nanos = 100 * 366 * DAY;

const UNITS: [(&str, Nanos); 9] = [
    ("ns", 1),
    ("us", 1_000),
    // The micro sign and the Greek letter, which look the same.
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", HOUR),
    ("d", DAY),
];

const SPANS: &str = "a whole number with one of the units ns, us, ms, s, m, h, d, such as \"100ms\"";

impl Period {
    /// Reads a period: a whole number with a unit (`ns`, `us` or `µs`, `ms`, `s`, `m`, `h`, `d`), or a time of day as
    /// `@HHMM` or `@HHMMSS`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for anything else, and for spans of 0 or over 100 years.
    ///
    /// ```
    /// use sluicegate::Period;
    ///
    /// assert_eq!(Period::parse("100ms")?, Period::Span(100_000_000));
    /// assert_eq!(Period::parse("@0815")?, Period::Daily(8 * 3600 + 15 * 60));
    /// assert!(Period::parse("1.5s").is_err());
    /// # Ok::<(), sluicegate::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, Error> {
        let trimmed = text.trim();
        match trimmed.strip_prefix('@') {
            Some(time) => daily(time).ok_or_else(|| {
                refuse("a time of day as @HHMM or @HHMMSS, from @0000 to @235959, such as \"@0815\"", text)
            }),
            None => span(trimmed),
        }
    }

    /// Reads a period that must be a span: a rolling window has no time of day at which it starts.
    ///
    /// # Errors
    /// As [`Period::parse`], and for a time of day.
    pub fn parse_span(text: &str) -> Result<Nanos, Error> {
        match Self::parse(text)? {
            Self::Span(nanos) => Ok(nanos),
            Self::Daily(_) => Err(refuse(&format!("{SPANS} (a time of day is for quotas only)"), text)),
        }
    }

    /// Its length; of times of day, that of most days.
    pub fn nanos(self) -> Nanos {
        match self {
            Self::Span(nanos) => nanos,
            Self::Daily(_) => DAY,
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Span(nanos) => {
                let (name, scale) =
                    UNITS.into_iter().rfind(|(_, scale)| nanos.is_multiple_of(*scale)).unwrap_or(("ns", 1));
                write!(f, "{}{name}", nanos / scale)
            }
            Self::Daily(second) => {
                write!(f, "@{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60)
            }
        }
    }
}

fn refuse(must: &str, text: &str) -> Error {
    Error::invalid("a period", must, format_args!("{text:?}"))
}

fn daily(time: &str) -> Option<Period> {
    if !matches!(time.len(), 4 | 6) || !time.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| time.get(at..at + 2).map_or(Some(0), |digits| digits.parse::<u32>().ok());
    let (hour, minute, second) = (part(0)?, part(2)?, part(4)?);
    (hour < 24 && minute < 60 && second < 60).then_some(Period::Daily(hour * 3600 + minute * 60 + second))
}

fn span(text: &str) -> Result<Period, Error> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(refuse(SPANS, text));
    }
    if unit.starts_with(['.', ',', '/', 'e', 'E']) {
        return Err(refuse(&format!("{SPANS}, without a fraction (\"1.5s\" is \"1500ms\")"), text));
    }
    let Some(&(_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(refuse(SPANS, text).hinting(meant(number, unit)));
    };
    match number.parse::<Nanos>().ok().and_then(|number| number.checked_mul(scale)) {
        Some(0) => Err(refuse(&format!("{SPANS}, over 0"), text)),
        Some(nanos) if nanos <= MAX_PERIOD => Ok(Period::Span(nanos)),
        _ => Err(refuse(&format!("{SPANS}, at most 100 years"), text)),
    }
}

/// What a number with an unknown unit was meant to be; nothing where that cannot be told.
fn meant(number: &str, unit: &str) -> String {
    let known = match unit.trim().to_lowercase().as_str() {
        "" => return format!("; write \"{number}s\" for {number} seconds"),
        "nanosecond" | "nanoseconds" => "ns",
        "microsecond" | "microseconds" => "us",
        "msec" | "msecs" | "millisecond" | "milliseconds" => "ms",
        "sec" | "secs" | "second" | "seconds" => "s",
        "min" | "mins" | "minute" | "minutes" => "m",
        "hr" | "hrs" | "hour" | "hours" => "h",
        "day" | "days" => "d",
        "w" | "week" | "weeks" => {
            let days = number.parse::<u64>().ok().and_then(|weeks| weeks.checked_mul(7));
            return days.map_or_else(String::new, |days| format!("; did you mean \"{days}d\"?"));
        }
        // Elsewhere a capital M is a month.
        _ if unit == "M" => return String::new(),
        other => match UNITS.iter().find(|(name, _)| *name == other) {
            Some((name, _)) => name,
            None => return String::new(),
        },
    };
    format!("; did you mean \"{number}{known}\"?")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_unit_counts_in_nanoseconds() {
        for (text, nanos) in [
            ("1ns", 1),
            ("2us", 2_000),
            ("2\u{b5}s", 2_000),
            ("2\u{3bc}s", 2_000),
            ("100ms", 100_000_000),
            ("1s", SECOND),
            ("5m", 300 * SECOND),
            ("1h", HOUR),
            ("1d", DAY),
            ("007s", 7 * SECOND),
            (" 1s ", SECOND),
        ] {
            assert_eq!(Period::parse(text), Ok(Period::Span(nanos)), "{text}");
            assert_eq!(Period::parse_span(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn times_of_day_have_hours_minutes_and_perhaps_seconds() {
        for (text, second) in [("@0000", 0), ("@0815", 29_700), ("@235959", 86_399)] {
            assert_eq!(Period::parse(text), Ok(Period::Daily(second)), "{text}");
        }
        for text in ["@", "@8", "@815", "@08150", "@2400", "@0860", "@081560", "@08:15", "@-815", "@٠٨١٥"]
        {
            let message = Period::parse(text).expect_err(text).to_string();
            assert!(message.contains("@HHMM") && message.contains(text), "{message}");
        }
    }

    #[test]
    fn what_is_no_period_is_shown_with_what_would_be_right() {
        for (text, hint) in [
            ("", "units ns, us, ms"),
            ("s", "units ns, us, ms"),
            ("10", "units ns, us, ms"),
            ("1S", "units ns, us, ms"),
            ("1 s", "units ns, us, ms"),
            ("-1s", "units ns, us, ms"),
            ("+1s", "units ns, us, ms"),
            ("1week", "units ns, us, ms"),
            ("1.5s", "without a fraction"),
            ("1,5s", "without a fraction"),
            ("1e3s", "without a fraction"),
            ("0s", "over 0"),
            ("000d", "over 0"),
            ("36601d", "at most 100 years"),
            ("99999999999999999999999s", "at most 100 years"),
            ("18446744073709551615d", "at most 100 years"),
        ] {
            let message = Period::parse(text).expect_err(text).to_string();
            assert!(message.contains(hint) && message.contains(&format!("{text:?}")), "{message}");
        }
    }

    #[test]
    fn an_unknown_unit_is_refused_with_what_was_meant() {
        for (text, meant) in [
            ("60", "not \"60\"; write \"60s\" for 60 seconds"),
            ("1sec", "did you mean \"1s\"?"),
            ("5 minutes", "did you mean \"5m\"?"),
            ("1S", "did you mean \"1s\"?"),
            ("10 s", "did you mean \"10s\"?"),
            ("2w", "did you mean \"14d\"?"),
        ] {
            let message = Period::parse(text).expect_err(text).to_string();
            assert!(message.contains(meant), "{message}");
        }
        for text in ["1M", "1x", "99999999999999999999w", "s"] {
            let message = Period::parse(text).expect_err(text).to_string();
            assert!(!message.contains("did you mean"), "{message}");
        }
    }

    #[test]
    fn a_period_is_written_as_it_is_read() {
        for text in ["1ns", "100ms", "5m", "36h", "7d", "@081500", "@235959"] {
            assert_eq!(Period::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn times_of_day_are_no_spans() {
        let message = Period::parse_span("@0815").expect_err("a time of day").to_string();
        assert!(message.contains("quotas only") && message.contains("@0815"), "{message}");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC*") {
            let _ = Period::parse(&text);
        }

        #[test]
        fn what_it_reads_is_what_was_written(number in 1..100_000_u64, unit in 0..UNITS.len()) {
            let (name, scale) = UNITS[unit];
            let nanos = number * scale;
            let read = Period::parse(&format!("{number}{name}"));
            prop_assert_eq!(read.ok(), (nanos <= MAX_PERIOD).then_some(Period::Span(nanos)));
        }
    }
}
