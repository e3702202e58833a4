//! Closing: what a throttler holds of a shared budget goes back.

use std::time::{Duration, Instant};

use crate::wait::Throttler;

use super::fork;

impl Throttler {
    /// Gives back what this throttler holds of a shared budget, and waits until that is written, for `at_most`. Requests that
    /// wait fail with [`Error::Closed`](crate::Error::Closed), and so do later ones. Does nothing to one that is not shared.
    /// Whether all was given back.
    pub fn close(&self, at_most: Duration) -> bool {
        let seat = fork::guarded(|| {
            let seat = fork::seat_of(self)?;
            self.close_shared(true);
            seat.close();
            Some(seat)
        });
        seat.is_none_or(|seat| seat.wait_for_end(at_most))
    }
}

/// Closes every throttler that is shared, all at once, as the program ends: who waits is left waiting, and hears of
/// nothing. Returns when all is given back and no thread is within a gate or a store, or after `at_most`.
pub(crate) fn end_all(at_most: Duration) {
    let until = Instant::now() + at_most;
    let seats = fork::guarded(fork::seats);
    for seat in &seats {
        fork::guarded(|| {
            if let Some(throttler) = seat.throttler.upgrade() {
                throttler.close_shared(false);
            }
            seat.close();
        });
    }
    for seat in &seats {
        seat.wait_for_end(until.saturating_duration_since(Instant::now()));
    }
    fork::wait_until_outside(until);
}
