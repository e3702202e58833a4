//! What a request holds while its block runs.

use std::sync::Arc;

use crate::gate::Route;

use super::throttler::Throttler;

/// What one request takes, once it has entered: in flight until [`Throttler::leave`].
#[derive(Clone, Debug)]
pub(crate) struct Charge {
    pub route: Arc<Route>,
    pub units: u64,
    /// What was taken in an earlier epoch was settled with it, and is not given back: see `State::epoch`.
    pub epoch: u32,
    /// Others may have to wait for its answer: see `Gate::is_tight`.
    pub is_tight: bool,
}

impl Charge {
    /// What a request is about to take.
    pub fn new(route: Arc<Route>, units: u64) -> Self {
        Self { route, units, epoch: 0, is_tight: false }
    }
}

/// Leave to send one request. Dropping it says that the request was answered (or failed): from then on its units stay
/// in the window for one interval.
#[derive(Debug)]
#[must_use = "dropping the pass says that the request is over"]
pub struct Pass {
    throttler: Throttler,
    charge: Charge,
}

impl Pass {
    pub(crate) fn new(throttler: Throttler, charge: Charge) -> Self {
        Self { throttler, charge }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let Charge { route, units, epoch, .. } = &self.charge;
        self.throttler.leave(route, *units, *epoch);
    }
}
