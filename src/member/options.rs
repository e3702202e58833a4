//! How a throttler takes part in a shared budget: what its user chooses.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Nanos, WallNanos, nanos};
use crate::error::Error;
use crate::limit::Scope;
use crate::share::{OnConflict, Rules};
use crate::store::{Life, StoreUrl};

/// What a throttler tells about its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Something is wrong, or will not go on as it should.
    Warning(String),
    /// It is right again.
    Info(String),
}

/// Where a budget is shared, and who takes part in it.
///
/// An exchange counts an account, or an address. So each limit has a [`Scope`], and all throttlers that share a store and
/// name a scope alike have one budget for each limit of it. Throttlers of other accounts use the same store under another
/// name.
///
/// ```
/// use sluicegate::Share;
/// use std::time::Duration;
///
/// let share = Share::new("sqlite:////var/lib/bots/budget.db").account("main").arrival(Duration::from_secs(5));
/// ```
#[derive(Clone)]
pub struct Share {
    pub(super) url: String,
    pub(super) address: String,
    pub(super) account: String,
    pub(super) lease: Duration,
    pub(super) arrival: Duration,
    pub(super) smallest: bool,
    pub(super) on_notice: Option<Arc<dyn Fn(Notice) + Send + Sync>>,
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, account, lease, arrival, smallest, .. } = self;
        // The URL may hold a password.
        f.debug_struct("Share")
            .field("address", address)
            .field("account", account)
            .field("lease", lease)
            .field("arrival", arrival)
            .field("smallest", smallest)
            .finish_non_exhaustive()
    }
}

impl Share {
    /// A budget in the store at `url`: `sqlite:////absolute/path.db` on one machine, `redis://host:6379/0` over several.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            address: "default".to_owned(),
            account: "default".to_owned(),
            lease: Duration::from_secs(10),
            arrival: Duration::from_secs(5),
            smallest: false,
            on_notice: None,
        }
    }

    /// The name of the address whose limits are shared: all that leave by it name it alike. "default" if not said.
    pub fn address(mut self, name: impl Into<String>) -> Self {
        self.address = name.into();
        self
    }

    /// The name of the account whose limits are shared. "default" if not said.
    pub fn account(mut self, name: impl Into<String>) -> Self {
        self.account = name.into();
        self
    }

    /// Over a network: a process that has not reached the store for so long lets nothing pass, and what it held goes back.
    /// 10 s if not said, 1 s at least. A file needs no lease.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// For how long a request that was sent may still arrive: what a killed process held stays out of use for that time
    /// and one interval. 5 s if not said.
    pub fn arrival(mut self, arrival: Duration) -> Self {
        self.arrival = arrival;
        self
    }

    /// Where tables disagree about a limit, the smaller limit and the longer interval hold for all. If not said, who comes
    /// later is refused.
    pub fn smallest(mut self) -> Self {
        self.smallest = true;
        self
    }

    /// Calls `f` when the store is lost and found again. It runs in the thread that takes part, and must not wait long.
    pub fn on_notice(mut self, f: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        self.on_notice = Some(Arc::new(f));
        self
    }

    /// Why the store's address cannot be, if so.
    pub(crate) fn check_url(&self) -> Result<(), String> {
        StoreUrl::parse(&self.url).map(drop).map_err(|error| error.to_string())
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        for (what, name) in [("address", &self.address), ("account", &self.account)] {
            let length = name.chars().count();
            // White space at an end is not seen, and would be one budget more.
            if !(1..=200).contains(&length) || name.contains(char::is_control) || name.trim() != name {
                let must = "a name of 1 to 200 characters, none of them a control character, and no white space at its ends";
                return Err(Error::invalid(
                    format_args!("the {what} of a share"),
                    must,
                    format_args!("{name:?}"),
                ));
            }
        }
        let hour = Duration::from_secs(3600);
        let in_range = |what: &str, least: Duration, span: Duration| {
            if (least..=hour).contains(&span) {
                return Ok(());
            }
            let must = format!("{} s to 3600 s", least.as_secs_f64());
            Err(Error::invalid(
                format_args!("the {what} of a share"),
                must,
                format_args!("{} s", span.as_secs_f64()),
            ))
        };
        in_range("lease", Duration::from_secs(1), self.lease)?;
        in_range("arrival", Duration::ZERO, self.arrival)
    }

    /// The name of a scope's document.
    pub(super) fn document(&self, scope: Scope) -> String {
        match scope {
            Scope::Address => format!("address:{}", self.address),
            Scope::Account => format!("account:{}", self.account),
        }
    }

    /// How far the clocks of the wall of those who share may be apart. One file is of one machine.
    pub(super) fn clocks_apart(&self) -> Nanos {
        /// Of two hosts that are set by the network.
        const SKEW: Nanos = 2_000_000_000;
        if matches!(StoreUrl::parse(&self.url), Ok(StoreUrl::Redis(_))) { SKEW } else { 0 }
    }

    pub(super) fn rules(&self, life: Life) -> Rules {
        Rules {
            lease: (life == Life::Lease).then(|| nanos(self.lease)),
            arrival: nanos(self.arrival) as Nanos,
            margin: self.clocks_apart() as WallNanos,
            on_conflict: if self.smallest { OnConflict::Smallest } else { OnConflict::Refuse },
        }
    }

    pub(super) fn notify(&self, notice: Notice) {
        if let Some(notify) = &self.on_notice {
            notify(notice);
        }
    }
}
