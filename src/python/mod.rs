//! The Python module `sluicegate._core`: conversion, and how Python waits. Nothing is decided here.

mod asyncio;
mod clock;
mod errors;
mod fork;
mod numbers;
mod period;
mod table;
mod task;
mod threads;
mod throttler;
mod usage;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::clock::PyManualClock;
    #[pymodule_export]
    use super::period::{check_timezone, parse_period};
    #[pymodule_export]
    use super::task::Task;
    #[pymodule_export]
    use super::throttler::PyThrottler;
    #[pymodule_export]
    use super::usage::PyUsage;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        super::fork::install(module.py())
    }
}

/// The seconds that Python counts in.
fn seconds(span: crate::clock::Nanos) -> f64 {
    std::time::Duration::from_nanos(span).as_secs_f64()
}
