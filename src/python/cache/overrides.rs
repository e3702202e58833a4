//! Subclasses: which methods they have of their own, so that these are called, and what those raise.

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

use crate::python::once::intern;

use super::Cache;

/// The methods of a subclass that this module must call instead of doing their work itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Overrides {
    pub(super) contains: bool,
    pub(super) getitem: bool,
    pub(super) setitem: bool,
    pub(super) delitem: bool,
    pub(super) missing: bool,
    pub(super) popitem: bool,
    pub(super) expire: bool,
}

impl Overrides {
    /// Looked up when the cache is made: a call should not pay for it.
    pub(super) fn of(class: &Bound<'_, PyType>, base: &Bound<'_, PyType>) -> PyResult<Self> {
        if class.is(base) {
            return Ok(Self::default());
        }
        let differs = |name: &str| -> PyResult<bool> {
            if !base.hasattr(name)? {
                return Ok(false);
            }
            Ok(!class.getattr(name)?.is(&base.getattr(name)?))
        };
        Ok(Self {
            contains: differs("__contains__")?,
            getitem: differs("__getitem__")?,
            setitem: differs("__setitem__")?,
            delitem: differs("__delitem__")?,
            missing: differs("__missing__")?,
            popitem: differs("popitem")?,
            expire: differs("expire")?,
        })
    }

    /// Whether making room must go through Python.
    pub(super) fn evicts(self) -> bool {
        self.popitem || self.delitem || self.expire
    }

    pub(super) fn reads(self) -> bool {
        self.contains || self.getitem
    }

    /// Whether an operation may be made of several, between which another thread comes.
    fn any(self) -> bool {
        self.reads() || self.setitem || self.evicts()
    }
}

/// The attribute of an error that says: it was raised here, because there is no such entry.
const GONE: &str = "_sluicegate_gone";

/// How often other threads may take away what an operation was about to.
pub(super) const PATIENCE: usize = 10_000;

impl Cache {
    /// `popitem()` of a subclass with a `__delitem__` of its own: that must take the entry out.
    pub(super) fn popitem_by_key<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let (this, py) = (slf.get(), slf.py());
        for _ in 0..PATIENCE {
            let oldest = this.with(|contents| {
                let slot = contents.store.least_used()?;
                let (key, value) = contents.store.at(slot).map(|entry| (&entry.key.object, &entry.value))?;
                Some((contents.store.id_of(slot), key.clone_ref(py), value.clone_ref(py)))
            })?;
            let Some((id, key, value)) = oldest else {
                break;
            };
            let Err(error) = slf.del_item(&key) else {
                return (key, value).into_pyobject(py);
            };
            // If another thread was first, it is the turn of the next one.
            if this.with(|contents| contents.store.entry_of(id).is_some())? || !is_gone(py, &error) {
                return Err(error);
            }
        }
        Err(Self::empty(slf))
    }

    pub(super) fn missing<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if slf.get().overrides.missing {
            return slf.call_method1(intern!(slf.py(), "__missing__"), (key,));
        }
        Err(slf.get().key_error(key))
    }

    pub(super) fn key_error(&self, key: &Bound<'_, PyAny>) -> PyErr {
        // In a tuple of its own, or a tuple as a key would be taken for the error's arguments.
        self.marked(key.py(), PyKeyError::new_err((key.clone().unbind(),)))
    }

    pub(super) fn empty(slf: &Bound<'_, Self>) -> PyErr {
        let name = slf.get_type().name().map_or_else(|_| "cache".to_owned(), |name| name.to_string());
        let error = PyKeyError::new_err(format!("{name} is empty"));
        error.set_cause(slf.py(), None);
        slf.get().marked(slf.py(), error)
    }

    /// Marks an error for [`is_gone`], if it can come back here through methods of a subclass.
    fn marked(&self, py: Python<'_>, error: PyErr) -> PyErr {
        if self.overrides.any() {
            // An error that cannot be marked is still the right one.
            let _ = error.value(py).setattr(intern!(py, GONE), true);
        }
        error
    }
}

/// Whether methods of a subclass failed because the entry was not there (any more), and not for a
/// reason of their own. It was there a moment before: another thread has taken it, or it expired.
#[cold]
pub(super) fn is_gone(py: Python<'_>, error: &PyErr) -> bool {
    if !error.is_instance_of::<PyKeyError>(py) {
        return false;
    }
    let mut error = Some(error.value(py).clone().into_any());
    // A subclass may have made another error of ours: that is then the context of its own.
    for _ in 0..8 {
        let Some(this) = error.filter(|error| !error.is_none()) else {
            return false;
        };
        if this.hasattr(intern!(py, GONE)).unwrap_or(false) {
            return true;
        }
        error = this.getattr(intern!(py, "__context__")).ok();
    }
    false
}

/// Nothing instead of an error that says that the entry is gone.
pub(super) fn unless_gone<R>(py: Python<'_>, result: PyResult<R>) -> PyResult<Option<R>> {
    match result {
        Err(error) if is_gone(py, &error) => Ok(None),
        result => result.map(Some),
    }
}
