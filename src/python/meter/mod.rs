//! What `sluicegate top` sees of this process: a socket in the user's own folder, and who answers there.
//!
//! Nobody polls, and nothing is written while nobody asks: one thread sleeps in the kernel until somebody connects. Each
//! that connects gets one [`snapshot`], and nothing can be changed. The thread ends before a fork and before the program
//! does, so that it is never copied and never needs an interpreter that is gone.

#[cfg(unix)]
mod folder;
#[cfg(unix)]
mod hooks;
mod json;
#[cfg(unix)]
mod server;
mod snapshot;

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;

pub use self::snapshot::meter_snapshot;

#[cfg(unix)]
pub use self::hooks::install;

/// Where metrics are to be served, if they are.
const METRICS: &str = "SLUICEGATE_METRICS";

/// To be called with each throttler that is made: the first one of a process begins all this.
pub fn offer(py: Python<'_>) {
    static SERVED: AtomicBool = AtomicBool::new(false);
    #[cfg(unix)]
    hooks::offer();
    if SERVED.swap(true, Ordering::Relaxed) {
        return;
    }
    if let Some(place) = std::env::var_os(METRICS).filter(|place| !place.is_empty()) {
        let serving = py.import("sluicegate._meter.serving");
        let begun = serving.and_then(|serving| serving.call_method1("begin", (place,)));
        begun.map_or_else(|error| error.write_unraisable(py, None), drop);
    }
}

#[cfg(not(unix))]
pub fn install(_py: Python<'_>) -> PyResult<()> {
    Ok(())
}
