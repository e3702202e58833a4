//! `Usage` for Python.

use pyo3::prelude::*;

use crate::gate::Usage;

/// How much of a limit is used, at one instant.
#[pyclass(name = "Usage", module = "sluicegate", frozen, get_all, eq, new = "from_fields")]
#[derive(Clone, Debug, PartialEq)]
pub struct PyUsage {
    limit_id: String,
    limit: u64,
    used: u64,
    in_flight: u64,
    waiting: usize,
    time_interval: f64,
    resets_in: f64,
}

impl From<Usage> for PyUsage {
    fn from(usage: Usage) -> Self {
        Self {
            limit_id: usage.id,
            limit: usage.limit,
            used: usage.used,
            in_flight: usage.in_flight,
            waiting: usage.waiting,
            time_interval: usage.interval.as_secs_f64(),
            resets_in: usage.resets_in.as_secs_f64(),
        }
    }
}

#[pymethods]
impl PyUsage {
    /// What copying and pickling make it anew from.
    fn __getnewargs__(&self) -> (String, u64, u64, u64, usize, f64, f64) {
        let Self { limit_id, limit, used, in_flight, waiting, time_interval, resets_in } = self.clone();
        (limit_id, limit, used, in_flight, waiting, time_interval, resets_in)
    }

    fn __repr__(&self) -> String {
        let Self { limit_id, limit, used, in_flight, waiting, time_interval, resets_in } = self;
        format!(
            "Usage(limit_id={limit_id:?}, limit={limit}, used={used}, in_flight={in_flight}, waiting={waiting}, \
             time_interval={time_interval}, resets_in={resets_in})"
        )
    }
}
