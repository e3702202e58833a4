//! Every cache of this process, for those who show what caches have done. None is kept alive by it.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyWeakrefMethods, PyWeakrefReference};

use super::Cache;

static CACHES: Mutex<Vec<(u64, Py<PyWeakrefReference>)>> = Mutex::new(Vec::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What one cache has done.
pub(in crate::python) struct CacheReport {
    pub name: String,
    pub entries: usize,
    pub counts: [(&'static str, u64); 8],
    /// Seconds spent in loaders.
    pub load_time: f64,
}

/// To be called once for each cache.
pub(super) fn remember(cache: &Bound<'_, Cache>) -> PyResult<()> {
    let (py, number) = (cache.py(), NEXT.fetch_add(1, Ordering::Relaxed));
    let weak = PyWeakrefReference::new(cache.as_any())?.unbind();
    let mut caches = CACHES.lock();
    if caches.len() == caches.capacity() {
        caches.retain(|(_, other)| other.bind(py).upgrade().is_some());
    }
    caches.push((number, weak));
    Ok(())
}

/// What all caches have done that are not hidden.
pub(in crate::python) fn reports(py: Python<'_>) -> Vec<CacheReport> {
    // Who is dropped meanwhile may run code that makes another cache.
    let alive: Vec<(u64, Bound<'_, PyAny>)> = {
        let caches = CACHES.lock();
        caches.iter().filter_map(|(number, weak)| Some((*number, weak.bind(py).upgrade()?))).collect()
    };
    alive.iter().filter_map(|(number, cache)| report(*number, cache)).collect()
}

fn report(number: u64, cache: &Bound<'_, PyAny>) -> Option<CacheReport> {
    let py = cache.py();
    let name = name_of(number, cache).unwrap_or(None)?;
    let cache = cache.cast::<Cache>().ok()?;
    let (entries, counts, loads) = (cache.get())
        .with(|contents| (contents.store.len(), contents.store.counts, contents.loads))
        .inspect_err(|error| drop(error.clone_ref(py)))
        .ok()?;
    let counts = [
        ("hits", counts.hits),
        ("misses", counts.misses),
        ("evictions", counts.evictions),
        ("expirations", counts.expirations),
        ("loads", loads.loads),
        ("errors", loads.errors),
        ("joined", loads.joined),
        ("refreshes", loads.refreshes),
    ];
    Some(CacheReport { name, entries, counts, load_time: loads.load_time })
}

/// What a cache is called: as its attribute `_meter_name` says, or by its class and its number. `None`: it is hidden.
fn name_of(number: u64, cache: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    let class = cache.get_type().name()?.to_string();
    let own = cache.getattr("__dict__")?;
    let given = own.cast::<PyDict>()?.get_item("_meter_name")?;
    let Some(given) = given else { return Ok(Some(format!("{class}-{number}"))) };
    let given = given.cast_into::<PyString>()?.to_string();
    Ok((!given.is_empty()).then_some(given))
}
