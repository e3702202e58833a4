//! A throttler used after `os.fork` works on, and counts on its own.

use std::cell::RefCell;

use parking_lot::{Mutex, MutexGuard};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::wait::{Held, Throttler, WeakThrottler};

/// Every throttler that Python made.
static THROTTLERS: Mutex<Vec<WeakThrottler>> = Mutex::new(Vec::new());

/// All locks, held by the thread that forks. Nobody else can hold them in the child then.
struct Locks {
    throttlers: MutexGuard<'static, Vec<WeakThrottler>>,
    held: Vec<Held>,
}

thread_local! {
    static LOCKS: RefCell<Option<Locks>> = const { RefCell::new(None) };
}

pub fn register(throttler: &Throttler) {
    let mut throttlers = THROTTLERS.lock();
    if throttlers.len() == throttlers.capacity() {
        throttlers.retain(|other| other.upgrade().is_some());
    }
    throttlers.push(throttler.downgrade());
}

#[pyfunction]
fn before_fork() {
    let throttlers = THROTTLERS.lock();
    let held =
        throttlers.iter().filter_map(WeakThrottler::upgrade).map(|throttler| throttler.hold()).collect();
    LOCKS.set(Some(Locks { throttlers, held }));
}

#[pyfunction]
fn after_fork_in_parent() {
    drop(LOCKS.take());
}

#[pyfunction]
fn after_fork_in_child() {
    let Some(Locks { throttlers, held }) = LOCKS.take() else { return };
    let dropped_without_a_lock: Vec<_> = held.into_iter().map(Held::start_anew).collect();
    drop(throttlers);
    drop(dropped_without_a_lock);
}

pub fn install(py: Python<'_>) -> PyResult<()> {
    let os = py.import("os")?;
    // Windows has no fork.
    let Some(register) = os.getattr_opt("register_at_fork")? else { return Ok(()) };
    let hooks = PyDict::new(py);
    hooks.set_item("before", wrap_pyfunction!(before_fork, py)?)?;
    hooks.set_item("after_in_parent", wrap_pyfunction!(after_fork_in_parent, py)?)?;
    hooks.set_item("after_in_child", wrap_pyfunction!(after_fork_in_child, py)?)?;
    register.call((), Some(&hooks))?;
    Ok(())
}
