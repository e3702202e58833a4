//! The end of the program: what is held goes back, and no thread of ours runs Python code any more.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::member;

/// How long the end of a program waits for a store that is away, and for what a user's log does.
const PATIENCE: Duration = Duration::from_secs(2);

static ENDING: AtomicBool = AtomicBool::new(false);

/// How many threads of ours run Python code, or are about to look whether they may.
static IN_PYTHON: AtomicUsize = AtomicUsize::new(0);

/// Runs `f`, which needs the interpreter, unless the program ends.
pub(super) fn unless_ending(f: impl FnOnce()) {
    IN_PYTHON.fetch_add(1, Ordering::SeqCst);
    if !ENDING.load(Ordering::SeqCst) {
        f();
    }
    IN_PYTHON.fetch_sub(1, Ordering::SeqCst);
}

pub(super) fn check_end() -> PyResult<()> {
    if ENDING.load(Ordering::SeqCst) {
        return Err(PyRuntimeError::new_err(
            "the program is ending: no throttler can share a budget any more",
        ));
    }
    Ok(())
}

/// Gives back what every shared throttler holds. Each gets ready for its end at once, so that one store that is away
/// does not keep the others.
#[pyfunction]
fn close_shared_throttlers(py: Python<'_>) {
    ENDING.store(true, Ordering::SeqCst);
    py.detach(|| {
        member::end_all(PATIENCE);
        let until = Instant::now() + PATIENCE;
        while IN_PYTHON.load(Ordering::SeqCst) > 0 && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    });
}

/// A child that `multiprocessing` forked ends without `atexit` (before Python 3.13): it has an end of its own. To be
/// called in the child.
pub(super) fn watch_multiprocessing(py: Python<'_>) -> PyResult<()> {
    ENDING.store(false, Ordering::SeqCst);
    IN_PYTHON.store(0, Ordering::SeqCst);
    let modules = py.import("sys")?.getattr("modules")?;
    let util = modules.call_method1("get", ("multiprocessing.util",))?;
    if util.is_none() {
        return Ok(());
    }
    // It forgets its own finalizers first, and then calls those who want to know of the fork.
    let module = py.import("sluicegate._core")?;
    util.call_method1("register_after_fork", (module, wrap_pyfunction!(finalize_with_multiprocessing, py)?))
        .map(drop)
}

#[pyfunction]
fn finalize_with_multiprocessing(py: Python<'_>, _module: &Bound<'_, PyAny>) -> PyResult<()> {
    let options = PyDict::new(py);
    // After all others.
    options.set_item("exitpriority", -1_000_000)?;
    let close = wrap_pyfunction!(close_shared_throttlers, py)?;
    py.import("multiprocessing.util")?.call_method("Finalize", (py.None(), close), Some(&options)).map(drop)
}

/// To be registered before the hook that calls waiting threads out, and so called after it.
pub fn install(py: Python<'_>) -> PyResult<()> {
    let close = wrap_pyfunction!(close_shared_throttlers, py)?;
    py.import("atexit")?.call_method1("register", (close,)).map(drop)
}
