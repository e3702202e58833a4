//! Iteration over the keys of a cache that may change meanwhile.

use std::vec;

use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::cache::Cache;
use super::cache_key::{Key, Query};
use super::cache_time::{Frozen, Moment};
use crate::cache::Place;

/// Yields the keys of a cache, in the order in which they came.
///
/// For a cache with a clock: those that were there at the first step, if they are still there and
/// have not expired when it is their turn. The time is held still while the body of the loop has
/// the key: what the loop was given does not expire under its hands. For a cache without a clock,
/// the keys must stay the same, as in a dict.
#[pyclass(frozen, module = "sluicegate._core")]
pub(super) struct CacheIterator {
    course: Mutex<Option<Course>>,
}

struct Course {
    cache: Py<Cache>,
    stage: Stage,
    frozen: Option<Frozen>,
}

enum Stage {
    /// Not begun.
    Start,
    /// With a clock: the keys to come.
    Keys(vec::IntoIter<Seen>),
    /// Without one: the last place, and the store's shape when the iteration began.
    Walk { place: Option<Place>, shape: u64 },
}

/// A key that was there at the first step.
struct Seen {
    place: Place,
    key: Key,
    hash: u64,
}

impl CacheIterator {
    pub(super) fn new(cache: &Bound<'_, Cache>) -> Self {
        let course = Course { cache: cache.clone().unbind(), stage: Stage::Start, frozen: None };
        Self { course: Mutex::new(Some(course)) }
    }
}

impl Course {
    fn step<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let cache = self.cache.bind(py).clone();
        let cache = cache.get();
        drop(self.frozen.take());
        if let Stage::Start = self.stage {
            self.stage = Self::begin(cache, py)?;
        }
        let keys = match &mut self.stage {
            Stage::Start => return Ok(None),
            Stage::Keys(keys) => keys,
            Stage::Walk { place, shape } => return Self::walk(cache, place, *shape, py),
        };
        for seen in keys {
            let Some(frozen) = cache.freeze(py)? else {
                return Ok(None);
            };
            let Some(expires) = seen.expires(cache, py)? else {
                continue;
            };
            let alive = match frozen.time.before(&expires) {
                Some(alive) => alive,
                None => frozen.time.to_object(py)?.lt(expires.to_object(py)?)?,
            };
            if alive {
                self.frozen = Some(frozen);
                return Ok(Some(seen.key.object.into_bound(py)));
            }
        }
        Ok(None)
    }

    fn begin(cache: &Cache, py: Python<'_>) -> PyResult<Stage> {
        cache.with(|state| {
            let store = &state.store;
            if !cache.is_timed() {
                return Stage::Walk { place: None, shape: store.shape() };
            }
            let seen = |place| {
                let (hash, entry) = store.still(place)?;
                Some(Seen { place, key: entry.key.clone_ref(py), hash })
            };
            let keys: Vec<Seen> = store.places().into_iter().filter_map(seen).collect();
            Stage::Keys(keys.into_iter())
        })
    }

    fn walk<'py>(
        cache: &Cache,
        place: &mut Option<Place>,
        shape: u64,
        py: Python<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        cache.with(|state| {
            if state.store.shape() != shape {
                return Err(PyRuntimeError::new_err("cache keys changed during iteration"));
            }
            let next = state.store.next(*place);
            Ok(next.map(|(next, entry)| {
                *place = Some(next);
                entry.key.object.bind(py).clone()
            }))
        })?
    }
}

impl Seen {
    /// When the key's time is over; nothing if it is gone.
    fn expires(&self, cache: &Cache, py: Python<'_>) -> PyResult<Option<Moment>> {
        let still = |state: &mut super::cache::State| {
            state.store.still(self.place).map(|(_, entry)| entry.expires.clone_ref(py))
        };
        if let Some(expires) = cache.with(still)? {
            return Ok(Some(expires));
        }
        // It may have come again.
        let key = self.key.object.bind(py);
        let query = Query::again(key, &self.key, self.hash);
        cache.run(py, Some(&query), |state, oracle| {
            let slot = state.store.locate(query.hash, oracle)?;
            Ok(slot.and_then(|slot| state.store.at(slot)).map(|entry| entry.expires.clone_ref(py)))
        })
    }
}

#[pymethods]
impl CacheIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        // Taken out while it is used: nothing is locked when Python code runs.
        let taken = self.course.lock().take();
        let Some(mut course) = taken else {
            return Ok(None);
        };
        let key = course.step(py)?;
        if key.is_some() {
            *self.course.lock() = Some(course);
        }
        Ok(key)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Some(guard) = self.course.try_lock() else {
            return Ok(());
        };
        let Some(course) = guard.as_ref() else {
            return Ok(());
        };
        visit.call(&course.cache)?;
        if let Stage::Keys(keys) = &course.stage {
            for seen in keys.as_slice() {
                visit.call(&seen.key.object)?;
            }
        }
        course.frozen.as_ref().map_or(Ok(()), |frozen| frozen.visit(&visit))
    }

    fn __clear__(&self) {
        let course = self.course.lock().take();
        drop(course);
    }
}
