//! How a Python thread waits: on a lock of the interpreter's own, so that the interpreter is released meanwhile and
//! Ctrl-C still works, without polling.

use std::sync::Arc;
use std::task::{Wake, Waker};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::clock::Nanos;
use crate::wait::{Charge, Entry, Station, Throttler, Turn};

use super::{seconds, undisturbed};

/// A Python lock that is held while its thread has nothing to wake for.
struct Bell(Py<PyAny>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        undisturbed(|py| match self.0.call_method0(py, pyo3::intern!(py, "release")) {
            // It rings already: the thread has not been back to look since.
            Err(error) if error.is_instance_of::<PyRuntimeError>(py) => Ok(()),
            rung => rung.map(drop),
        });
    }
}

/// The longest that a Python lock waits at a time; it is asked again after that.
const LONGEST: f64 = 1e6;

fn new_lock(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static ALLOCATE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    ALLOCATE.import(py, "_thread", "allocate_lock")?.call0()
}

/// Enters, or waits for the turn in this thread.
pub(crate) fn enter(
    py: Python<'_>,
    throttler: &Throttler,
    mut charge: Charge,
    timeout: Option<Nanos>,
) -> PyResult<Charge> {
    let acquire = pyo3::intern!(py, "acquire");
    let lock = new_lock(py)?;
    lock.call_method0(acquire)?;
    let bell = Waker::from(Arc::new(Bell(lock.clone().unbind())));
    match throttler.enter(&mut charge, timeout, || Turn::new(Station::Threads, bell))? {
        Entry::Entered => Ok(charge),
        Entry::Waiting(ticket) => throttler.wait(&ticket, |span: Option<Nanos>| {
            let timeout = span.map_or(-1.0, |span| seconds(span).min(LONGEST));
            lock.call_method1(acquire, (true, timeout)).map(drop)
        }),
    }
}
