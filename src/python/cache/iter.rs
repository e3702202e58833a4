//! Iteration over the keys of a cache that may change meanwhile.

use std::vec;

use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::cache::EntryId;

use super::key::{Key, Query};
use super::time::TimeValue;
use super::timer::Frozen;
use super::{Cache, Contents};

/// Yields the keys of a cache, in the order in which they came.
///
/// For a cache with a clock: those that were there at the first step, if they are still there and
/// have not expired when it is their turn. The time is held still while the body of the loop has
/// the key: what the loop was given does not expire under its hands. For a cache without a clock,
/// the keys must stay the same, as in a dict.
#[pyclass(frozen, module = "sluicegate._core")]
pub(super) struct CacheIterator {
    iteration: Mutex<Option<Iteration>>,
}

struct Iteration {
    cache: Py<Cache>,
    stage: Stage,
    frozen: Option<Frozen>,
}

enum Stage {
    /// Not begun.
    Start,
    /// With a clock: the keys to come.
    Keys(vec::IntoIter<Seen>),
    /// Without one: the last key, and the store's shape when the iteration began.
    Walk { last: Option<EntryId>, shape: u64 },
}

/// A key that was there at the first step.
struct Seen {
    id: EntryId,
    key: Key,
    hash: u64,
}

impl CacheIterator {
    pub(super) fn new(cache: &Bound<'_, Cache>) -> Self {
        let iteration = Iteration { cache: cache.clone().unbind(), stage: Stage::Start, frozen: None };
        Self { iteration: Mutex::new(Some(iteration)) }
    }
}

impl Iteration {
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
            Stage::Walk { last, shape } => return Self::walk(cache, last, *shape, py),
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
        cache.with(|contents| {
            let store = &contents.store;
            if !cache.timed {
                return Stage::Walk { last: None, shape: store.shape() };
            }
            let seen = |id| {
                let (hash, entry) = store.entry_of(id)?;
                Some(Seen { id, key: entry.key.clone_ref(py), hash })
            };
            let keys: Vec<Seen> = store.ids().into_iter().filter_map(seen).collect();
            Stage::Keys(keys.into_iter())
        })
    }

    fn walk<'py>(
        cache: &Cache,
        last: &mut Option<EntryId>,
        shape: u64,
        py: Python<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        cache.with(|contents| {
            if contents.store.shape() != shape {
                return Err(PyRuntimeError::new_err("cache keys changed during iteration"));
            }
            let next = contents.store.next(*last);
            Ok(next.map(|(next, entry)| {
                *last = Some(next);
                entry.key.object.bind(py).clone()
            }))
        })?
    }
}

impl Seen {
    /// When the key expires; nothing if it is gone.
    fn expires(&self, cache: &Cache, py: Python<'_>) -> PyResult<Option<TimeValue>> {
        let there = |contents: &mut Contents| {
            contents.store.entry_of(self.id).map(|(_, entry)| entry.expires.clone_ref(py))
        };
        if let Some(expires) = cache.with(there)? {
            return Ok(Some(expires));
        }
        // It may have come again.
        let key = self.key.object.bind(py);
        let query = Query::again(key, &self.key, self.hash);
        cache.run(py, Some(&query), |contents, answers| {
            let slot = contents.store.locate(query.hash, answers)?;
            Ok(slot.and_then(|slot| contents.store.at(slot)).map(|entry| entry.expires.clone_ref(py)))
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
        let taken = self.iteration.lock().take();
        let Some(mut iteration) = taken else {
            return Ok(None);
        };
        let key = iteration.step(py)?;
        if key.is_some() {
            *self.iteration.lock() = Some(iteration);
        }
        Ok(key)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Some(guard) = self.iteration.try_lock() else {
            return Ok(());
        };
        let Some(iteration) = guard.as_ref() else {
            return Ok(());
        };
        visit.call(&iteration.cache)?;
        if let Stage::Keys(keys) = &iteration.stage {
            for seen in keys.as_slice() {
                visit.call(&seen.key.object)?;
            }
        }
        iteration.frozen.as_ref().map_or(Ok(()), |frozen| frozen.visit(&visit))
    }

    fn __clear__(&self) {
        let iteration = self.iteration.lock().take();
        drop(iteration);
    }
}
