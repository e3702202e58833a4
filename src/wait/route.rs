//! Requests for one id, without looking it up each time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Nanos;
use crate::error::Error;
use crate::gate;

use super::pass::{Charge, Pass};
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
pub struct Route {
    throttler: Throttler,
    known: Arc<gate::Route>,
}

impl Throttler {
    /// Looks an id up once, for any number of requests.
    ///
    /// # Errors
    /// [`Error::UnknownLimit`].
    pub fn route(&self, id: &str) -> Result<Route, Error> {
        Ok(Route { throttler: self.clone(), known: self.lookup(id)? })
    }
}

impl Route {
    /// The id that requests name.
    pub fn id(&self) -> &str {
        self.known.id()
    }

    /// The throttler that this is a route of.
    pub fn throttler(&self) -> &Throttler {
        &self.throttler
    }

    /// Enters without waiting, or not at all: as [`Throttler::try_enter`].
    ///
    /// # Errors
    /// [`Error::UnknownLimit`] once the table has no such id, [`Error::Invalid`] for 0 units, [`Error::NeverPasses`].
    #[inline]
    pub fn try_enter(&self, units: u64) -> Result<Option<Pass>, Error> {
        match self.throttler.enter_at_once(&self.known, units) {
            Some(epoch) => Ok(Some(self.pass(Charge { epoch, ..Charge::new(self.known.clone(), units) }))),
            None => self.throttler.try_enter(self.id(), units),
        }
    }

    /// Charges at once and for good, if there is room: as [`Throttler::charge`].
    ///
    /// # Errors
    /// As [`Route::try_enter`].
    #[inline]
    pub fn charge(&self, units: u64) -> Result<bool, Error> {
        if self.throttler.charge_at_once(&self.known, units) {
            return Ok(true);
        }
        self.throttler.charge(self.id(), units)
    }

    /// Waits for the turn of a request, in this thread: as [`Throttler::enter_blocking`].
    ///
    /// # Errors
    /// As [`Route::try_enter`], and [`Error::Timeout`].
    pub fn enter_blocking(&self, units: u64, timeout: Option<Duration>) -> Result<Pass, Error> {
        match self.throttler.enter_at_once(&self.known, units) {
            Some(epoch) => Ok(self.pass(Charge { epoch, ..Charge::new(self.known.clone(), units) })),
            None => self.throttler.enter_blocking(self.id(), units, timeout),
        }
    }

    /// Waits for the turn of a request, in a tokio task (feature `tokio`): as [`Throttler::enter_async`].
    ///
    /// # Errors
    /// As [`Route::try_enter`], and [`Error::Timeout`].
    ///
    /// # Panics
    /// Where it must wait, outside of a tokio runtime with timers.
    #[cfg(feature = "tokio")]
    pub async fn enter_async(&self, units: u64, timeout: Option<Duration>) -> Result<Pass, Error> {
        match self.throttler.enter_at_once(&self.known, units) {
            Some(epoch) => Ok(self.pass(Charge { epoch, ..Charge::new(self.known.clone(), units) })),
            None => self.throttler.enter_async(self.id(), units, timeout).await,
        }
    }

    /// How long a request that came now would wait: as [`Throttler::wait_time`].
    ///
    /// # Errors
    /// As [`Route::try_enter`].
    pub fn wait_time(&self, units: u64) -> Result<Nanos, Error> {
        self.throttler.wait_time(self.id(), units)
    }

    fn pass(&self, charge: Charge) -> Pass {
        Pass::new(self.throttler.clone(), charge)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("id", &self.id()).finish_non_exhaustive()
    }
}
