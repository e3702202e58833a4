//! Closing: what a throttler holds of a shared budget goes back.

use std::time::Duration;

use crate::wait::Throttler;

use super::fork;

impl Throttler {
    /// Gives back what this throttler holds of a shared budget, and waits until that is written, for `at_most`. Requests that
    /// wait fail with [`Error::Closed`](crate::Error::Closed), and so do later ones. Does nothing to one that is not shared.
    /// Whether all was given back.
    pub fn close(&self, at_most: Duration) -> bool {
        let Some(seat) = fork::seat_of(self) else { return true };
        self.close_shared();
        seat.close();
        seat.wait_for_end(at_most)
    }
}
