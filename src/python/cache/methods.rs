//! The methods that both caches have.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::cache::{Found, Store};
use crate::python::once::intern;

use super::arguments::Argument;
use super::classes::abc;
use super::iter::CacheIterator;
use super::key::Query;
use super::number::{number, number_to_object};
use super::overrides::unless_gone;
use super::stats::CacheStats;
use super::{Cache, Removed, pickling};

/// A value, the time it has left, and its stamp.
type LiveEntry<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, u64);

#[pymethods]
impl Cache {
    #[inline]
    fn __getitem__<'py>(slf: &Bound<'py, Self>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        // Asking for an expired entry counts as using it, as in cachetools.
        let found = slf.get().read(key, true)?;
        found.map_or_else(|| Self::missing(slf, key), Ok)
    }

    fn __setitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        Self::write(slf, &Query::new(key)?, value)
    }

    fn __delitem__(slf: &Bound<'_, Self>, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let query = Query::new(key)?;
        let (entry, alive) = slf.get().run(slf.py(), Some(&query), |contents, answers| {
            Ok(match contents.store.find(query.hash, answers)? {
                Found::Live(slot) => (contents.store.remove(slot), true),
                Found::Expired(slot) => {
                    contents.store.counts.expirations += 1;
                    (contents.store.remove(slot), false)
                }
                Found::Absent => (None, false),
            })
        })?;
        drop(entry);
        if alive { Ok(()) } else { Err(slf.get().key_error(key)) }
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let query = Query::new(key)?;
        self.run(key.py(), Some(&query), |contents, answers| {
            Ok(matches!(contents.store.find(query.hash, answers)?, Found::Live(_)))
        })
    }

    fn __missing__(&self, key: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        Err(self.key_error(key))
    }

    fn __len__(slf: &Bound<'_, Self>) -> PyResult<usize> {
        Self::measure(slf, Store::len)
    }

    fn __iter__(slf: &Bound<'_, Self>) -> CacheIterator {
        CacheIterator::new(slf)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        Self::repr(slf)
    }

    fn __eq__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        abc(slf.py(), "Mapping")?.call_method1(intern!(slf.py(), "__eq__"), (slf, other))
    }

    /// Remove `key` and return its value; if it is missing, return `default` or raise KeyError.
    #[pyo3(signature = (key, default=Argument::Omitted))]
    fn pop<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: Argument<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        if this.overrides.reads() || this.overrides.delitem {
            let _frozen = this.freeze(slf.py())?;
            if slf.contains(key)?
                && let Some(value) = unless_gone(slf.py(), slf.get_item(key))?
                && unless_gone(slf.py(), slf.del_item(key))?.is_some()
            {
                return Ok(value);
            }
        } else {
            let query = Query::new(key)?;
            let entry = this.run(slf.py(), Some(&query), |contents, answers| {
                answers.now()?;
                Ok(match contents.store.find(query.hash, answers)? {
                    Found::Live(slot) => contents.store.remove(slot),
                    _ => None,
                })
            })?;
            if let Some(entry) = entry {
                return Ok(entry.value.into_bound(slf.py()));
            }
        }
        match default {
            Argument::Given(default) => Ok(default),
            Argument::Omitted => Err(this.key_error(key)),
        }
    }

    /// Return the value of `key`; if it is missing, store `default` first.
    #[pyo3(signature = (key, default=None))]
    fn setdefault<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (this, py) = (slf.get(), slf.py());
        let default = default.cloned().unwrap_or_else(|| py.None().into_bound(py));
        let overrides = this.overrides;
        let _frozen = this.freeze(py)?;
        if overrides.reads() || overrides.setitem {
            if slf.contains(key)?
                && let Some(value) = unless_gone(py, slf.get_item(key))?
            {
                return Ok(value);
            }
            slf.set_item(key, &default)?;
            return Ok(default);
        }
        let query = Query::new(key)?;
        if let Some(value) = this.peek(&query)? {
            return Ok(value);
        }
        Self::write(slf, &query, &default)?;
        Ok(default)
    }

    /// Remove and return the `(key, value)` pair least recently used that has not expired.
    fn popitem<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let (this, py) = (slf.get(), slf.py());
        let slowly = this.overrides.expire || this.overrides.delitem;
        let frozen = if slowly { this.freeze(py)? } else { None };
        if slowly {
            Self::settle(slf, frozen.as_ref())?;
        }
        if this.overrides.delitem {
            return Self::popitem_by_key(slf);
        }
        let mut removed = Removed::new();
        let entry = this.run(py, None, |contents, answers| {
            answers.now()?;
            contents.store.expire(answers, &mut removed)?;
            Ok(contents.store.least_used().and_then(|slot| contents.store.remove(slot)))
        })?;
        let Some(entry) = entry else {
            return Err(Self::empty(slf));
        };
        (entry.key.object, entry.value).into_pyobject(py)
    }

    /// Remove all entries.
    fn clear(&self) -> PyResult<()> {
        let entries = self.with(|contents| contents.store.clear())?;
        drop(entries);
        Ok(())
    }

    /// The keys that have not expired, as a view.
    fn keys<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        abc(slf.py(), "KeysView")?.call1((slf,))
    }

    /// The values that have not expired, as a view.
    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(slf, "CacheValues")
    }

    /// The `(key, value)` pairs that have not expired, as a view.
    fn items<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        view(slf, "CacheItems")
    }

    /// Store all pairs of a mapping or an iterable, and all keyword arguments.
    #[pyo3(signature = (*args, **kwargs))]
    fn update(
        slf: &Bound<'_, Self>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let mut all = vec![slf.clone().into_any()];
        all.extend(args.iter());
        let update = abc(py, "MutableMapping")?.getattr(intern!(py, "update"))?;
        update.call(PyTuple::new(py, all)?, kwargs)?;
        Ok(())
    }

    /// The size that counts for a value.
    #[staticmethod]
    fn getsizeof(value: &Bound<'_, PyAny>) -> i64 {
        let _ = value;
        1
    }

    /// The maximum size of the cache.
    #[getter]
    fn maxsize(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.with(|contents| contents.maxsize.clone_ref(py))
    }

    /// The current size of the cache.
    #[getter]
    fn currsize<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Ok(number_to_object(Self::measure(slf, Store::size)?, slf.py()))
    }

    /// Counters since the cache was made.
    fn stats(&self) -> PyResult<CacheStats> {
        self.with(|contents| CacheStats { counts: contents.store.counts, loads: contents.loads })
    }

    /// `(value, remaining, stamp)` of a live entry: how much time it has left, and a number that
    /// changes when it is stored again. Only with `read` is this a use that the statistics count.
    #[pyo3(signature = (key, read=false))]
    fn _entry<'py>(&self, key: &Bound<'py, PyAny>, read: bool) -> PyResult<Option<LiveEntry<'py>>> {
        let (py, query) = (key.py(), Query::new(key)?);
        let found = self.run(py, Some(&query), |contents, answers| {
            let now = answers.now()?.clone_ref(py);
            let Found::Live(slot) = contents.store.find(query.hash, answers)? else {
                contents.store.counts.misses += u64::from(read);
                return Ok(None);
            };
            if read {
                contents.store.counts.hits += 1;
                contents.store.touch(slot);
            }
            Ok(contents.store.at(slot).map(|entry| {
                let expires = entry.expires.clone_ref(py);
                (entry.value.bind(py).clone(), expires, now, contents.store.stamp(slot))
            }))
        })?;
        let Some((value, expires, now, stamp)) = found else {
            return Ok(None);
        };
        let remaining = match (expires.number(), now.number()) {
            (Some(expires), Some(now)) => number_to_object(expires.minus(now), py),
            _ => expires.to_object(py)?.sub(now.to_object(py)?)?,
        };
        Ok(Some((value, remaining, stamp)))
    }

    /// Makes room for entries of the size `maxsize` in all, if there is less.
    fn _grow(&self, maxsize: Bound<'_, PyAny>) -> PyResult<()> {
        let limit = number(&maxsize, "maxsize")?;
        let mut maxsize = maxsize.unbind();
        self.with(|contents| {
            if contents.store.grow(limit) {
                // The old number is dropped outside of the lock.
                std::mem::swap(&mut contents.maxsize, &mut maxsize);
            }
        })
    }

    /// Adds to the counters of the loads.
    #[pyo3(signature = (*, loads=0, joined=0, errors=0, error_hits=0, refreshes=0, seconds=None))]
    fn _count(
        &self,
        loads: u64,
        joined: u64,
        errors: u64,
        error_hits: u64,
        refreshes: u64,
        seconds: Option<f64>,
    ) -> PyResult<()> {
        self.with(|contents| {
            let counts = &mut contents.loads;
            counts.loads += loads;
            counts.joined += joined;
            counts.errors += errors;
            counts.error_hits += error_hits;
            counts.refreshes += refreshes;
            if let Some(seconds) = seconds {
                counts.called(seconds);
            }
        })
    }

    fn __copy__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        pickling::copy(slf)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let make = py.import("copyreg")?.getattr(intern!(py, "__newobj__"))?;
        let state = slf.call_method0(intern!(py, "__getstate__"))?;
        (make, (slf.get_type(),), state).into_pyobject(py)
    }

    /// The attributes, and under a name of its own what the cache holds.
    fn __getstate__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        pickling::get_state(slf)
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyDict>) -> PyResult<()> {
        pickling::set_state(slf, state)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // No Python object is made, called or dropped under the lock, so the collector never
        // starts there; if another thread has it all the same, leaving the entries out only means
        // that they are not collected this time.
        let Some(guard) = self.contents.try_lock() else {
            return Ok(());
        };
        let Some(contents) = guard.as_ref() else {
            return Ok(());
        };
        visit.call(&contents.maxsize)?;
        visit.call(&contents.timer)?;
        contents.ttl.visit(&visit)?;
        for entry in contents.store.by_age() {
            visit.call(&entry.key.object)?;
            visit.call(&entry.value)?;
            entry.expires.visit(&visit)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let contents = self.contents.lock().take();
        drop(contents);
    }
}

/// A view of `sluicegate._views`.
fn view<'py>(slf: &Bound<'py, Cache>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let views = slf.py().import("sluicegate._views")?;
    views.getattr(name)?.call1((slf,))
}
