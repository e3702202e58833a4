//! How often this process has asked its stores, and how long that took: for benchmarks, and for those who wonder.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Nanos, nanos};

static COUNT: AtomicU64 = AtomicU64::new(0);
static WAITED: AtomicU64 = AtomicU64::new(0);
static TOOK: AtomicU64 = AtomicU64::new(0);

/// One visit of a store waited for its turn, and then took so long.
pub(super) fn count(waited: Duration, took: Duration) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    WAITED.fetch_add(nanos(waited), Ordering::Relaxed);
    TOOK.fetch_add(nanos(took), Ordering::Relaxed);
}

/// How many visits there were in this process, of all throttlers, and how long they waited and took together.
pub(crate) fn visits() -> (u64, Nanos, Nanos) {
    (COUNT.load(Ordering::Relaxed), WAITED.load(Ordering::Relaxed), TOOK.load(Ordering::Relaxed))
}
