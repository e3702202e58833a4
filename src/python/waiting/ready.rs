//! An awaitable that is over before it begins: for entering where there is nothing to wait for.

use pyo3::exceptions::{PyBaseException, PyStopIteration};
use pyo3::prelude::*;

use crate::python::once::Once;

/// The awaitable of this Python version: see `sluicegate/_waiting.py`.
pub fn ready(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static READY: Once<Py<PyAny>> = Once::new();
    Ok(READY.import(py, "sluicegate._waiting", "READY")?.clone())
}

/// Awaited, it has nothing to do. To asyncio it is a coroutine, so that a task can be made of it.
#[pyclass(module = "sluicegate._core", frozen)]
pub struct Ready;

#[pymethods]
impl Ready {
    #[new]
    fn new() -> Self {
        Self
    }

    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self) -> Option<Py<PyAny>> {
        None
    }

    /// As a coroutine's.
    fn send(&self, _value: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyStopIteration::new_err(()))
    }

    /// As a coroutine's.
    #[pyo3(signature = (exception, value=None, _traceback=None))]
    fn throw(
        &self,
        exception: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        _traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        Err(thrown(exception, value)?)
    }

    /// As a coroutine's.
    fn close(&self) {}
}

/// The exception that is thrown into a coroutine: before Python 3.12 its three parts may come apart.
pub fn thrown(exception: Bound<'_, PyAny>, value: Option<Bound<'_, PyAny>>) -> PyResult<PyErr> {
    Ok(match value.filter(|value| !value.is_none()) {
        Some(value) if value.is_instance_of::<PyBaseException>() => PyErr::from_value(value),
        Some(value) => PyErr::from_value(exception.call1((value,))?),
        None => PyErr::from_value(exception),
    })
}
