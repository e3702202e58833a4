//! The classes `TTLCache` and `LRUCache`: how each is made, and where both are registered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};

use crate::cache::Number;
use crate::python::once::{Once, intern};

use super::arguments::Argument;
use super::pending_answers::PendingAnswers;
use super::time::TimeValue;
use super::timer::CacheTimer;
use super::{Cache, Removed};

const DEFAULT_TTL: i64 = 300;

/// A map with room for ``maxsize``, whose entries expire ``ttl`` after they were stored.
///
/// If there is no room for a new entry, the entry that was used least recently is removed. It may
/// be used from several threads at once.
///
/// Args:
///     maxsize: The size for which there is room. The default is 100.
///     ttl: How long an entry lasts: seconds, or anything that can be added to what ``timer``
///         returns. The default is 300.
///     timer: A function that returns the time. The default is a monotonic clock, in seconds,
///         that costs no Python call.
///     getsizeof: A function that returns the size of a value. By default every value has size 1.
///
/// Examples:
///     >>> cache = TTLCache(maxsize=100, ttl=300)
///     >>> cache["BTC/USDT"] = 97000.0
///     >>> cache.get("BTC/USDT"), cache.get("ETH/USDT")
///     (97000.0, None)
#[pyclass(name = "TTLCache", extends = Cache, frozen, subclass, mapping, module = "sluicegate")]
pub(in crate::python) struct TtlCache;

#[pymethods]
impl TtlCache {
    #[new]
    #[classmethod]
    #[pyo3(
        signature = (*_args, **_kwargs),
        text_signature = "(maxsize=100, ttl=300, timer=None, getsizeof=None)"
    )]
    fn __new__(
        cls: &Bound<'_, PyType>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let base = Cache::new(cls, &cls.py().get_type::<Self>(), true)?;
        Ok(PyClassInitializer::from(base).add_subclass(Self))
    }

    #[pyo3(signature = (maxsize=Argument::Omitted, ttl=Argument::Omitted, timer=None, getsizeof=None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        maxsize: Argument<'_>,
        ttl: Argument<'_>,
        timer: Option<Bound<'_, PyAny>>,
        getsizeof: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        if let Some(timer) = timer.as_ref().filter(|timer| !timer.is_callable()) {
            let kind = timer.get_type().name()?;
            return Err(PyTypeError::new_err(format!("timer must be callable, not {kind}")));
        }
        let ttl = match ttl {
            Argument::Given(ttl) => TimeValue::new(&ttl),
            Argument::Omitted => TimeValue::Number(Number::Int(DEFAULT_TTL)),
        };
        let frozen = Arc::clone(&slf.as_super().get().frozen);
        let timer = Py::new(py, CacheTimer::counted(py, timer.map(Bound::unbind), frozen)?)?;
        Cache::initialise(slf.as_super(), maxsize, ttl, Some(timer), getsizeof)
    }

    /// Return the value of `key`, or `default`.
    // Python calls a method of the exact class faster than an inherited one.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Cache::get(slf.as_super(), key, default)
    }

    /// How long the cache's entries last.
    #[getter]
    fn ttl<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.as_super().get().with(|contents| contents.ttl.clone_ref(py))?.to_object(py)
    }

    /// The timer of the cache; `with cache.timer as time:` holds its time still.
    #[getter]
    fn timer(slf: &Bound<'_, Self>) -> PyResult<Option<Py<CacheTimer>>> {
        let py = slf.py();
        slf.as_super().get().with(|contents| contents.timer.as_ref().map(|timer| timer.clone_ref(py)))
    }

    /// Remove the entries that have expired at ``time`` (by default now), and return them.
    #[pyo3(signature = (time=None))]
    fn expire<'py>(slf: &Bound<'py, Self>, time: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyList>> {
        let (this, py) = (slf.as_super().get(), slf.py());
        let mut removed = Removed::new();
        let mut answers = PendingAnswers::new(py, None);
        if let Some(time) = time {
            answers.set_now(TimeValue::new(time));
        }
        this.run_at(&mut answers, py, |contents, answers| {
            answers.now()?;
            contents.store.expire(answers, &mut removed)
        })?;
        PyList::new(py, removed.into_iter().map(|entry| (entry.key.object, entry.value)))
    }
}

/// A map with room for ``maxsize``, from which the least recently used entry is removed.
///
/// That happens if there is no room for a new entry. It may be used from several threads at once.
///
/// Args:
///     maxsize: The size for which there is room. The default is 100.
///     getsizeof: A function that returns the size of a value. By default every value has size 1.
///
/// Examples:
///     >>> cache = LRUCache(maxsize=100)
///     >>> cache["BTC/USDT"] = 97000.0
///     >>> "BTC/USDT" in cache
///     True
#[pyclass(name = "LRUCache", extends = Cache, frozen, subclass, mapping, module = "sluicegate")]
pub(in crate::python) struct LruCache;

#[pymethods]
impl LruCache {
    #[new]
    #[classmethod]
    #[pyo3(
        signature = (*_args, **_kwargs),
        text_signature = "(maxsize=100, getsizeof=None)"
    )]
    fn __new__(
        cls: &Bound<'_, PyType>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let base = Cache::new(cls, &cls.py().get_type::<Self>(), false)?;
        Ok(PyClassInitializer::from(base).add_subclass(Self))
    }

    #[pyo3(signature = (maxsize=Argument::Omitted, getsizeof=None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        maxsize: Argument<'_>,
        getsizeof: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        Cache::initialise(slf.as_super(), maxsize, TimeValue::NEVER, None, getsizeof)
    }

    /// Return the value of `key`, or `default`.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Cache::get(slf.as_super(), key, default)
    }
}

/// Makes the caches known as mappings: `isinstance(cache, MutableMapping)`.
pub(in crate::python) fn register(py: Python<'_>) -> PyResult<()> {
    let mapping = abc(py, "MutableMapping")?;
    mapping.call_method1(intern!(py, "register"), (py.get_type::<Cache>(),))?;
    Ok(())
}

/// Makes the caches known to cachetools, once that is imported: its `cached(cache, info=True)` asks
/// only its own kind for their `maxsize`.
pub(super) fn befriend_cachetools(py: Python<'_>) {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.load(Ordering::Relaxed) {
        return;
    }
    let register = || -> PyResult<bool> {
        let modules = py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?;
        let Some(cachetools) = modules.get_item("cachetools")? else {
            return Ok(false);
        };
        for (name, class) in
            [("TTLCache", py.get_type::<TtlCache>()), ("LRUCache", py.get_type::<LruCache>())]
        {
            cachetools.getattr(name)?.call_method1(intern!(py, "register"), (class,))?;
        }
        Ok(true)
    };
    // A cachetools that is only half imported, or not what it seems, is no reason to fail.
    if register().unwrap_or(false) {
        DONE.store(true, Ordering::Relaxed);
    }
}

/// A class of `collections.abc`.
pub(super) fn abc<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: Once<Py<PyModule>> = Once::new();
    let module = MODULE.get_or_try_init(py, || py.import("collections.abc").map(Bound::unbind))?;
    module.bind(py).getattr(name)
}
