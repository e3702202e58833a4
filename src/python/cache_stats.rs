//! What `stats()` tells.

use pyo3::prelude::*;

use crate::cache::Counts;

/// Counters of one cache, all read at the same moment.
#[pyclass(frozen, eq, module = "sluicegate")]
#[derive(PartialEq)]
pub(super) struct CacheStats(pub(super) Counts);

#[pymethods]
impl CacheStats {
    /// Reads that found a value.
    #[getter]
    fn hits(&self) -> u64 {
        self.0.hits
    }

    /// Reads that found none, or an expired one.
    #[getter]
    fn misses(&self) -> u64 {
        self.0.misses
    }

    /// The share of reads that found a value, from 0 to 1; 0 when nothing was read.
    #[getter]
    fn hit_rate(&self) -> f64 {
        self.0.hit_rate()
    }

    /// Entries removed to make room.
    #[getter]
    fn evictions(&self) -> u64 {
        self.0.evictions
    }

    /// Entries removed because their time was over.
    #[getter]
    fn expirations(&self) -> u64 {
        self.0.expirations
    }

    /// Keys that a loader was asked for.
    #[getter]
    fn loads(&self) -> u64 {
        self.0.loads
    }

    /// Reads that waited for a load which somebody else had begun.
    #[getter]
    fn joined(&self) -> u64 {
        self.0.joined
    }

    /// Keys that a loader failed to load.
    #[getter]
    fn errors(&self) -> u64 {
        self.0.errors
    }

    /// Reads answered with a remembered error.
    #[getter]
    fn error_hits(&self) -> u64 {
        self.0.error_hits
    }

    /// Keys loaded ahead of their end: a part of `loads`.
    #[getter]
    fn refreshes(&self) -> u64 {
        self.0.refreshes
    }

    /// Calls of a loader; a batch is one.
    #[getter]
    fn calls(&self) -> u64 {
        self.0.calls
    }

    /// Seconds spent in loaders.
    #[getter]
    fn load_time(&self) -> f64 {
        self.0.load_time
    }

    /// The longest time spent in one call of a loader, in seconds.
    #[getter]
    fn longest_load(&self) -> f64 {
        self.0.longest_load
    }

    fn __repr__(&self) -> String {
        let counts = &self.0;
        format!(
            "CacheStats(hits={}, misses={}, hit_rate={:.3}, evictions={}, expirations={}, loads={}, \
             joined={}, errors={}, error_hits={}, refreshes={}, calls={}, load_time={:.3}, \
             longest_load={:.3})",
            counts.hits,
            counts.misses,
            counts.hit_rate(),
            counts.evictions,
            counts.expirations,
            counts.loads,
            counts.joined,
            counts.errors,
            counts.error_hits,
            counts.refreshes,
            counts.calls,
            counts.load_time,
            counts.longest_load,
        )
    }
}
