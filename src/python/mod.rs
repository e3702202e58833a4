//! The Python module `sluicegate._core`: conversion only, nothing is decided here.

mod cache;
mod cache_iter;
mod cache_key;
mod cache_stats;
mod cache_time;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _core {
    use super::*;

    #[pymodule_export]
    use super::cache::{Cache, LruCache, TtlCache};
    #[pymodule_export]
    use super::cache_stats::CacheStats;
    #[pymodule_export]
    use super::cache_time::CacheTimer;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::cache::register(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
