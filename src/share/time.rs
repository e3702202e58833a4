//! Time as a scope counts it: only what has certainly passed.
//!
//! A file's clock (time since boot) never steps: what it says has passed, has passed. Redis gives the server's wall clock,
//! which may. So with leases, a visit moves the scope's clock on by what the store's clock says, but never further than a
//! witness has lived through: a member knows what the scope's clock showed at its last visit, and how long ago that was
//! by its own clock. Who comes for the first time is no witness and moves nothing. So a step of the store's clock, or a
//! time without any member, only delays.
//!
//! Windows of over a minute would be delayed too long by a night in which no bot ran: for these, a time without witnesses
//! counts as the wall clock says.

use crate::clock::{Nanos, WallNanos};

use super::state::{MemberId, ScopeState};
use super::terms::{Kind, LONG};

/// With leases, the store's time may be read so long before it is used.
pub(super) const STALE: Nanos = 50_000_000;

/// What a visit sees of the store and the world.
pub(crate) struct Moment<'a> {
    /// The store's time.
    pub now: Nanos,
    /// Wall time of the same instant.
    pub wall: WallNanos,
    /// The time by the visitor's own clock.
    pub local: Nanos,
    /// The time line of `now`: instants of another one mean nothing.
    pub timeline: &'a str,
    /// Changes whenever the store may have forgotten what was written.
    pub incarnation: &'a str,
    /// Whether a member has surely ended; with leases, always false.
    pub is_dead: &'a dyn Fn(MemberId) -> bool,
    /// Members of the store that live and joined it before its present incarnation: they may hold what the document does
    /// not know of. With leases, nobody.
    pub elders: &'a dyn Fn() -> Vec<MemberId>,
    /// The first boundary of a quota after an instant of wall time, by the quota's text; `None` if it means nothing here.
    pub boundary_after: &'a dyn Fn(&str, WallNanos) -> Option<WallNanos>,
    /// A random number: the name of the document should it have to begin anew.
    pub fresh: u64,
}

impl ScopeState {
    /// Moves the clock on. `witness`: what it showed at the visitor's last visit, and how long ago that was. With leases,
    /// how much later than the clock it may be.
    pub(super) fn pass_time(
        &mut self,
        moment: &Moment<'_>,
        leases: bool,
        witness: Option<(Nanos, Nanos)>,
    ) -> Nanos {
        let same_line = self.timeline == moment.timeline;
        let by_store = if same_line { moment.now.saturating_sub(self.seen) } else { 0 };
        let passed = match witness {
            _ if !leases => by_store,
            Some((showed, ago)) => by_store.min(showed.saturating_add(ago).saturating_sub(self.clock)),
            None => 0,
        };
        let unwitnessed = if same_line { by_store - passed } else { span(self.seen_wall, moment.wall) };
        // Members visit each third of their lease: an hour that none has seen was an hour without members.
        let nobody_lives =
            self.members.iter().all(|one| one.lease_end.is_none_or(|end| end <= self.clock + by_store));
        if nobody_lives && unwitnessed > 0 {
            for budget in &mut self.budgets {
                if budget.interval > LONG && budget.kind == Kind::Rolling {
                    budget.quarantine.iter_mut().for_each(|some| some.at -= unwitnessed as i64);
                }
            }
        }
        self.clock += passed;
        self.seen = moment.now;
        self.seen_wall = moment.wall;
        if !same_line {
            self.timeline = moment.timeline.to_owned();
        }
        by_store - passed
    }
}

/// From one wall time to another; 0 where the other is not later.
pub(super) fn span(from: WallNanos, to: WallNanos) -> Nanos {
    Nanos::try_from(to.saturating_sub(from)).unwrap_or(0)
}
