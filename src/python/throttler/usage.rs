//! `Usage` for Python: how much of a limit is used.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::gate::Usage;
use crate::python::sharing::{PySharedUsage, shared_usage};
use crate::wait::Throttler;

/// How much of one limit is used, at one instant. `Throttler.usage` makes it.
///
/// Examples:
///     >>> import json
///     >>> usage = throttler.usage("/depth")
///     >>> usage.used, usage.remaining
///     (2, 18)
///     >>> json.loads(json.dumps(usage.as_dict()))["limit"]
///     20
#[pyclass(name = "Usage", module = "sluicegate", frozen, eq)]
#[derive(Clone, Debug)]
pub struct PyUsage {
    /// The id of the limit.
    #[pyo3(get)]
    limit_id: String,
    /// How many units fit in a window: this throttler's share of the limit.
    ///
    /// Of a limit that is shared, it is what this process has now, which changes; `shared` tells
    /// the whole.
    #[pyo3(get)]
    limit: u64,
    /// How many units are used: in the window, or in flight.
    ///
    /// Of a shared limit with an interval of over a minute, `shared` alone tells all: what a
    /// process has used there is the store's to count.
    #[pyo3(get)]
    used: u64,
    /// How many of the used units belong to requests whose block runs now.
    #[pyo3(get)]
    in_flight: u64,
    /// How many requests wait for this limit.
    #[pyo3(get)]
    waiting: usize,
    /// The length of the window in seconds, the safety margin included.
    #[pyo3(get)]
    time_interval: f64,
    /// Seconds until the next units become free; of a quota, until its next boundary.
    ///
    /// It is 0.0 if nothing is used. If all used units are in flight, it is one interval: the
    /// shortest time that it can take.
    #[pyo3(get)]
    resets_in: f64,
    /// How many of the used units belong to others: see `Throttler.observe`.
    ///
    /// It includes the units that are kept for others, who are expected to go on as they did.
    #[pyo3(get)]
    foreign: u64,
    /// For how many seconds nothing leaves, whatever is used: see `Throttler.pause`.
    ///
    /// It is 0.0 if the limit is not paused.
    #[pyo3(get)]
    paused: f64,
    /// Why it is paused. It is empty if it is not, or if nobody said why.
    #[pyo3(get)]
    pause_reason: String,
    /// How many units are free, and kept for requests of a higher priority than the lowest.
    ///
    /// It is what is left of the limit's ``reserve``: 0 if it has none.
    #[pyo3(get)]
    reserved: u64,
    /// Where to ask for what all processes use. A copy has none.
    throttler: Option<Throttler>,
}

/// All values of a `Usage`, in the order of its constructor.
type Fields = (String, u64, u64, u64, usize, f64, f64, u64, f64, String, u64);

impl PartialEq for PyUsage {
    fn eq(&self, other: &Self) -> bool {
        self.__getnewargs__() == other.__getnewargs__()
    }
}

impl PyUsage {
    pub fn new(usage: Usage, throttler: &Throttler) -> Self {
        Self {
            limit_id: usage.id,
            limit: usage.limit,
            used: usage.used,
            in_flight: usage.in_flight,
            waiting: usage.waiting,
            time_interval: usage.interval.as_secs_f64(),
            resets_in: usage.resets_in.as_secs_f64(),
            foreign: usage.foreign,
            paused: usage.paused.as_secs_f64(),
            pause_reason: usage.pause_reason,
            reserved: usage.reserved,
            throttler: throttler.is_shared().then(|| throttler.clone()),
        }
    }
}

#[pymethods]
impl PyUsage {
    #[new]
    #[pyo3(signature = (
        limit_id, limit, used, in_flight, waiting, time_interval, resets_in, foreign=0, paused=0.0,
        pause_reason=String::new(), reserved=0
    ), text_signature = "(limit_id, limit, used, in_flight, waiting, time_interval, resets_in, foreign=0, \
        paused=0.0, pause_reason='', reserved=0)")]
    #[allow(clippy::too_many_arguments, reason = "they are Python's")]
    fn from_fields(
        limit_id: String,
        limit: u64,
        used: u64,
        in_flight: u64,
        waiting: usize,
        time_interval: f64,
        resets_in: f64,
        foreign: u64,
        paused: f64,
        pause_reason: String,
        reserved: u64,
    ) -> Self {
        Self {
            limit_id,
            limit,
            used,
            in_flight,
            waiting,
            time_interval,
            resets_in,
            foreign,
            paused,
            pause_reason,
            reserved,
            throttler: None,
        }
    }

    /// What copying and pickling make it anew from.
    fn __getnewargs__(&self) -> Fields {
        let Self { limit_id, limit, used, in_flight, waiting, time_interval, resets_in, .. } = self.clone();
        let Self { foreign, paused, pause_reason, reserved, .. } = self.clone();
        (
            limit_id,
            limit,
            used,
            in_flight,
            waiting,
            time_interval,
            resets_in,
            foreign,
            paused,
            pause_reason,
            reserved,
        )
    }

    /// How many units are free now: ``limit`` less ``used``, and never below 0.
    #[getter]
    fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// How much all processes use that share the limit, as a `SharedUsage`.
    ///
    /// It is ``None`` if the limit is not shared, and of a pickled copy. It is read from the store
    /// now, and not when the usage was read: it may take a millisecond, and over a network a round
    /// trip.
    ///
    /// Raises:
    ///     StoreError: The store cannot be read now, or the throttler was closed.
    #[getter]
    fn shared(&self, py: Python<'_>) -> PyResult<Option<PySharedUsage>> {
        let Some(throttler) = &self.throttler else { return Ok(None) };
        Ok(shared_usage(py, throttler, &self.limit_id)?)
    }

    /// All of these values but `shared` by name, as a dictionary for ``json.dumps``.
    fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let Self { limit_id, limit, used, in_flight, waiting, time_interval, resets_in, .. } = self;
        let Self { foreign, paused, pause_reason, reserved, .. } = self;
        let values = PyDict::new(py);
        values.set_item("limit_id", limit_id)?;
        values.set_item("limit", limit)?;
        values.set_item("used", used)?;
        values.set_item("remaining", self.remaining())?;
        values.set_item("in_flight", in_flight)?;
        values.set_item("waiting", waiting)?;
        values.set_item("time_interval", time_interval)?;
        values.set_item("resets_in", resets_in)?;
        values.set_item("foreign", foreign)?;
        values.set_item("paused", paused)?;
        values.set_item("pause_reason", pause_reason)?;
        values.set_item("reserved", reserved)?;
        Ok(values)
    }

    fn __repr__(&self) -> String {
        let Self { limit_id, limit, used, in_flight, waiting, time_interval, resets_in, .. } = self;
        let heard = match (self.foreign, self.paused, &self.pause_reason) {
            (0, 0.0, _) => String::new(),
            (foreign, paused, reason) => {
                format!(", foreign={foreign}, paused={paused}, pause_reason={reason:?}")
            }
        };
        let reserved =
            if self.reserved > 0 { format!(", reserved={}", self.reserved) } else { String::new() };
        format!(
            "Usage(limit_id={limit_id:?}, limit={limit}, used={used}, in_flight={in_flight}, waiting={waiting}, \
             time_interval={time_interval}, resets_in={resets_in}{heard}{reserved})"
        )
    }
}
