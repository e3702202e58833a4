//! A throttler used after `os.fork` works on, and counts on its own.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::wait::{Throttler, WeakThrottler};

/// Every throttler that Python made. Locked only by a thread that has the interpreter, as every throttler is.
static THROTTLERS: Mutex<Vec<(u64, WeakThrottler)>> = Mutex::new(Vec::new());

/// The number of the next throttler.
static NEXT: AtomicU64 = AtomicU64::new(1);

pub fn register(throttler: &Throttler) {
    let mut throttlers = THROTTLERS.lock();
    if throttlers.len() == throttlers.capacity() {
        throttlers.retain(|(_, other)| other.upgrade().is_some());
    }
    throttlers.push((NEXT.fetch_add(1, Ordering::Relaxed), throttler.downgrade()));
}

/// Whether any throttler was made yet.
#[cfg(unix)]
pub fn has_any() -> bool {
    NEXT.load(Ordering::Relaxed) > 1
}

/// All throttlers that are in use, with their numbers, in the order in which they were made.
pub fn live() -> Vec<(u64, Throttler)> {
    let upgraded = |(number, throttler): &(u64, WeakThrottler)| Some((*number, throttler.upgrade()?));
    THROTTLERS.lock().iter().filter_map(upgraded).collect()
}

#[pyfunction]
fn after_fork_in_child() {
    super::at_exit::forget_others();
    let throttlers: Vec<Throttler> = match THROTTLERS.try_lock() {
        Some(throttlers) => throttlers.iter().filter_map(|(_, throttler)| throttler.upgrade()).collect(),
        None => return,
    };
    // First all of them, then what runs code of others.
    let rest: Vec<_> = throttlers.iter().filter_map(Throttler::start_anew).collect();
    rest.into_iter().for_each(|rest| rest());
}

pub fn install(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    // Windows has no fork.
    let Some(register) = os.getattr_opt("register_at_fork")? else { return Ok(()) };
    let hooks = PyDict::new(py);
    hooks.set_item("after_in_child", wrap_pyfunction!(after_fork_in_child, py)?)?;
    register.call((), Some(&hooks))?;
    Ok(())
}
