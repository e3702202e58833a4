//! The counters that `stats()` returns: the map's own, and those of loads.

use pyo3::prelude::*;

use crate::cache::Counts;

/// Counters of loads. The map knows nothing of loaders: `LoadingCache` in Python adds to these.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct LoadCounts {
    /// Keys that a loader was asked for.
    pub(super) loads: u64,
    /// Reads that waited for a load which another one had begun.
    pub(super) joined: u64,
    /// Loaded keys for which the loader failed.
    pub(super) errors: u64,
    /// Reads answered with a remembered error.
    pub(super) error_hits: u64,
    /// Keys loaded ahead of their end, part of `loads`.
    pub(super) refreshes: u64,
    /// Calls of a loader; a batch is one.
    pub(super) calls: u64,
    /// Seconds spent in loaders.
    pub(super) load_time: f64,
    /// The longest of them, in seconds.
    pub(super) longest_load: f64,
}

impl LoadCounts {
    /// Counts one call of a loader.
    pub(super) fn called(&mut self, seconds: f64) {
        self.calls += 1;
        self.load_time += seconds;
        self.longest_load = self.longest_load.max(seconds);
    }
}

/// Counters of one cache, all read at the same moment.
#[pyclass(frozen, eq, module = "sluicegate")]
#[derive(PartialEq)]
pub struct CacheStats {
    pub(super) counts: Counts,
    pub(super) loads: LoadCounts,
}

#[pymethods]
impl CacheStats {
    /// Reads that found a value.
    #[getter]
    fn hits(&self) -> u64 {
        self.counts.hits
    }

    /// Reads that found none, or an expired one.
    #[getter]
    fn misses(&self) -> u64 {
        self.counts.misses
    }

    /// The share of reads that found a value, from 0 to 1; 0 when nothing was read.
    #[getter]
    fn hit_rate(&self) -> f64 {
        self.counts.hit_rate()
    }

    /// Entries removed to make room.
    #[getter]
    fn evictions(&self) -> u64 {
        self.counts.evictions
    }

    /// Entries removed because their time was over.
    #[getter]
    fn expirations(&self) -> u64 {
        self.counts.expirations
    }

    /// Keys that a loader was asked for.
    #[getter]
    fn loads(&self) -> u64 {
        self.loads.loads
    }

    /// Reads that waited for a load which somebody else had begun.
    #[getter]
    fn joined(&self) -> u64 {
        self.loads.joined
    }

    /// Keys that a loader failed to load.
    #[getter]
    fn errors(&self) -> u64 {
        self.loads.errors
    }

    /// Reads answered with a remembered error.
    #[getter]
    fn error_hits(&self) -> u64 {
        self.loads.error_hits
    }

    /// Keys loaded ahead of their end: a part of `loads`.
    #[getter]
    fn refreshes(&self) -> u64 {
        self.loads.refreshes
    }

    /// Calls of a loader; a batch is one.
    #[getter]
    fn calls(&self) -> u64 {
        self.loads.calls
    }

    /// Seconds spent in loaders.
    #[getter]
    fn load_time(&self) -> f64 {
        self.loads.load_time
    }

    /// The longest time spent in one call of a loader, in seconds.
    #[getter]
    fn longest_load(&self) -> f64 {
        self.loads.longest_load
    }

    fn __repr__(&self) -> String {
        let Self { counts, loads } = self;
        format!(
            "CacheStats(hits={}, misses={}, hit_rate={:.3}, evictions={}, expirations={}, loads={}, \
             joined={}, errors={}, error_hits={}, refreshes={}, calls={}, load_time={:.3}, \
             longest_load={:.3})",
            counts.hits,
            counts.misses,
            counts.hit_rate(),
            counts.evictions,
            counts.expirations,
            loads.loads,
            loads.joined,
            loads.errors,
            loads.error_hits,
            loads.refreshes,
            loads.calls,
            loads.load_time,
            loads.longest_load,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::LoadCounts;

    #[test]
    fn a_call_adds_to_the_total_and_keeps_the_longest() {
        let mut counts = LoadCounts::default();
        counts.called(0.5);
        counts.called(0.25);
        assert_eq!((counts.calls, counts.load_time, counts.longest_load), (2, 0.75, 0.5));
    }
}
