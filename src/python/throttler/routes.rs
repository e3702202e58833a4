//! Routes by id, looked up in the table once: a dictionary in front of it.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::error::Error;
use crate::gate::{Rank, Route};
use crate::python::waiting::Loops;
use crate::wait::Throttler;

use crate::python::numbers;

/// A route, and where its requests wait.
#[pyclass(frozen)]
pub struct RouteHandle {
    /// That of all classes, and that of the class of its requests.
    base: Arc<Route>,
    pub(crate) route: Arc<Route>,
    pub throttler: Throttler,
    pub loops: Arc<Loops>,
}

impl RouteHandle {
    /// That of requests of another class for the same id.
    #[inline]
    pub(crate) fn of_rank<'py>(handle: Bound<'py, Self>, rank: Option<Rank>) -> PyResult<Bound<'py, Self>> {
        match rank {
            Some(rank) => Self::of_named_rank(handle, rank),
            None => Ok(handle),
        }
    }

    #[inline(never)]
    fn of_named_rank<'py>(handle: Bound<'py, Self>, rank: Rank) -> PyResult<Bound<'py, Self>> {
        let Self { base, route: own, throttler, loops } = handle.get();
        let route = base.of_rank(rank);
        if Arc::ptr_eq(route, own) {
            return Ok(handle);
        }
        let (base, throttler, loops) = (base.clone(), throttler.clone(), loops.clone());
        Bound::new(handle.py(), Self { base, route: route.clone(), throttler, loops })
    }
}

/// id → `RouteHandle`, with the hash that Python keeps in each `str`.
pub struct Routes(Py<PyDict>);

impl Routes {
    pub fn new(py: Python<'_>) -> Self {
        Self(PyDict::new(py).unbind())
    }

    /// The table has changed: every id is looked up anew.
    pub fn clear(&self, py: Python<'_>) {
        self.0.bind(py).clear();
    }

    /// The route of an id. `whose` is asked for the throttler only if the id is not known yet.
    #[inline]
    pub fn get<'py, 'a>(
        &self,
        limit_id: &Bound<'py, PyAny>,
        whose: impl FnOnce() -> PyResult<(&'a Throttler, &'a Arc<Loops>)>,
    ) -> PyResult<Bound<'py, RouteHandle>> {
        // Only a str may reach the dict: the hash and equality of anything else run code of its own.
        let Ok(id) = limit_id.cast_exact::<PyString>() else { return look_up_subclass(limit_id, whose()?) };
        let routes = self.0.bind(limit_id.py());
        if let Some(handle) = routes.get_item(id)? {
            return Ok(handle.cast_into::<RouteHandle>()?);
        }
        let handle = look_up(id, whose()?)?;
        routes.set_item(id, &handle)?;
        Ok(handle)
    }
}

#[cold]
fn look_up_subclass<'py>(
    limit_id: &Bound<'py, PyAny>,
    whose: (&Throttler, &Arc<Loops>),
) -> PyResult<Bound<'py, RouteHandle>> {
    let id = limit_id.cast::<PyString>().map_err(|_| {
        PyTypeError::new_err(format!("limit_id must be a str, not {}", numbers::shown(limit_id)))
    })?;
    look_up(id, whose)
}

fn look_up<'py>(
    id: &Bound<'py, PyString>,
    (throttler, loops): (&Throttler, &Arc<Loops>),
) -> PyResult<Bound<'py, RouteHandle>> {
    // An id that is no valid text is in no table, whatever it looks like.
    let base = match id.to_cow() {
        Ok(id) => throttler.lookup(&id)?,
        Err(_) => {
            let id = id.to_string_lossy().into_owned();
            return Err(Error::UnknownLimit { id, closest: None }.into());
        }
    };
    let route = base.of_rank(base.rank).clone();
    Bound::new(id.py(), RouteHandle { base, route, throttler: throttler.clone(), loops: loops.clone() })
}
