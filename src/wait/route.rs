//! A public route: requests for one id, without looking the id up each time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Nanos;
use crate::error::Error;
use crate::gate;

use super::epoch::Epoch;
use super::pass::Pass;
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
    route: Arc<gate::Route>,
}

impl Throttler {
    /// Looks an id up once, for any number of requests.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`].
    pub fn route(&self, id: &str) -> Result<Route, Error> {
        Ok(Route(Arc::new(Known { throttler: self.clone(), route: self.lookup(id)? })))
    }
}

impl Route {
    /// The id that requests name.
    pub fn id(&self) -> &str {
        self.0.route.id()
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
            None => self.0.throttler.try_enter(self.id(), units),
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
        self.0.throttler.charge(self.id(), units)
    }

    /// Waits for the turn of a request, in this thread: as [`Throttler::enter_blocking`].
    ///
    /// # Errors
    /// As [`Route::try_enter`], and [`Error::Timeout`].
    pub fn enter_blocking(&self, units: u64, timeout: Option<Duration>) -> Result<Pass, Error> {
        match self.enter_at_once(units) {
            Some(pass) => Ok(pass),
            None => self.0.throttler.enter_blocking(self.id(), units, timeout),
        }
    }

    /// How long a request that came now would wait: as [`Throttler::wait_time`].
    ///
    /// # Errors
    /// As [`Route::try_enter`].
    pub fn wait_time(&self, units: u64) -> Result<Nanos, Error> {
        self.0.throttler.wait_time(self.id(), units)
    }

    /// Enters by the route that was looked up, if that can be done at once.
    #[inline]
    pub(super) fn enter_at_once(&self, units: u64) -> Option<Pass> {
        let epoch = self.0.throttler.enter_at_once(&self.0.route, units)?;
        Some(Pass::known(self.clone(), units, epoch))
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
