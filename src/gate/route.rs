//! A route: what one request takes, looked up once for each request.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use smallvec::SmallVec;

use super::queue::Rank;

/// Where a limit stands in the gate. A limit and the route of the same id share one number, for good.
pub(crate) type Index = u32;

/// What a request takes from one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Charge {
    pub limit: Index,
    pub weight: u64,
    /// Whether the units are in flight until the request ends; if not, they are stamped when it enters.
    pub held: bool,
}

/// Everything that a request for one id takes, resolved against the table.
#[derive(Debug)]
pub(crate) struct Route {
    pub id: Arc<str>,
    pub index: Index,
    /// Which table this was resolved against; a later one may say otherwise.
    pub version: u32,
    /// Whether it matters when its requests end: some of their units are held until then.
    pub is_held: bool,
    /// Whether the time must be known at which a request enters, also where there is room.
    pub is_timed: bool,
    /// The class of requests that name none.
    pub rank: Rank,
    /// The routes of requests that leave reserves alone: each for those of a larger rank, the largest first.
    pub below: Vec<(Rank, Arc<Route>)>,
    /// What the request took when it entered, where some of that was given back since.
    pub first: Option<Arc<Route>>,
    /// Each limit at most once. A weight of 0 takes nothing, and waits while the limit is paused.
    pub charges: SmallVec<[Charge; 4]>,
    /// How many of its requests have passed. Added to under the lock of the gate alone.
    pub passed: AtomicU64,
}

impl Route {
    /// The id that requests name.
    pub fn id(&self) -> &str {
        &self.id
    }
}
