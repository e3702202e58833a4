//! A table of limits, checked whole before any of it takes effect.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::{Nanos, nanos};
use crate::error::{Error, closest};
use crate::limit::{Kind, MAX_LIMIT, MAX_PERIOD, RateLimit, Scope, Shape, Span};

use super::queue::Rank;
use super::reserve;

/// When a request's units go from *in flight* into the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// When it leaves: no window of the server sees more than the limit, however long requests take.
    #[default]
    Response,
    /// When it enters: the instants of entering keep the limit; the server, behind a varying latency, may see more.
    Start,
}

/// How a table is applied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// When units start to leave.
    pub hold: Hold,
    /// Units stay this share of the interval longer: 0.05 makes 60 s count as 63 s. 0 to 1. Quotas end at their
    /// boundaries all the same.
    pub safety_margin: f64,
    /// This bot's share of every limit, in percent: over 0, up to 100. Each limit stays at least 1.
    pub limits_share_percentage: f64,
    /// So long a request waits for each class that it rises by, so that nobody starves while requests of higher classes keep
    /// coming: one that has waited so much longer goes before one of the next class. Over 0, up to 30 days. `None`: each
    /// keeps its own class, and waits for as long as higher ones come.
    pub patience: Option<Duration>,
    /// A table may have requests that take more than their limits ever have: not the table is refused, but each such
    /// request. For tables that came with a program, of which only a part is used.
    pub hopeless_routes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hold: Hold::default(),
            safety_margin: 0.0,
            limits_share_percentage: 100.0,
            patience: None,
            hopeless_routes: false,
        }
    }
}

/// The longest interval: a hundred years. Longer ones are mistakes of the unit.
pub(crate) const MAX_INTERVAL: Duration = Duration::from_nanos(MAX_PERIOD);

/// The longest patience. Two thousand times as long, and the time of every clock, fit into 64 bits.
pub(crate) const MAX_PATIENCE: Duration = Duration::from_secs(30 * 86_400);

impl Options {
    /// Checks the options.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let (margin, share) = (self.safety_margin, self.limits_share_percentage);
        if !(0.0..=1.0).contains(&margin) {
            let must = "a share of the interval from 0 to 1 (0.05 is 5 %)";
            return Err(Error::invalid("safety_margin_pct", must, margin));
        }
        if !(share > 0.0 && share <= 100.0) {
            let must = "a percentage over 0 and up to 100";
            return Err(Error::invalid("limits_share_percentage", must, share));
        }
        if let Some(patience) = self.patience
            && (patience.is_zero() || patience > MAX_PATIENCE)
        {
            let must = "a number of seconds over 0 and up to 2592000 (30 days), or None";
            return Err(Error::invalid("patience", must, patience.as_secs_f64()));
        }
        Ok(())
    }

    /// This bot's share of a limit, rounded down, at least 1.
    pub(super) fn share_of(&self, limit: u64) -> u64 {
        if self.limits_share_percentage >= 100.0 {
            return limit.min(MAX_LIMIT);
        }
        let share = limit.min(MAX_LIMIT) as f64 * (self.limits_share_percentage / 100.0);
        // 29 % of 100 is 28.999999999999996 in floating point, and 29 to its user.
        let nearest = share.round();
        let share = if (share - nearest).abs() < nearest * 1e-12 { nearest } else { share.floor() };
        (share as u64).max(1)
    }

    /// How long a unit stays.
    fn stretch(&self, interval: Nanos) -> Nanos {
        // Rounded up: a unit may stay too long, never too short.
        interval.saturating_add((interval as f64 * self.safety_margin).ceil() as Nanos)
    }
}

/// One limit of a checked table, with its links resolved to positions in that table.
#[derive(Debug)]
pub(crate) struct Row {
    pub id: String,
    /// The limit for all bots together.
    pub limit: u64,
    pub shape: Shape,
    /// (position in the table, weight), the limit's own weight first.
    pub takes: Vec<(usize, u64)>,
    /// The class of its requests, where they name none.
    pub rank: Rank,
    /// Whose requests its limit counts; `None` if it counts none.
    pub scope: Option<Scope>,
    /// Where it is for requests below a priority alone.
    pub below: Option<Below>,
}

/// A row for the requests of an id below a priority: see [`reserve`](super::reserve).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Below {
    /// The position of the id's own row.
    pub base: usize,
    pub priority: i16,
    /// Whether the id is a limit with a reserve for that priority, so that this is its companion.
    pub is_limit: bool,
}

/// Checks a table and resolves its links. Of limits with the same id, the last one stands.
pub(crate) fn check(limits: &[RateLimit], options: &Options) -> Result<Vec<Row>, Error> {
    let mut positions = HashMap::new();
    let mut unique: Vec<&RateLimit> = Vec::with_capacity(limits.len());
    for limit in limits {
        check_values(limit)?;
        match positions.get(limit.id.as_str()) {
            Some(&at) => unique[at] = limit,
            None => {
                positions.insert(limit.id.as_str(), unique.len());
                unique.push(limit);
            }
        }
    }
    let mut rows = Vec::with_capacity(unique.len());
    for (at, limit) in unique.iter().enumerate() {
        let mut takes = vec![(at, limit.weight)];
        for link in &limit.links {
            let target = *positions.get(link.id.as_str()).ok_or_else(|| Error::UnknownLink {
                id: limit.id.clone(),
                link: link.id.clone(),
                closest: closest(&link.id, unique.iter().map(|limit| limit.id.as_str())),
            })?;
            match takes.iter_mut().find(|(other, _)| *other == target) {
                Some((_, weight)) => *weight = weight.saturating_add(link.weight),
                None => takes.push((target, link.weight)),
            }
        }
        if let Some(&(at, _)) =
            takes.iter().find(|&&(at, weight)| weight > 0 && unique[at].kind == Kind::Route)
        {
            let (what, id) = (format!("what {:?} takes from", limit.id), &unique[at].id);
            return Err(Error::invalid(what, "an id with a limit of its own", format_args!("{id:?}")));
        }
        takes.retain(|&(_, weight)| weight > 0);
        rows.push(Row {
            id: limit.id.clone(),
            limit: limit.limit.min(MAX_LIMIT),
            shape: shape_of(limit, options),
            takes,
            rank: Rank::of(limit.priority)?,
            scope: scope_of(limit),
            below: None,
        });
    }
    reserve::add_rows(&unique, &mut rows, |limit| shape_of(limit, options));
    if let Some(row) = rows.iter().find(|row| row.below.is_some() && positions.contains_key(row.id.as_str()))
    {
        return Err(Error::invalid(
            "the id of a limit",
            "another one than that of a reserve in the table",
            &row.id,
        ));
    }
    let has_rank = |row: &&Row| match row.below {
        // A request of a lower priority than the table gives its id is refused when it comes.
        Some(Below { priority, .. }) => Rank::of(priority).is_ok_and(|rank| rank < row.rank),
        None => true,
    };
    for row in rows.iter().filter(|_| !options.hopeless_routes).filter(has_rank) {
        for &(at, units) in &row.takes {
            let available = rows[at].shape.limit;
            if units > available {
                let named = |row: &Row| row.below.map_or(&row.id, |below| &rows[below.base].id).clone();
                let (id, limit) = (named(row), named(&rows[at]));
                let kept_for = rows[at].below.map(|below| below.priority);
                return Err(Error::NeverPasses { id, limit, units, available, times: 1, kept_for });
            }
        }
    }
    Ok(rows)
}

/// Whose requests a limit counts; `None` for what is none.
pub(super) fn scope_of(limit: &RateLimit) -> Option<Scope> {
    Some(limit.scope).filter(|_| limit.kind != Kind::Route)
}

fn shape_of(limit: &RateLimit, options: &Options) -> Shape {
    let share = options.share_of(limit.limit);
    let (length, interval) = (nanos(limit.interval), options.stretch(nanos(limit.interval)));
    let span = match limit.kind {
        Kind::Rolling => Span::Rolling(interval),
        Kind::Quota(resets) => Span::Quota { resets, margin: 0 },
        Kind::Bucket => Span::Bucket { limit: share, interval },
        Kind::Concurrent | Kind::Route => Span::Concurrent,
        Kind::Fixed => Span::Fixed { interval: length, margin: interval - length },
        Kind::First => Span::First(interval),
    };
    Shape { limit: share, span }
}

fn check_values(limit: &RateLimit) -> Result<(), Error> {
    reserve::check(limit)?;
    if limit.limit == 0 {
        let what = format!("the limit of {:?}", limit.id);
        return Err(Error::invalid(what, "1 or more", limit.limit));
    }
    let interval = match limit.kind {
        Kind::Quota(resets) => Duration::from_nanos(resets.period.nanos()),
        _ => limit.interval,
    };
    if !limit.kind.has_interval() {
        return Ok(());
    }
    if interval.is_zero() || interval > MAX_INTERVAL {
        let what = format!("the time_interval of {:?}", limit.id);
        let must = "over 0 s and at most 100 years";
        return Err(Error::invalid(what, must, format_args!("{} s", interval.as_secs_f64())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{Period, Resets, Zone};

    const SECOND: Duration = Duration::from_secs(1);

    fn share(percentage: f64) -> Options {
        Options { limits_share_percentage: percentage, ..Options::default() }
    }

    #[test]
    fn shares_round_down_as_decimals_would_and_leave_at_least_one() {
        assert_eq!(share(29.0).share_of(100), 29);
        assert_eq!(share(33.3).share_of(10), 3);
        assert_eq!(share(0.1).share_of(10), 1);
        assert_eq!(share(100.0).share_of(u64::MAX), MAX_LIMIT);
    }

    #[test]
    fn the_margin_lengthens_the_interval() {
        let options = Options { safety_margin: 0.05, ..Options::default() };
        assert_eq!(options.stretch(60_000_000_000), 63_000_000_000);
        assert_eq!(Options::default().stretch(1), 1);
    }

    #[test]
    fn a_quota_ends_at_its_boundaries_whatever_the_margin() {
        let resets = Resets { period: Period::Daily(0), zone: Zone::Machine };
        let options = Options { safety_margin: 0.05, ..Options::default() };
        let rows = check(&[RateLimit::quota("a", 3, resets)], &options).expect("a fine table");
        assert_eq!(rows[0].shape, Shape { limit: 3, span: Span::Quota { resets, margin: 0 } });
    }

    #[test]
    fn a_quota_of_no_length_is_refused() {
        let resets = Resets { period: Period::Span(0), zone: Zone::Machine };
        let refusal = check(&[RateLimit::quota("a", 3, resets)], &Options::default()).expect_err("bad");
        assert!(refusal.to_string().contains("the time_interval of \"a\""));
    }

    #[test]
    fn of_equal_ids_the_last_one_stands() {
        let table = [RateLimit::new("a", 1, SECOND), RateLimit::new("a", 2, SECOND)];
        let rows = check(&table, &Options::default()).expect("a fine table");
        assert_eq!((rows.len(), rows[0].shape.limit), (1, 2));
    }

    #[test]
    fn links_to_one_limit_add_up() {
        let table = [
            RateLimit::new("pool", 5, SECOND),
            RateLimit::new("a", 5, SECOND).link("pool", 2).link("pool", 3).link("a", 1),
        ];
        let rows = check(&table, &Options::default()).expect("a fine table");
        assert_eq!(rows[1].takes, [(1, 2), (0, 5)]);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_names() {
        let refusal = |table: &[RateLimit]| check(table, &Options::default()).expect_err("bad").to_string();
        assert!(refusal(&[RateLimit::new("a", 0, SECOND)]).contains("the limit of \"a\" must be 1 or more"));
        assert!(refusal(&[RateLimit::new("a", 1, Duration::ZERO)]).contains("the time_interval of \"a\""));
        assert!(refusal(&[RateLimit::new("a", 1, Duration::MAX)]).contains("at most 100 years"));
        let unlinked =
            refusal(&[RateLimit::new("POOL", 1, SECOND), RateLimit::new("a", 1, SECOND).link("POL", 1)]);
        assert!(unlinked.contains("\"a\" is linked to \"POL\"") && unlinked.contains("mean \"POOL\""));
        let heavy =
            refusal(&[RateLimit::new("POOL", 4, SECOND), RateLimit::new("a", 1, SECOND).link("POOL", 5)]);
        assert!(heavy.contains("takes 5 units of \"POOL\", but only 4 fit"));
    }

    #[test]
    fn a_share_that_no_longer_holds_the_weight_is_refused() {
        let table = [RateLimit::new("a", 100, SECOND).weight(20)];
        assert!(check(&table, &share(20.0)).is_ok());
        assert!(check(&table, &share(19.0)).is_err());
    }

    #[test]
    fn hopeless_routes_are_accepted_where_the_options_say_so() {
        let table = [RateLimit::new("a", 100, SECOND).weight(20)];
        assert!(check(&table, &Options { hopeless_routes: true, ..share(19.0) }).is_ok());
    }

    #[test]
    fn options_out_of_range_are_refused() {
        for margin in [-0.1, 1.5, f64::NAN, f64::INFINITY] {
            assert!(Options { safety_margin: margin, ..Options::default() }.check().is_err(), "{margin}");
        }
        for percentage in [0.0, -1.0, 100.5, f64::NAN] {
            assert!(share(percentage).check().is_err(), "{percentage}");
        }
    }
}
