//! How often this process has asked its stores, and how long that took: for benchmarks, and for whoever wonders.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Nanos, nanos};

static COUNT: AtomicU64 = AtomicU64::new(0);
static TIME: AtomicU64 = AtomicU64::new(0);

/// One visit of a store took so long.
pub(super) fn count(time: Duration) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    TIME.fetch_add(nanos(time), Ordering::Relaxed);
}

/// How many visits there were in this process, of all throttlers, and how long they took together.
pub(crate) fn visits() -> (u64, Nanos) {
    (COUNT.load(Ordering::Relaxed), TIME.load(Ordering::Relaxed))
}
