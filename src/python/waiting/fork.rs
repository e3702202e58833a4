//! A throttler used after `os.fork` works on, and counts on its own.

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::wait::{Throttler, WeakThrottler};

/// Every throttler that Python made. Locked only by a thread that has the interpreter, as every throttler is.
static THROTTLERS: Mutex<Vec<WeakThrottler>> = Mutex::new(Vec::new());

pub fn register(throttler: &Throttler) {
    let mut throttlers = THROTTLERS.lock();
    if throttlers.len() == throttlers.capacity() {
        throttlers.retain(|other| other.upgrade().is_some());
    }
    throttlers.push(throttler.downgrade());
}

#[pyfunction]
fn after_fork_in_child() {
    super::at_exit::forget_others();
    let throttlers: Vec<Throttler> = match THROTTLERS.try_lock() {
        Some(throttlers) => throttlers.iter().filter_map(WeakThrottler::upgrade).collect(),
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
