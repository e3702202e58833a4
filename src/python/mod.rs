//! The Python module `sluicegate._core`: conversion, and how Python waits. Nothing is decided here.

mod asyncio;
mod cache;
mod clock;
mod errors;
mod fork;
mod hummingbot;
mod innermost;
mod numbers;
mod period;
mod ready;
mod table;
mod task;
mod threads;
mod throttler;
mod usage;

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

// A fork relies on the interpreter's lock (see `wait/fork.rs`).
#[pymodule(gil_used = true)]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::clock::PyManualClock;
    #[pymodule_export]
    use super::hummingbot::{HummingbotTask, HummingbotThrottler};
    #[pymodule_export]
    use super::period::{check_timezone, parse_period};
    #[pymodule_export]
    use super::ready::Ready;
    #[pymodule_export]
    use super::table::{check_link, check_rate_limit};
    #[pymodule_export]
    use super::task::Task;
    #[pymodule_export]
    use super::throttler::PyThrottler;
    #[pymodule_export]
    use super::usage::PyUsage;

    #[pymodule_export]
    use super::cache::{Cache, CacheStats, CacheTimer, LruCache, TtlCache};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::cache::register(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        super::fork::install(module.py())?;
        super::threads::install(module.py())
    }
}

/// The seconds that Python counts in.
fn seconds(span: crate::clock::Nanos) -> f64 {
    std::time::Duration::from_nanos(span).as_secs_f64()
}

/// Runs Python code that the end of somebody's wait calls for; what it raises is reported, and nothing more.
///
/// That may be anywhere: also while an object is dropped because an exception passes by, and that exception must come
/// through. And a signal may come in between: what its handler raises is no business of whoever waits, so that `f`, which
/// must do no harm when it is run twice, is run again. A process that is shutting down runs nothing any more.
fn undisturbed(f: impl Fn(Python<'_>) -> PyResult<()>) {
    Python::try_attach(|py| {
        let passing_by = PyErr::take(py);
        for _ in 0..3 {
            let Err(error) = f(py) else { break };
            report(py, error);
        }
        if let Some(exception) = passing_by {
            exception.restore(py);
        }
    });
}

/// Reports an error that nobody can be given. Ctrl-C is delivered again, where Python looks for it.
fn report(py: Python<'_>, error: PyErr) {
    let again = error.is_instance_of::<PyKeyboardInterrupt>(py)
        && py.import("_thread").and_then(|thread| thread.call_method0("interrupt_main")).is_ok();
    if !again {
        error.write_unraisable(py, None);
    }
}
