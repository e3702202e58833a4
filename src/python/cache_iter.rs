//! Iteration over the keys of a cache that may change meanwhile.

use std::mem;

use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::cache::Cache;
use super::cache_time::Frozen;
use crate::cache::Cursor;

/// Yields the keys of a cache.
///
/// For a cache with a clock, oldest first, and the time is held still for this thread while the
/// body of the loop has the key: what the loop was given does not expire under its hands. For one
/// without, in the order in which the keys came; and those must stay the same, as in a dict.
#[pyclass(frozen, module = "sluicegate._core")]
pub(super) struct CacheIterator {
    place: Mutex<Option<Place>>,
}

struct Place {
    cache: Py<Cache>,
    cursor: Cursor,
    /// The store's shape when the iteration began.
    shape: Option<u64>,
    frozen: Option<Frozen>,
}

impl CacheIterator {
    pub(super) fn new(cache: &Bound<'_, Cache>) -> Self {
        let place =
            Place { cache: cache.clone().unbind(), cursor: Cursor::default(), shape: None, frozen: None };
        let place = Mutex::new(Some(place));
        Self { place }
    }

    fn step<'py>(place: &mut Place, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let cache = place.cache.bind(py).clone();
        let this = cache.get();
        drop(mem::take(&mut place.frozen));
        if !this.is_timed() {
            let shape = this.with(|state| state.store.shape())?;
            if *place.shape.get_or_insert(shape) != shape {
                return Err(PyRuntimeError::new_err("cache keys changed during iteration"));
            }
        }
        loop {
            let next = this.with(|state| {
                state.store.after(place.cursor).map(|(cursor, entry)| {
                    (cursor, entry.key.object.bind(py).clone(), entry.expires.clone_ref(py))
                })
            })?;
            let Some((cursor, key, expires)) = next else {
                return Ok(None);
            };
            place.cursor = cursor;
            let Some(frozen) = this.freeze(py)? else {
                return Ok(Some(key));
            };
            let alive = match frozen.time.before(&expires) {
                Some(alive) => alive,
                None => frozen.time.to_object(py)?.lt(expires.to_object(py)?)?,
            };
            if alive {
                place.frozen = Some(frozen);
                return Ok(Some(key));
            }
        }
    }
}

#[pymethods]
impl CacheIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        // Taken out while it is used: nothing is locked when Python code runs.
        let taken = self.place.lock().take();
        let Some(mut place) = taken else {
            return Ok(None);
        };
        let key = Self::step(&mut place, py)?;
        if key.is_some() {
            *self.place.lock() = Some(place);
        }
        Ok(key)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Some(guard) = self.place.try_lock() else {
            return Ok(());
        };
        let Some(place) = guard.as_ref() else {
            return Ok(());
        };
        visit.call(&place.cache)?;
        place.frozen.as_ref().map_or(Ok(()), |frozen| frozen.visit(&visit))
    }

    fn __clear__(&self) {
        let place = self.place.lock().take();
        drop(place);
    }
}
