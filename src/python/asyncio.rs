//! The module `asyncio`, if the program uses it.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::once::{Once, intern};

/// `asyncio`, if it is imported: without it, no event loop runs.
///
/// It is not imported for this. That would take long, and a process that forks meanwhile would have a child in which the
/// import never ends.
pub(super) fn asyncio(py: Python<'_>) -> PyResult<Option<&Bound<'_, PyAny>>> {
    static ASYNCIO: Once<Py<PyAny>> = Once::new();
    if let Some(asyncio) = ASYNCIO.get(py) {
        return Ok(Some(asyncio.bind(py)));
    }
    let modules = py.import("sys")?.getattr(intern!(py, "modules"))?.cast_into::<PyDict>()?;
    let Some(asyncio) = modules.get_item(intern!(py, "asyncio"))? else { return Ok(None) };
    if asyncio.getattr_opt(intern!(py, "current_task"))?.is_none() {
        return Ok(None); // it is being imported just now
    }
    Ok(Some(ASYNCIO.get_or_try_init(py, || Ok(asyncio.unbind()))?.bind(py)))
}
