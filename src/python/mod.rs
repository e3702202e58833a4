//! The Python module `sluicegate._core`: conversion, and how Python waits. Nothing is decided here.
//!
//! `throttler/` uses `waiting/`, `sharing/` and `meter/`, `hummingbot.rs` uses all of them, and `cache/` none. `meter/` reads
//! what `waiting/` and `cache/` keep.

mod asyncio;
mod cache;
mod errors;
mod hummingbot;
mod meter;
mod numbers;
mod once;
#[cfg(feature = "share")]
mod sharing;
#[cfg(not(feature = "share"))]
#[path = "sharing/without_store.rs"]
mod sharing;
mod throttler;
mod waiting;

use pyo3::prelude::*;

// A fork relies on the interpreter's lock (see `wait/fork.rs`).
#[pymodule(gil_used = true)]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::cache::{Cache, CacheStats, CacheTimer, LruCache, TtlCache};
    #[pymodule_export]
    use super::hummingbot::{HummingbotTask, HummingbotThrottler};
    #[pymodule_export]
    use super::meter::meter_snapshot;
    #[pymodule_export]
    use super::sharing::{
        PyShareMember, PySharedUsage, check_share, hide_password, share_overview, share_visits,
    };
    #[pymodule_export]
    use super::throttler::{
        PyEvent, PyManualClock, PyThrottler, PyUsage, Task, check_link, check_rate_limit, check_timezone,
        parse_period,
    };
    #[pymodule_export]
    use super::waiting::ready::Ready;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::once::install(module.py());
        super::cache::register(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        super::waiting::install(module.py())?;
        // What was registered last is called first: no thread waits any more when the budgets are given back.
        super::sharing::install(module.py())?;
        super::waiting::at_exit::install(module.py())?;
        super::meter::install(module.py())
    }
}

/// The seconds that Python counts in. A span without an end is infinite.
fn seconds(span: crate::clock::Nanos) -> f64 {
    if span == crate::clock::Nanos::MAX {
        return f64::INFINITY;
    }
    std::time::Duration::from_nanos(span).as_secs_f64()
}
