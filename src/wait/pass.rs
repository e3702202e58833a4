//! What a request holds while its block runs.

use std::sync::Arc;

use crate::gate::Route;

use super::throttler::Throttler;

/// The units of one request in flight. Must reach [`Throttler::leave`] or [`Throttler::give_back`] exactly once.
#[derive(Debug)]
pub(crate) struct Charge {
    pub route: Arc<Route>,
    pub units: u64,
    /// The process that took it, counted in forks; a child does not give back what its parent took.
    pub epoch: u32,
}

/// Leave to send one request. Dropping it says that the request was answered (or failed): from then on its units stay
/// in the window for one interval.
#[derive(Debug)]
#[must_use = "dropping the pass says that the request is over"]
pub struct Pass {
    throttler: Throttler,
    charge: Option<Charge>,
}

impl Pass {
    pub(crate) fn new(throttler: Throttler, charge: Charge) -> Self {
        Self { throttler, charge: Some(charge) }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(charge) = self.charge.take() {
            self.throttler.leave(charge);
        }
    }
}
