//! Joining: a throttler that is shared from its first instant on.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::clock::Clock;
use crate::error::Error;
use crate::gate::Options;
use crate::limit::{RateLimit, Scope};
use crate::share::{About, Membership};
use crate::store::{self, MemberId, Store, StoreError, Wakeups};
use crate::wait::Throttler;

use super::fork;
use super::options::Share;
use super::part::{Part, terms};
use super::seat::{Seat, id};
use super::thread::{self, MemberThread};

impl Throttler {
    /// A throttler whose limits are shared with all that name the same store and scopes. It has joined when this returns.
    ///
    /// # Errors
    /// As [`Throttler::new`]; [`Error::Store`] if the store cannot be used, [`Error::Disagrees`] if another process has
    /// other values for the same limit.
    pub fn shared(table: &[RateLimit], options: Options, share: Share) -> Result<Self, Error> {
        Self::shared_with_clock(table, options, share, Clock::monotonic())
    }

    /// The same on the given clock, which must be the machine's.
    ///
    /// # Errors
    /// As [`Throttler::shared`].
    pub fn shared_with_clock(
        table: &[RateLimit],
        options: Options,
        share: Share,
        clock: Clock,
    ) -> Result<Self, Error> {
        share.check()?;
        if clock.is_manual() {
            return Err(Error::invalid("the clock of a shared throttler", "the machine's", "a manual one"));
        }
        let throttler = Self::with_clock(table, options, clock)?;
        let seat = Arc::new(Seat::new(share, throttler.downgrade()));
        // No fork comes within it: a child could not open a file that its parent has open.
        fork::guarded(|| {
            throttler.share(Arc::new(seat.clone()), seat.share.clocks_apart());
            let mut member = join(&seat, &throttler).map_err(|error| Error::Store(error.to_string()))?;
            member.visit_all(&throttler)?;
            fork::register(&seat);
            thread::start(seat, Some(member));
            Ok(throttler)
        })
    }
}

/// Opens the store and joins it with nothing in hand.
pub(super) fn join(seat: &Arc<Seat>, throttler: &Throttler) -> Result<MemberThread, StoreError> {
    let (store, me, wakeups) = open(&seat.share)?;
    seat.joined(me, wakeups.waker());
    let (version, limits) = throttler.shared_limits();
    let rules = seat.share.rules(store.life());
    let part = |scope: Scope| {
        let terms = terms(scope, &limits);
        let membership = Membership::new(id(me), about(), rules.clone(), terms.clone());
        let part = Part::new(seat.share.document(scope), scope, membership, &limits);
        (!terms.is_empty()).then_some(part)
    };
    let parts = [Scope::Address, Scope::Account].into_iter().filter_map(part).collect();
    *seat.store.lock() = Some(store);
    Ok(MemberThread::new(seat.clone(), id(me), rules, wakeups, parts, version))
}

type Open = (Box<dyn Store>, MemberId, Box<dyn Wakeups>);

pub(super) fn open(share: &Share) -> Result<Open, StoreError> {
    let mut store = store::open(&share.url)?;
    let (me, wakeups) = store.join()?;
    Ok((store, me, wakeups))
}

/// This process, for those who look at the budget.
pub(super) fn about() -> About {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(
        |_| std::env::var("HOSTNAME").unwrap_or_else(|_| "this host".to_owned()),
        |name| name.trim().to_owned(),
    );
    let command: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    // A table of those who share has one line for each.
    let mut command = command.join(" ").replace(char::is_control, " ");
    if command.chars().count() > 120 {
        command = command.chars().take(119).chain(['…']).collect();
    }
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| span.as_nanos() as i64);
    About { pid: std::process::id(), host, command, started }
}
