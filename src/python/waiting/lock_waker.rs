//! Waking a thread that waits: a Python lock that it waits on is released.

use std::sync::Arc;
use std::task::Wake;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::clock::Nanos;
use crate::python::once::{Once, intern};
use crate::python::seconds;

use super::undisturbed::undisturbed;

/// The longest that a Python lock waits at a time; it is asked again after that.
const LONGEST: f64 = 1e6;

/// A Python lock that is held while its thread has nothing to wake for.
pub(super) struct LockWaker(Py<PyAny>);

impl LockWaker {
    pub(super) fn new(py: Python<'_>) -> PyResult<Arc<Self>> {
        static ALLOCATE: Once<Py<PyAny>> = Once::new();
        let lock = ALLOCATE.import(py, "_thread", "allocate_lock")?.call0()?;
        lock.call_method0(intern!(py, "acquire"))?;
        Ok(Arc::new(Self(lock.unbind())))
    }

    /// Waits until it is woken, or for that long. The interpreter is released meanwhile.
    pub(super) fn wait(&self, py: Python<'_>, span: Option<Nanos>) -> PyResult<()> {
        let timeout = span.map_or(-1.0, |span| seconds(span).min(LONGEST));
        self.0.call_method1(py, intern!(py, "acquire"), (true, timeout)).map(drop)
    }

    pub(super) fn release(&self, py: Python<'_>) -> PyResult<()> {
        match self.0.call_method0(py, intern!(py, "release")) {
            // It is released already: the thread has not been back to look since.
            Err(error) if error.is_instance_of::<PyRuntimeError>(py) => Ok(()),
            released => released.map(drop),
        }
    }
}

impl Wake for LockWaker {
    fn wake(self: Arc<Self>) {
        undisturbed(|py| self.release(py));
    }
}
