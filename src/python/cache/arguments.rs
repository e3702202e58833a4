//! How a cache gets its contents: the arguments of `__init__`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::cache::{Number, Store};
use crate::python::once::intern;

use super::number::number;
use super::stats::LoadCounts;
use super::time::TimeValue;
use super::timer::CacheTimer;
use super::{Cache, Contents, classes, registry};

const DEFAULT_MAXSIZE: i64 = 100;

/// An argument that may be left out, and may be `None`.
pub(super) enum Argument<'py> {
    Omitted,
    Given(Bound<'py, PyAny>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Argument<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self::Given(object.to_owned()))
    }
}

impl Cache {
    pub(super) fn initialise(
        slf: &Bound<'_, Self>,
        maxsize: Argument<'_>,
        ttl: TimeValue,
        timer: Option<Py<CacheTimer>>,
        getsizeof: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let maxsize = match maxsize {
            Argument::Given(maxsize) => maxsize,
            Argument::Omitted => DEFAULT_MAXSIZE.into_bound_py_any(py)?,
        };
        let limit = number(&maxsize, "maxsize")?;
        if limit.before(Number::Int(0)) {
            return Err(PyValueError::new_err("maxsize must be non-negative"));
        }
        if let Some(getsizeof) = getsizeof {
            slf.setattr(intern!(py, "getsizeof"), getsizeof)?;
        }
        let own = py.get_type::<Self>().getattr(intern!(py, "getsizeof"))?;
        let contents = Contents {
            store: Store::new(limit, timer.is_some()),
            loads: LoadCounts::default(),
            maxsize: maxsize.unbind(),
            span: span(&ttl),
            ttl,
            timer,
        };
        let sized = !slf.getattr(intern!(py, "getsizeof"))?.is(&own);
        let is_new = slf.get().contents.lock().is_none();
        slf.get().put(contents, sized);
        if is_new {
            registry::remember(slf)?;
        }
        classes::befriend_cachetools(py);
        Ok(())
    }

    pub(super) fn put(&self, contents: Contents, sized: bool) {
        let native = contents.timer.as_ref().is_some_and(|timer| timer.get().is_native());
        self.native.store(native, Ordering::Relaxed);
        self.sized.store(sized, Ordering::Relaxed);
        let old = self.contents.lock().replace(Box::new(contents));
        drop(old);
    }
}

/// A TTL that the native clock can add to an instant without becoming a number: one that is not
/// negative. An infinite one is made so long that no program sees the end of it.
pub(super) fn span(ttl: &TimeValue) -> Option<Duration> {
    const FOREVER: f64 = 1e9;
    let seconds = ttl.number()?.as_f64();
    if seconds.is_nan() { None } else { Duration::try_from_secs_f64(seconds.min(FOREVER)).ok() }
}
