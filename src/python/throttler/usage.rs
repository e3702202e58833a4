//! `Usage` for Python: how much of a limit is used.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::gate::Usage;

/// How much of one limit is used, at one instant. `Throttler.usage` makes it.
///
/// Example:
///     >>> import json
///     >>> usage = throttler.usage("/depth")
///     >>> usage.used, usage.remaining
///     (2, 18)
///     >>> json.loads(json.dumps(usage.as_dict()))["limit"]
///     20
#[pyclass(name = "Usage", module = "sluicegate", frozen, get_all, eq, new = "from_fields")]
#[derive(Clone, Debug, PartialEq)]
pub struct PyUsage {
    /// The id of the limit.
    limit_id: String,
    /// How many units fit in a window: this throttler's share of the limit.
    limit: u64,
    /// How many units are used: in the window, or in flight.
    used: u64,
    /// How many of the used units belong to requests whose block runs now.
    in_flight: u64,
    /// How many requests wait for this limit.
    waiting: usize,
    /// The length of the window in seconds, the safety margin included.
    time_interval: f64,
    /// Seconds until the next units become free; of a quota, until its next boundary.
    ///
    /// It is 0.0 if nothing is used. If all used units are in flight, it is one interval: the
    /// shortest time that it can take.
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

    /// How many units are free now: ``limit`` less ``used``, and never below 0.
    #[getter]
    fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// All of these values by name, as a dictionary that ``json.dumps`` can write.
    fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let Self { limit_id, limit, used, in_flight, waiting, time_interval, resets_in } = self;
        let values = PyDict::new(py);
        values.set_item("limit_id", limit_id)?;
        values.set_item("limit", limit)?;
        values.set_item("used", used)?;
        values.set_item("remaining", self.remaining())?;
        values.set_item("in_flight", in_flight)?;
        values.set_item("waiting", waiting)?;
        values.set_item("time_interval", time_interval)?;
        values.set_item("resets_in", resets_in)?;
        Ok(values)
    }

    fn __repr__(&self) -> String {
        let Self { limit_id, limit, used, in_flight, waiting, time_interval, resets_in } = self;
        format!(
            "Usage(limit_id={limit_id:?}, limit={limit}, used={used}, in_flight={in_flight}, waiting={waiting}, \
             time_interval={time_interval}, resets_in={resets_in})"
        )
    }
}
