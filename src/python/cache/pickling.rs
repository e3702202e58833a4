//! Copies of a cache, and what is pickled of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::cache::Store;
use crate::python::once::intern;

use super::arguments::span;
use super::key::Query;
use super::number::{number, number_to_object};
use super::stats::LoadCounts;
use super::time::TimeValue;
use super::timer::CacheTimer;
use super::{Cache, CacheEntry, Contents};

/// The name under which the pickled state of a cache is kept among the attributes of its instance.
const STATE: &str = "_sluicegate_cache";

/// A cache of the same class with the same attributes and entries; its `__init__` is not called.
pub(super) fn copy<'py>(slf: &Bound<'py, Cache>) -> PyResult<Bound<'py, PyAny>> {
    let (this, py) = (slf.get(), slf.py());
    let class = slf.get_type();
    let copy = class.call_method1(intern!(py, "__new__"), (&class,))?;
    let attributes = copy.getattr(intern!(py, "__dict__"))?;
    attributes.call_method1(intern!(py, "update"), (slf.getattr(intern!(py, "__dict__"))?,))?;
    let copied = copy.cast::<Cache>()?.get();
    let timer = this.with(|contents| {
        let timer = contents.timer.as_ref();
        timer.map(|timer| timer.get().function(py))
    })?;
    let timer = match timer {
        Some(timer) => Some(Py::new(py, CacheTimer::counted(py, timer, Arc::clone(&copied.frozen))?)?),
        None => None,
    };
    let (entries, by_birth, by_use) = this.snapshot(py)?;
    let mut hashed = Vec::with_capacity(entries.len());
    for entry in entries {
        hashed.push((Query::new(entry.key.object.bind(py))?.hash, entry));
    }
    let contents = this.with(|contents| {
        let mut store = Store::new(contents.store.limit(), timer.is_some());
        store.restore(hashed, &by_birth, &by_use);
        Contents {
            store,
            loads: LoadCounts::default(),
            maxsize: contents.maxsize.clone_ref(py),
            ttl: contents.ttl.clone_ref(py),
            span: contents.span,
            timer,
        }
    })?;
    copied.put(contents, this.sized.load(Ordering::Relaxed));
    Ok(copy)
}

/// The attributes, and under a name of its own what the cache holds.
pub(super) fn get_state<'py>(slf: &Bound<'py, Cache>) -> PyResult<Bound<'py, PyDict>> {
    let (this, py) = (slf.get(), slf.py());
    let (entries, by_birth, by_use) = this.snapshot(py)?;
    let items = PyList::empty(py);
    for entry in entries {
        items.append((
            entry.key.object,
            entry.value,
            entry.expires.to_object(py)?,
            number_to_object(entry.size, py),
        ))?;
    }
    let (maxsize, ttl, timer) = this.with(|contents| {
        let timer = contents.timer.as_ref().and_then(|timer| timer.get().function(py));
        (contents.maxsize.clone_ref(py), contents.ttl.clone_ref(py), timer)
    })?;
    let held = PyDict::new(py);
    held.set_item("maxsize", maxsize)?;
    held.set_item("ttl", ttl.to_object(py)?)?;
    held.set_item("timer", timer)?;
    held.set_item("sized", this.sized.load(Ordering::Relaxed))?;
    held.set_item("items", items)?;
    held.set_item("by_birth", by_birth)?;
    held.set_item("by_use", by_use)?;
    let state = slf.getattr(intern!(py, "__dict__"))?.cast::<PyDict>()?.copy()?;
    state.set_item(STATE, held)?;
    Ok(state)
}

/// Takes over what [`get_state`] gave.
pub(super) fn set_state(slf: &Bound<'_, Cache>, state: &Bound<'_, PyDict>) -> PyResult<()> {
    let (this, py) = (slf.get(), slf.py());
    let state = state.copy()?;
    let Some(held) = state.get_item(STATE)? else {
        return Err(PyValueError::new_err("this is not the state of a sluicegate cache"));
    };
    state.del_item(STATE)?;
    slf.getattr(intern!(py, "__dict__"))?.call_method1(intern!(py, "update"), (state,))?;
    let maxsize = held.get_item("maxsize")?;
    let timer = match this.timed {
        true => Some(Py::new(
            py,
            CacheTimer::counted(py, held.get_item("timer")?.extract()?, Arc::clone(&this.frozen))?,
        )?),
        false => None,
    };
    let mut entries = Vec::new();
    for item in held.get_item("items")?.try_iter()? {
        let (key, value, expires, size): (Bound<'_, PyAny>, Py<PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>) =
            item?.extract()?;
        let query = Query::new(&key)?;
        let expires = TimeValue::new(&expires);
        let size = number(&size, "size")?;
        entries.push((query.hash, CacheEntry { key: query.to_key(), value, expires, size }));
    }
    let mut store = Store::new(number(&maxsize, "maxsize")?, this.timed);
    let by_birth: Vec<usize> = held.get_item("by_birth")?.extract()?;
    let by_use: Vec<usize> = held.get_item("by_use")?.extract()?;
    store.restore(entries, &by_birth, &by_use);
    let ttl = TimeValue::new(&held.get_item("ttl")?);
    let sized = held.get_item("sized")?.extract()?;
    this.put(
        Contents {
            store,
            loads: LoadCounts::default(),
            maxsize: maxsize.unbind(),
            span: span(&ttl),
            ttl,
            timer,
        },
        sized,
    );
    let frozen = this.freeze(py)?;
    Cache::settle(slf, frozen.as_ref())
}

impl Cache {
    /// A copy of what is stored, oldest first, and the two other orders.
    pub(super) fn snapshot(&self, py: Python<'_>) -> PyResult<(Vec<CacheEntry>, Vec<usize>, Vec<usize>)> {
        self.with(|contents| {
            let entries = contents.store.by_age().map(|entry| clone_entry(entry, py)).collect();
            (entries, contents.store.by_birth(), contents.store.by_use())
        })
    }
}

fn clone_entry(entry: &CacheEntry, py: Python<'_>) -> CacheEntry {
    CacheEntry {
        key: entry.key.clone_ref(py),
        value: entry.value.clone_ref(py),
        expires: entry.expires.clone_ref(py),
        size: entry.size,
    }
}
