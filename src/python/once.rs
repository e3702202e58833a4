//! Values that are made once, and kept for as long as the process lives.
//!
//! PyO3's `PyOnceLock`, and its `intern!`, let go of the interpreter while they are locked. If another thread forks
//! meanwhile, the child waits for ever for a thread that it does not have. Here, nothing is locked while a value is made.
//! Two threads may make it; the first value is kept.

use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::types::PyString;
use pyo3::{PyTypeCheck, PyTypeInfo};

/// A value that is made once.
pub(super) struct Once<T>(OnceLock<T>);

impl<T> Once<T> {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(super) fn get(&self, _py: Python<'_>) -> Option<&T> {
        self.0.get()
    }

    /// The value. If there is none yet, `make` makes it: this may run Python code.
    pub(super) fn get_or_try_init(&self, py: Python<'_>, make: impl FnOnce() -> PyResult<T>) -> PyResult<&T> {
        if let Some(value) = self.get(py) {
            return Ok(value);
        }
        let value = make()?;
        // The interpreter is kept meanwhile, so that no fork comes in between.
        Ok(self.0.get_or_init(|| value))
    }
}

impl<T: PyTypeCheck> Once<Py<T>> {
    /// What a module calls `name`.
    ///
    /// The module must be one that is imported with this package. An import that is under way in another thread when a
    /// process forks never ends in the child.
    pub(super) fn import<'py>(&self, py: Python<'py>, module: &str, name: &str) -> PyResult<&Bound<'py, T>> {
        let import = || Ok(py.import(module)?.getattr(name)?.cast_into()?.unbind());
        Ok(self.get_or_try_init(py, import)?.bind(py))
    }
}

/// A name that Python code knows. See [`intern`].
pub(super) struct Name(OnceLock<Py<PyString>>, &'static str);

impl Name {
    pub(super) const fn new(text: &'static str) -> Self {
        Self(OnceLock::new(), text)
    }

    #[inline]
    pub(super) fn get<'py>(&self, py: Python<'py>) -> &Bound<'py, PyString> {
        self.0.get_or_init(|| PyString::intern(py, self.1).unbind()).bind(py)
    }
}

/// A Python string that is made once. To make one runs no Python code.
macro_rules! intern {
    ($py:expr, $text:expr) => {{
        static NAME: $crate::python::once::Name = $crate::python::once::Name::new($text);
        NAME.get($py)
    }};
}
pub(super) use intern;

/// Makes what PyO3 itself would make at its first error, in a `PyOnceLock`.
pub(super) fn install(py: Python<'_>) {
    pyo3::panic::PanicException::type_object_raw(py);
}
