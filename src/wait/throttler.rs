//! The throttler: a gate, a clock, and one lock around both. Its table, what can be asked, and requests that do not wait.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::{Clock, Nanos, WallNanos, nanos};
use crate::error::Error;
use crate::gate::{Counters, Gate, Options, Rank, Route, Usage};
use crate::limit::{Kind, RateLimit};

use super::effects::Effects;
use super::enter::Admission;
use super::pass::{HeldUnits, Pass};
use super::shared::Shared;
use super::turn::Turn;
use super::wake_groups::WakeGroup;

/// Decides when requests may leave. Clones share one table, one queue and one account of what is used; any number of
/// threads, tasks and event loops may use it at once.
///
/// ```
/// use sluicegate::{Options, RateLimit, Throttler};
/// use std::time::Duration;
///
/// let minute = Duration::from_secs(60);
/// let throttler = Throttler::new(
///     &[
///         RateLimit::new("REQUEST_WEIGHT", 6000, minute),
///         RateLimit::new("/depth", 6000, minute).link("REQUEST_WEIGHT", 100),
///     ],
///     Options::default(),
/// )?;
/// {
///     let _pass = throttler.enter_blocking("/depth", 1, None)?;
///     // Send the request, read the answer. The pass ends with this block.
/// }
/// let usage = throttler.usage("REQUEST_WEIGHT")?;
/// assert_eq!((usage.used, usage.in_flight), (100, 0));
/// # Ok::<(), sluicegate::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Throttler {
    pub(super) shared: Arc<Mutex<Shared>>,
}

/// All that a meter shows of a throttler: of each limit in the order of the table, and who waits.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub usages: Vec<Usage>,
    pub counters: Vec<Counters>,
    pub oldest_waits: Vec<Duration>,
    /// Each id that requests wait for, how many they are, and for how long the oldest of them has.
    pub waiting: Vec<(String, usize, Duration)>,
    /// Who it is in the store of a shared budget.
    pub member: Option<u64>,
}

/// A throttler that does not keep itself alive.
#[derive(Clone, Debug)]
pub(crate) struct WeakThrottler(Weak<Mutex<Shared>>);

impl WeakThrottler {
    pub fn upgrade(&self) -> Option<Throttler> {
        Some(Throttler { shared: self.0.upgrade()? })
    }

    /// Whether it is of this throttler, or of a clone of it.
    pub fn is_of(&self, throttler: &Throttler) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&throttler.shared))
    }
}

impl Throttler {
    /// A throttler on the machine's monotonic clock.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value that cannot be, [`Error::UnknownLink`] for a link to an id that the table does not
    /// have, [`Error::NeverPasses`] for a weight that never fits.
    pub fn new(table: &[RateLimit], options: Options) -> Result<Self, Error> {
        Self::with_clock(table, options, Clock::monotonic())
    }

    /// A throttler on the given clock. On a manual one, see [`ManualClock`](super::ManualClock).
    ///
    /// # Errors
    /// As [`Throttler::new`].
    pub fn with_clock(table: &[RateLimit], options: Options, clock: Clock) -> Result<Self, Error> {
        let shared = Shared::new(clock, Gate::new(table, options)?, table.to_vec());
        Ok(Self { shared: Arc::new(Mutex::new(shared)) })
    }

    /// Replaces the table, whole or not at all. What is used of ids that stay, stays used. Requests that wait for an id
    /// that is gone, or that no longer fit, fail.
    ///
    /// # Errors
    /// As [`Throttler::new`]; then nothing has changed.
    pub fn set_rate_limits(&self, table: &[RateLimit]) -> Result<(), Error> {
        self.locked(|shared, now, effects| shared.set_table(now, table.to_vec(), effects))?;
        self.check_nested();
        Ok(())
    }

    /// Adds limits to the table, whole or not at all; ids that it has already are left as they are.
    ///
    /// # Errors
    /// As [`Throttler::new`]; then nothing has changed.
    pub fn add_rate_limits(&self, more: &[RateLimit]) -> Result<(), Error> {
        self.locked(|shared, now, effects| {
            let known = |limit: &&RateLimit| shared.gate.lookup(&limit.id).is_err();
            let new: Vec<RateLimit> = more.iter().filter(known).cloned().collect();
            let table = [shared.table.as_slice(), &new].concat();
            shared.set_table(now, table, effects)
        })?;
        self.check_nested();
        Ok(())
    }

    /// Takes those of some ids out of the table that count nothing by themselves, and that nobody waits for.
    ///
    /// # Errors
    /// [`Error::UnknownLink`] if another id is linked to one of them; then nothing has changed.
    pub(crate) fn forget_routes(&self, ids: &HashSet<String>) -> Result<(), Error> {
        self.locked(|shared, now, effects| {
            let goes = |limit: &RateLimit| {
                limit.kind == Kind::Route && ids.contains(&limit.id) && !shared.gate.is_named(&limit.id)
            };
            let kept: Vec<_> = shared.table.iter().filter(|limit| !goes(limit)).cloned().collect();
            if kept.len() < shared.table.len() {
                shared.set_table(now, kept, effects)?;
            }
            Ok(())
        })
    }

    /// The current table.
    pub fn rate_limits(&self) -> Vec<RateLimit> {
        self.shared.lock().table.clone()
    }

    /// What a request for an id takes, by the current table.
    pub(crate) fn lookup(&self, id: &str) -> Result<Arc<Route>, Error> {
        self.shared.lock().gate.lookup(id).cloned()
    }

    /// Whether the current table has an id. (An error would have to look for the one that was meant.)
    pub fn has(&self, id: &str) -> bool {
        self.shared.lock().gate.has(id)
    }

    /// Checks that a request for `units` times the route's weights could ever pass.
    pub(crate) fn check_units(&self, route: &Route, units: u64) -> Result<(), Error> {
        let mut shared = self.shared.lock();
        let new;
        let route = if shared.gate.is_current(route) {
            route
        } else {
            new = shared.gate.lookup(route.id())?.clone();
            new.of_rank(new.rank)
        };
        shared.gate.check_units(route, units)?;
        let is_heavier = units > 1 && shared.gate.expect_units(route, units);
        drop(shared);
        if is_heavier && self.locked(Shared::settle_unknown) {
            self.check_nested();
        }
        Ok(())
    }

    /// Enters without waiting, or not at all.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`], [`Error::Invalid`] for 0 units, [`Error::NeverPasses`].
    pub fn try_enter(&self, id: &str, units: u64) -> Result<Option<Pass>, Error> {
        self.try_enter_as(id, units, None)
    }

    /// The same for a request of this class; `None`: of the class that the table has for it.
    pub(super) fn try_enter_as(
        &self,
        id: &str,
        units: u64,
        rank: Option<Rank>,
    ) -> Result<Option<Pass>, Error> {
        let mut held = self.request(id, units, rank)?;
        // Where others wait, only the queue can tell whether this one may go before them.
        let new_turn = || Turn::new(WakeGroup::Threads, Waker::noop().clone());
        match self.enter(&mut held, Some(0), new_turn) {
            Ok(Admission::Entered) => Ok(Some(Pass::new(self.clone(), held))),
            Ok(Admission::Waiting(_)) | Err(Error::Timeout { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Charges a request now and for good, if there is room: there is no [`Pass`] to drop, and nothing gives the units
    /// back. Their interval begins now, whatever the [`Hold`](crate::Hold). Returns whether there was room.
    ///
    /// For requests whose end nobody tells. Where the end is known, use [`Throttler::try_enter`].
    ///
    /// # Errors
    /// As [`Throttler::try_enter`].
    pub fn charge(&self, id: &str, units: u64) -> Result<bool, Error> {
        self.charge_as(id, units, None)
    }

    /// The same for a request of this class; `None`: of the class that the table has for it.
    pub(crate) fn charge_as(&self, id: &str, units: u64, rank: Option<Rank>) -> Result<bool, Error> {
        let at_once = {
            let mut shared = self.shared.lock();
            let route = shared.gate.lookup(id)?;
            let route = route.of_rank(rank.unwrap_or(route.rank)).clone();
            shared.gate.check_units(&route, units)?;
            let now = shared.now();
            !shared.must_tell() && shared.gate.try_acquire(now, &route, units)
        };
        Ok(at_once || self.try_enter_as(id, units, rank)?.is_some())
    }

    /// What a request is about to take that could pass at some time.
    pub(super) fn request(&self, id: &str, units: u64, rank: Option<Rank>) -> Result<HeldUnits, Error> {
        let held = HeldUnits::new(&self.lookup(id)?, units, rank);
        self.check_units(&held.route, units)?;
        Ok(held)
    }

    /// The same as [`Throttler::charge`], by its older name.
    ///
    /// # Errors
    /// As [`Throttler::try_enter`].
    #[inline]
    pub fn try_acquire(&self, id: &str, units: u64) -> Result<bool, Error> {
        self.charge(id, units)
    }

    /// The clock of the exchange shows `shown` now (nanoseconds since 1970), give or take `uncertainty`. Limits of
    /// [`Kind::Fixed`](crate::Kind::Fixed) follow it.
    ///
    /// Each call adds to what is known: many coarse times make a fine one. Where one contradicts those before it, the exchange
    /// has set its clock. Between two calls the clocks count as drifting apart by up to 100 ppm, and by that of a minute at
    /// least. The clock on the wall of this machine plays no part, whatever it does.
    ///
    /// ```
    /// use sluicegate::{Kind, Options, RateLimit, Throttler};
    /// use std::time::Duration;
    ///
    /// let weight = RateLimit::new("REQUEST_WEIGHT", 6000, Duration::from_secs(60)).kind(Kind::Fixed);
    /// let throttler = Throttler::new(&[weight], Options::default())?;
    /// // The exchange answered in 80 ms that it was so late, in milliseconds: 40 ms ago, give or take as much.
    /// let shown = 1_790_000_000_123 * 1_000_000 + 40_000_000;
    /// throttler.set_server_time(shown, Duration::from_millis(40));
    /// # Ok::<(), sluicegate::Error>(())
    /// ```
    pub fn set_server_time(&self, shown: WallNanos, uncertainty: Duration) {
        self.locked(|shared, now, effects| {
            if shared.gate.observe_server(now, shown, nanos(uncertainty)) {
                shared.advance(now, effects);
            }
        });
    }

    /// How long a request that came now would wait, in nanoseconds; 0 only if it could pass at once. Requests in flight
    /// count as answered at once, so it may take longer.
    ///
    /// # Errors
    /// As [`Throttler::try_enter`].
    pub fn wait_time(&self, id: &str, units: u64) -> Result<Nanos, Error> {
        self.wait_time_as(id, units, None)
    }

    /// The same for a request of this class; `None`: of the class that the table has for it.
    pub(crate) fn wait_time_as(&self, id: &str, units: u64, rank: Option<Rank>) -> Result<Nanos, Error> {
        self.locked(|shared, now, effects| {
            let route = shared.gate.lookup(id)?;
            let rank = rank.unwrap_or(route.rank);
            let route = route.of_rank(rank).clone();
            shared.gate.check_units(&route, units)?;
            shared.advance(now, effects);
            let wait = shared.gate.wait_time(now, &route, units, rank);
            if wait > 0 {
                shared.gate.remember_refused(&route, units);
                shared.tell_wanted();
            }
            Ok(wait)
        })
    }

    /// The usage of one limit.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`].
    pub fn usage(&self, id: &str) -> Result<Usage, Error> {
        let mut shared = self.shared.lock();
        let route = shared.gate.lookup(id)?.clone();
        let now = shared.now();
        Ok(shared.gate.usage(now, &route))
    }

    /// The usage of every limit, at one instant.
    pub fn usages(&self) -> Vec<Usage> {
        let mut shared = self.shared.lock();
        let now = shared.now();
        let routes: Vec<_> = shared.gate.routes().cloned().collect();
        routes.iter().map(|route| shared.gate.usage(now, route)).collect()
    }

    /// What has become of the requests of every limit.
    pub fn counters(&self) -> Vec<Counters> {
        self.shared.lock().gate.counters()
    }

    /// The same, each with how long the oldest request has waited that waits for it.
    pub(crate) fn counters_and_oldest_waits(&self) -> Vec<(Counters, Duration)> {
        let mut shared = self.shared.lock();
        let now = shared.now();
        let oldest = shared.gate.oldest_waits(now);
        shared.gate.counters().into_iter().zip(oldest).collect()
    }

    /// All that a meter shows, at one instant.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut shared = self.shared.lock();
        let now = shared.now();
        let routes: Vec<_> = shared.gate.routes().cloned().collect();
        Snapshot {
            usages: routes.iter().map(|route| shared.gate.usage(now, route)).collect(),
            counters: shared.gate.counters(),
            oldest_waits: shared.gate.oldest_waits(now),
            waiting: shared.gate.waiting(now),
            member: shared.sharing.as_ref().and_then(|sharing| sharing.member()),
        }
    }

    /// When the next waiting request can pass, should nothing happen before.
    pub fn wake_at(&self) -> Option<Nanos> {
        self.shared.lock().next_pass()
    }

    /// When there is something to do next, should nothing happen before: for a manual clock.
    pub(super) fn next_instant(&self) -> Option<Nanos> {
        let mut shared = self.shared.lock();
        let event = shared.next_event();
        shared.next_pass().into_iter().chain(event).min()
    }

    /// The instant now, on this throttler's clock.
    pub fn now(&self) -> Nanos {
        self.shared.lock().now()
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        self.shared.lock().clock.clone()
    }

    /// Runs `f` under the lock, and what it leaves to be done without it.
    pub(super) fn locked<T>(&self, f: impl FnOnce(&mut Shared, Nanos, &mut Effects) -> T) -> T {
        let mut effects = Effects::default();
        let (result, has_news) = {
            let mut shared = self.shared.lock();
            let now = shared.now();
            let result = f(&mut shared, now, &mut effects);
            (result, shared.has_news())
        };
        effects.carry_out();
        if has_news {
            self.tell();
        }
        result
    }

    pub(crate) fn downgrade(&self) -> WeakThrottler {
        WeakThrottler(Arc::downgrade(&self.shared))
    }
}
