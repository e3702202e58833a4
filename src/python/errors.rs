//! Rust's errors as the exceptions that a Python user expects.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::waiting::at_exit::check_end;
use crate::error::Error;
use crate::python::once::Once;

/// A class of `sluicegate.errors`, looked up once.
struct Class(Once<Py<PyType>>, &'static str);

static UNKNOWN_LIMIT: Class = Class(Once::new(), "UnknownLimitError");
static STORE: Class = Class(Once::new(), "StoreError");
static CLOSED: Class = Class(Once::new(), "ClosedError");
static TIMEOUT: Class = Class(Once::new(), "RateLimitTimeout");

impl Class {
    fn raise(&self, py: Python<'_>, args: impl for<'py> pyo3::call::PyCallArgs<'py>) -> PyErr {
        let class = self.0.import(py, "sluicegate.errors", self.1);
        match class.and_then(|class| class.call1(args)) {
            Ok(exception) => PyErr::from_value(exception),
            Err(error) => error,
        }
    }
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        Python::attach(|py| match error {
            Error::UnknownLimit { id, closest } => UNKNOWN_LIMIT.raise(py, (message, id, closest)),
            Error::Timeout { id, timeout, full_limit, retry_after } => {
                TIMEOUT.raise(py, (message, id, timeout, full_limit, retry_after))
            }
            Error::Store(_) => STORE.raise(py, (message,)),
            // The program's end closes what others use in the background: these end quietly.
            Error::Closed => check_end().err().unwrap_or_else(|| CLOSED.raise(py, (message,))),
            Error::Disagrees(_)
            | Error::UnknownLink { .. }
            | Error::NeverPasses { .. }
            | Error::Invalid { .. } => PyValueError::new_err(message),
        })
    }
}
