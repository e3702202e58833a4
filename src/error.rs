//! Errors and their messages: what is wrong with a table of limits or a request, with the value and what would be right.

use std::fmt;

/// Why a table, an option or a request was refused. Nothing was changed by what failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// A request for an id that the table does not have.
    #[error("no limit has the id {id:?}{}", Closest(closest))]
    UnknownLimit {
        /// The id asked for.
        id: String,
        /// The id of the table that looks most like it.
        closest: Option<String>,
    },
    /// A limit is linked to an id that the table does not have.
    #[error("limit {id:?} is linked to {link:?}, but no limit in the table has this id{}", Closest(closest))]
    UnknownLink {
        /// The limit with the link.
        id: String,
        /// Where the link points.
        link: String,
        /// The id of the table that looks most like it.
        closest: Option<String>,
    },
    /// A request that takes more units of a limit than that limit ever has.
    #[error(
        "a request for {id:?} takes {units} units of {limit:?}, but only {available} fit in a window{}, \
         so it could never pass{}", Beside(*kept_for),
        Remedy { units: *units, available: *available, times: *times, kept_for: *kept_for }
    )]
    NeverPasses {
        /// The id requested.
        id: String,
        /// The limit that it does not fit in.
        limit: String,
        /// What the request takes.
        units: u64,
        /// What the limit has, this bot's share of it.
        available: u64,
        /// How many times its weight the request asks for.
        times: u64,
        /// Whether it fits into the limit, and not beside what that keeps for this priority and higher ones.
        kept_for: Option<i16>,
    },
    /// A value that cannot be.
    #[error("{what} must be {must}, not {value}{hint}")]
    Invalid {
        /// What the value was given for.
        what: String,
        /// What would be right.
        must: String,
        /// The value given.
        value: String,
        /// What was meant, after a `; `; empty where that is not known.
        hint: String,
    },
    /// What holds a shared budget could not be used: the text says why, and what helps.
    #[error("{0}")]
    Store(String),
    /// Another process has the budget of the same name with other values: the text says which, and who.
    #[error("{0}")]
    Disagrees(String),
    /// The throttler was closed, and what it held of a shared budget given back.
    #[error("this throttler is closed: what it held of the shared budget was given back. Make a new one")]
    Closed,
    /// A request waited for as long as it may, and could not pass.
    #[error("a request for {id:?} could not pass within {timeout} s: {}", Why(full_limit, *retry_after))]
    Timeout {
        /// The id requested.
        id: String,
        /// For how long it waited, in seconds.
        timeout: f64,
        /// The limit that had no room for it; `None` where only older requests were in its way.
        full_limit: Option<String>,
        /// After how many seconds that limit has room, at the earliest; `None` while that hangs on requests in flight.
        retry_after: Option<f64>,
    },
}

impl Error {
    pub(crate) fn invalid(
        what: impl fmt::Display,
        must: impl fmt::Display,
        value: impl fmt::Display,
    ) -> Self {
        let (what, must, value) = (what.to_string(), must.to_string(), value.to_string());
        Self::Invalid { what, must, value, hint: String::new() }
    }

    /// The same error, with what was probably meant.
    pub(crate) fn hinting(mut self, meant: String) -> Self {
        if let Self::Invalid { hint, .. } = &mut self {
            *hint = meant;
        }
        self
    }
}

/// Which reserve a request must leave alone.
struct Beside(Option<i16>);

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = |priority| write!(f, " beside its reserve for priority {priority} and higher ones");
        self.0.map_or(Ok(()), kept)
    }
}

/// `; …`: what would pass, where anything would.
struct Remedy {
    units: u64,
    available: u64,
    times: u64,
    kept_for: Option<i16>,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { units, available, times, kept_for } = *self;
        match available / (units / times).max(1) {
            0 => write!(f, "; make its weight there {available} or less"),
            most => write!(f, "; use units={most} or less, not units={times}"),
        }?;
        kept_for.map_or(Ok(()), |priority| write!(f, ", or give it priority {priority}"))
    }
}

/// What kept a request from passing.
struct Why<'a>(&'a Option<String>, Option<f64>);

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Some(limit), Some(wait)) => {
                write!(f, "{limit:?} is full, and has room in {wait:.3} s at the earliest")
            }
            (Some(limit), None) => write!(f, "{limit:?} is full of requests that are in flight"),
            (None, _) => f.write_str("older requests wait in front of it"),
        }
    }
}

/// `; did you mean "…"?`, or nothing.
struct Closest<'a>(&'a Option<String>);

impl fmt::Display for Closest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |id| write!(f, "; did you mean {id:?}?"))
    }
}

/// So long is an id at most that is compared with others. What that takes grows with the square of its length.
const LONGEST: usize = 100;
/// With so many others at most: a program that uses the throttler meanwhile waits for it.
const MOST: usize = 1_000;

/// The one of `ids` that looks most like `id`; `None` where nothing does.
pub(crate) fn closest<'a>(id: &str, ids: impl Iterator<Item = &'a str>) -> Option<String> {
    if id.len() > LONGEST {
        return None;
    }
    let folded = id.to_lowercase();
    ids.filter(|other| other.len() <= LONGEST)
        .take(MOST)
        .map(|other| (strsim::jaro_winkler(&folded, &other.to_lowercase()), other))
        .filter(|&(likeness, _)| likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_id_is_named_and_nothing_where_none_is_close() {
        let ids = ["/api/v3/depth", "/api/v3/order", "REQUEST_WEIGHT"];
        assert_eq!(closest("/api/v3/dept", ids.into_iter()).as_deref(), Some("/api/v3/depth"));
        assert_eq!(closest("request_weight", ids.into_iter()).as_deref(), Some("REQUEST_WEIGHT"));
        assert_eq!(closest("zzz", ids.into_iter()), None);
    }

    #[test]
    fn long_ids_are_not_compared_and_of_many_only_the_first() {
        let long = "a".repeat(1_000_000);
        assert_eq!(closest(&long, [long.as_str(), "a"].into_iter()), None);
        assert_eq!(closest("a", [long.as_str(), "a"].into_iter()).as_deref(), Some("a"));
        let many: Vec<String> = (0..2_000).map(|number| format!("/{number}")).collect();
        assert_eq!(closest("/1999", many.iter().map(String::as_str)).as_deref(), Some("/199"));
    }

    #[test]
    fn messages_name_the_value_and_what_would_be_right() {
        let unknown = Error::UnknownLimit { id: "/dept".into(), closest: Some("/depth".into()) };
        assert_eq!(unknown.to_string(), r#"no limit has the id "/dept"; did you mean "/depth"?"#);
        let never = Error::NeverPasses {
            id: "/a".into(),
            limit: "POOL".into(),
            units: 7,
            available: 5,
            times: 1,
            kept_for: None,
        };
        assert!(never.to_string().contains("takes 7 units of \"POOL\", but only 5 fit"));
        assert!(never.to_string().ends_with("make its weight there 5 or less"));
        let often = Error::NeverPasses {
            id: "/a".into(),
            limit: "POOL".into(),
            units: 15,
            available: 10,
            times: 3,
            kept_for: None,
        };
        assert!(often.to_string().ends_with("use units=2 or less, not units=3"));
        assert_eq!(
            Error::invalid("the limit of \"x\"", "1 or more", 0).to_string(),
            "the limit of \"x\" must be 1 or more, not 0"
        );
    }
}
