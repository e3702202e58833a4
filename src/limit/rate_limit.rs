//! A limit as its user writes it down.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::kind::Kind;
use super::resets::Resets;

/// The largest limit there is; a larger one (Hummingbot's tables say `sys.maxsize` for "no limit") means this.
/// Small enough that the sum of a window and what is in flight cannot overflow.
pub const MAX_LIMIT: u64 = 1 << 62;

/// At most `limit` units, counted as its [`Kind`] says, and what a request for `id` takes from other limits.
///
/// ```
/// use sluicegate::{Kind, RateLimit};
/// use std::time::Duration;
///
/// let minute = Duration::from_secs(60);
/// let table = [
///     RateLimit::new("REQUEST_WEIGHT", 6000, minute),
///     RateLimit::new("ORDERS", 20, minute).kind(Kind::Bucket),
///     RateLimit::route("/depth").link("REQUEST_WEIGHT", 100),
/// ];
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// The name of the limit, and of the requests that it limits: an endpoint's path, or a pool's name.
    pub id: String,
    /// How many units fit in a window: 1 or more.
    pub limit: u64,
    /// The length of the window: 1 ns or more. Of a quota, that of most windows; of kinds without windows, nothing.
    pub interval: Duration,
    /// How the exchange counts.
    pub kind: Kind,
    /// Who is counted, should the limit be shared with other processes.
    pub scope: Scope,
    /// How many units of this limit a request for `id` takes. 0 leaves its own limit out.
    pub weight: u64,
    /// The other limits that a request for `id` takes from.
    pub links: Vec<Link>,
    /// The priority of requests for `id` that name none: one of [`PRIORITIES`]. The higher goes first.
    pub priority: i16,
    /// By priority: how many units are for requests of that priority and of higher ones only. They add up: a request leaves
    /// all that is kept for any priority above its own.
    pub reserve: BTreeMap<i16, u64>,
}

/// The priorities of requests: from the lowest to the highest. 0 is that of a request of which nobody says otherwise.
pub const PRIORITIES: RangeInclusive<i16> = -1000..=1000;

/// Whose requests an exchange counts together for a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of an account.
    #[default]
    Account,
    /// All that come from an address.
    Address,
}

/// What a request takes from one more limit, mostly a pool that many endpoints share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The other limit's id.
    pub id: String,
    /// How many of its units a request takes.
    pub weight: u64,
}

impl RateLimit {
    /// A limit whose requests weigh 1 and take from nothing else.
    pub fn new(id: impl Into<String>, limit: u64, interval: Duration) -> Self {
        Self {
            id: id.into(),
            limit,
            interval,
            kind: Kind::Rolling,
            scope: Scope::Account,
            weight: 1,
            links: Vec::new(),
            priority: 0,
            reserve: BTreeMap::new(),
        }
    }

    /// A quota: at most `limit` units between two resets.
    ///
    /// ```
    /// use sluicegate::{Period, RateLimit, Resets, Zone};
    ///
    /// let resets = Resets { period: Period::parse("@0815")?, zone: Zone::named("Asia/Shanghai")? };
    /// let quota = RateLimit::quota("ORDERS", 10_000, resets);
    /// # Ok::<(), sluicegate::Error>(())
    /// ```
    pub fn quota(id: impl Into<String>, limit: u64, resets: Resets) -> Self {
        let interval = Duration::from_nanos(resets.period.nanos());
        Self { kind: Kind::Quota(resets), ..Self::new(id, limit, interval) }
    }

    /// At most `limit` units in flight at any time. See [`Kind::Concurrent`].
    pub fn concurrent(id: impl Into<String>, limit: u64) -> Self {
        Self { kind: Kind::Concurrent, ..Self::new(id, limit, Duration::ZERO) }
    }

    /// No limit of its own: requests for `id` take from the linked limits only.
    ///
    /// ```
    /// use sluicegate::{Options, RateLimit, Throttler};
    /// use std::time::Duration;
    ///
    /// let pool = RateLimit::new("POOL", 10, Duration::from_secs(1));
    /// let table = [pool, RateLimit::route("/depth").link("POOL", 4)];
    /// let throttler = Throttler::new(&table, Options::default())?;
    /// assert!(throttler.charge("/depth", 2)? && !throttler.charge("/depth", 1)?);
    /// # Ok::<(), sluicegate::Error>(())
    /// ```
    pub fn route(id: impl Into<String>) -> Self {
        Self { kind: Kind::Route, weight: 0, ..Self::new(id, MAX_LIMIT, Duration::ZERO) }
    }

    /// The same limit, which the exchange counts so.
    ///
    /// ```
    /// use sluicegate::{Kind, RateLimit};
    /// use std::time::Duration;
    ///
    /// // 20 at once, and then one each second.
    /// let counter = RateLimit::new("COUNTER", 20, Duration::from_secs(20)).kind(Kind::Bucket);
    /// ```
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The same limit, of which the exchange counts so.
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The same limit, with requests that take `weight` units of it.
    pub fn weight(mut self, weight: u64) -> Self {
        self.weight = weight;
        self
    }

    /// The same limit, with requests of this priority where they name none: a whole number from -1000 to 1000.
    ///
    /// ```
    /// use sluicegate::RateLimit;
    /// use std::time::Duration;
    ///
    /// let cancel = RateLimit::new("DELETE /order", 50, Duration::from_secs(10)).priority(2);
    /// ```
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// The same limit, of which so many units are for requests of this priority and of higher ones only: 1 or more, and all
    /// reserves together less than the limit.
    ///
    /// ```
    /// use sluicegate::{Options, RateLimit, Throttler};
    /// use std::time::Duration;
    ///
    /// let table = [RateLimit::new("REQUEST_WEIGHT", 6000, Duration::from_secs(60)).reserve(1, 600)];
    /// let weight = Throttler::new(&table, Options::default())?.route("REQUEST_WEIGHT")?;
    /// assert!(weight.charge(5400)? && !weight.charge(1)?);
    /// assert!(weight.priority(1)?.charge(600)?);
    /// # Ok::<(), sluicegate::Error>(())
    /// ```
    pub fn reserve(mut self, priority: i16, units: u64) -> Self {
        self.reserve.insert(priority, units);
        self
    }

    /// The same limit, with requests that also take `weight` units from the limit `id`.
    pub fn link(mut self, id: impl Into<String>, weight: u64) -> Self {
        self.links.push(Link { id: id.into(), weight });
        self
    }
}
