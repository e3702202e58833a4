//! What a request holds while its block runs: its units, and the pass that gives them back.

use std::sync::Arc;

use crate::gate::{self, Rank};

use super::epoch::Epoch;
use super::route::Route;
use super::throttler::Throttler;

/// What one request takes, once it has entered: in flight until [`Throttler::leave`].
#[derive(Clone, Debug)]
pub(crate) struct HeldUnits {
    pub route: Arc<gate::Route>,
    pub units: u64,
    /// The class of the request.
    pub rank: Rank,
    /// What was taken in an earlier epoch was settled with it, and is not given back: see `Shared::epoch`.
    pub epoch: Epoch,
    /// Others may have to wait for its answer: see `Gate::is_tight`.
    pub is_tight: bool,
}

impl HeldUnits {
    /// What a request is about to take, of this class, or of that which the table has for it.
    pub fn new(route: &Arc<gate::Route>, units: u64, rank: Option<Rank>) -> Self {
        let rank = rank.unwrap_or(route.rank);
        Self { route: route.of_rank(rank).clone(), units, rank, epoch: Epoch::default(), is_tight: false }
    }
}

/// Leave to send one request. Dropping it says that the request was answered (or failed): from then on its units stay
/// in the window for one interval.
#[derive(Debug)]
#[must_use = "dropping the pass says that the request is over"]
pub struct Pass(pub(super) Inside);

#[derive(Debug)]
pub(super) enum Inside {
    /// Entered at once, by a route that was looked up before: one reference is all that there is to count.
    Known {
        route: Route,
        units: u64,
        epoch: Epoch,
    },
    Held {
        throttler: Throttler,
        held: HeldUnits,
    },
}

impl Pass {
    pub(crate) fn new(throttler: Throttler, held: HeldUnits) -> Self {
        Self(Inside::Held { throttler, held })
    }

    #[inline]
    pub(super) fn known(route: Route, units: u64, epoch: Epoch) -> Self {
        Self(Inside::Known { route, units, epoch })
    }
}

impl Drop for Pass {
    #[inline]
    fn drop(&mut self) {
        match &self.0 {
            Inside::Known { route, units, epoch } => route.leave(*units, *epoch),
            Inside::Held { throttler, held: HeldUnits { route, units, epoch, .. } } => {
                throttler.leave(route, *units, *epoch);
            }
        }
    }
}
