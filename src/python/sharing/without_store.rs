//! What Python sees of a build without a store: it can share nothing, and says so.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::clock::Clock;
use crate::error::Error;
use crate::gate::Options;
use crate::limit::RateLimit;
use crate::wait::Throttler;

pub struct Share;

fn no_store() -> PyErr {
    PyValueError::new_err(
        "this build of sluicegate has no store, and can share nothing: leave out share, or build it with the \
         feature \"sqlite\" or \"redis\"",
    )
}

pub fn read(_share: &Bound<'_, PyAny>) -> PyResult<Share> {
    Err(no_store())
}

pub fn throttler(
    _py: Python<'_>,
    _table: &[RateLimit],
    _options: Options,
    _share: Share,
    _clock: Clock,
) -> PyResult<Throttler> {
    Err(no_store())
}

pub fn close(_py: Python<'_>, _throttler: &Throttler, _timeout: Duration) -> bool {
    true
}

/// How much of a limit all processes use that share it: here, nothing is shared.
#[pyclass(name = "SharedUsage", module = "sluicegate", frozen)]
#[derive(Clone)]
pub struct PySharedUsage;

/// One process's part of a shared limit: here, nothing is shared.
#[pyclass(name = "ShareMember", module = "sluicegate", frozen)]
pub struct PyShareMember;

pub fn shared_usage(
    _py: Python<'_>,
    _throttler: &Throttler,
    _id: &str,
) -> Result<Option<PySharedUsage>, Error> {
    Ok(None)
}

#[pyfunction]
pub fn check_share(_share: &Bound<'_, PyAny>) -> PyResult<()> {
    Err(no_store())
}

#[pyfunction]
pub fn hide_password(url: &str) -> &str {
    url.split_once("://").map_or("***", |(scheme, _)| scheme)
}

#[pyfunction]
pub fn share_overview<'py>(_py: Python<'py>, _url: &str) -> PyResult<Bound<'py, PyList>> {
    Err(no_store())
}

#[pyfunction]
pub fn share_visits() -> (u64, f64, f64) {
    (0, 0.0, 0.0)
}

pub fn install(_py: Python<'_>) -> PyResult<()> {
    Ok(())
}
