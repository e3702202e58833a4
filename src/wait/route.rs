//! A public route: requests for one id, without looking the id up each time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Nanos;
use crate::error::Error;
use crate::gate::{self, Rank};

use super::epoch::Epoch;
use super::pass::{HeldUnits, Pass};
use super::throttler::Throttler;

/// What requests for one id take from their limits, looked up once, for any number of requests. Clones share it.
///
/// A route follows its throttler: when the table is replaced, it takes what the new table says.
///
/// ```
/// use sluicegate::{Options, RateLimit, Throttler};
/// use std::time::Duration;
///
/// let throttler = Throttler::new(&[RateLimit::new("/ping", 20, Duration::from_secs(1))], Options::default())?;
/// let ping = throttler.route("/ping")?;
/// let pass = ping.try_enter(1)?;
/// assert!(pass.is_some());
/// assert!(ping.charge(19)?);
/// assert!(ping.try_enter(1)?.is_none());
/// # Ok::<(), sluicegate::Error>(())
/// ```
#[derive(Clone)]
pub struct Route(Arc<Known>);

struct Known {
    throttler: Throttler,
    /// That of all classes, and that of its requests.
    base: Arc<gate::Route>,
    route: Arc<gate::Route>,
    /// The class of its requests, if that is not the table's.
    rank: Option<Rank>,
}

impl Throttler {
    /// Looks an id up once, for any number of requests.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`].
    pub fn route(&self, id: &str) -> Result<Route, Error> {
        let base = self.lookup(id)?;
        let route = base.of_rank(base.rank).clone();
        Ok(Route(Arc::new(Known { throttler: self.clone(), base, route, rank: None })))
    }
}

impl Route {
    /// The id that requests name.
    pub fn id(&self) -> &str {
        self.0.route.id()
    }

    /// The same route, for requests of this priority, whatever the table says: a whole number from -1000 to 1000. The
    /// higher goes first; equal ones go in the order of arrival.
    ///
    /// ```
    /// use sluicegate::{Options, RateLimit, Throttler};
    /// use std::time::Duration;
    ///
    /// let table = [RateLimit::new("/order", 20, Duration::from_secs(1))];
    /// let cancel = Throttler::new(&table, Options::default())?.route("/order")?.priority(2)?;
    /// let pass = cancel.enter_blocking(1, None)?;
    /// # Ok::<(), sluicegate::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn priority(&self, priority: i16) -> Result<Route, Error> {
        let Known { throttler, base, .. } = &*self.0;
        let rank = Rank::of(priority)?;
        let (base, route) = (base.clone(), base.of_rank(rank).clone());
        Ok(Route(Arc::new(Known { throttler: throttler.clone(), base, route, rank: Some(rank) })))
    }

    /// The class of its requests, if that is not the table's.
    pub(super) fn rank(&self) -> Option<Rank> {
        self.0.rank
    }

    /// The throttler that this is a route of.
    pub fn throttler(&self) -> &Throttler {
        &self.0.throttler
    }

    /// Enters without waiting, or not at all: as [`Throttler::try_enter`].
    ///
    /// # Errors
    /// [`Error::UnknownLimit`] once the table has no such id, [`Error::Invalid`] for 0 units, [`Error::NeverPasses`].
    #[inline]
    pub fn try_enter(&self, units: u64) -> Result<Option<Pass>, Error> {
        match self.enter_at_once(units) {
            Some(pass) => Ok(Some(pass)),
            None => self.0.throttler.try_enter_as(self.id(), units, self.0.rank),
        }
    }

    /// Charges at once and for good, if there is room: as [`Throttler::charge`].
    ///
    /// # Errors
    /// As [`Route::try_enter`].
    #[inline]
    pub fn charge(&self, units: u64) -> Result<bool, Error> {
        if self.0.throttler.charge_at_once(&self.0.route, units) {
            return Ok(true);
        }
        self.0.throttler.charge_as(self.id(), units, self.0.rank)
    }

    /// Waits for the turn of a request, in this thread: as [`Throttler::enter_blocking`].
    ///
    /// # Errors
    /// As [`Route::try_enter`], and [`Error::Timeout`].
    pub fn enter_blocking(&self, units: u64, timeout: Option<Duration>) -> Result<Pass, Error> {
        match self.enter_at_once(units) {
            Some(pass) => Ok(pass),
            None => self.0.throttler.enter_blocking_as(self.id(), units, timeout, self.0.rank),
        }
    }

    /// How long a request that came now would wait: as [`Throttler::wait_time`].
    ///
    /// # Errors
    /// As [`Route::try_enter`].
    pub fn wait_time(&self, units: u64) -> Result<Nanos, Error> {
        self.0.throttler.wait_time_as(self.id(), units, self.0.rank)
    }

    /// Enters by the route that was looked up, if that can be done at once.
    #[inline]
    pub(super) fn enter_at_once(&self, units: u64) -> Option<Pass> {
        let epoch = self.0.throttler.enter_at_once(&self.0.route, units)?;
        Some(Pass::known(self.clone(), units, epoch))
    }

    /// What a request holds that entered in this epoch.
    pub(super) fn held(&self, units: u64, epoch: Epoch) -> HeldUnits {
        HeldUnits { epoch, ..HeldUnits::new(&self.0.route, units, self.rank()) }
    }

    /// The block of a request that entered in this epoch has ended.
    #[inline]
    pub(super) fn leave(&self, units: u64, epoch: Epoch) {
        self.0.throttler.leave(&self.0.route, units, epoch);
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("id", &self.id()).finish_non_exhaustive()
    }
}
