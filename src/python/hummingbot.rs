//! The part of Hummingbot's throttler that every request goes through. The rest of its surface is Python, and costs
//! nothing until it is used.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::clock::{Clock, Nanos, nanos};
use crate::gate::{LogEntry, Options};
use crate::python::once::intern;
use crate::wait::Throttler;

use super::seconds;
use super::sharing;
use super::throttler::{PyManualClock, PyThrottler, Task, manual_clock_shared};
use super::waiting::ready::ready;

/// How old the entries may be that are written into the log of a throttler that was just made; the longest
/// interval of any table is a day.
const LOG_REACHES: Duration = Duration::from_secs(2 * 86_400);

/// A throttler whose table comes later, and whose tasks know it.
#[pyclass(module = "sluicegate._core", extends = PyThrottler, frozen, subclass)]
pub struct HummingbotThrottler;

#[pymethods]
impl HummingbotThrottler {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        PyClassInitializer::from(PyThrottler::empty(py)).add_subclass(Self)
    }

    /// Begins with an empty table. Nothing works before.
    #[pyo3(signature = (clock=None, share=None, limits_share_percentage=100.0))]
    fn _begin(
        slf: &Bound<'_, Self>,
        clock: Option<&PyManualClock>,
        share: Option<&Bound<'_, PyAny>>,
        limits_share_percentage: f64,
    ) -> PyResult<()> {
        let options = Options { hopeless_routes: true, limits_share_percentage, ..Options::default() };
        let machine = || Clock::monotonic_since(LOG_REACHES);
        let throttler = match (clock, share) {
            (Some(_), Some(_)) => return Err(manual_clock_shared()),
            (Some(manual), None) => manual.clock.throttler(&[], options)?,
            (None, Some(share)) => {
                sharing::throttler(slf.py(), &[], options, sharing::read(share)?, machine())?
            }
            (None, None) => Throttler::with_clock(&[], options, machine())?,
        };
        slf.as_super().get().begin(slf.py(), throttler, options)
    }

    /// A context for one request.
    fn execute_task<'py>(
        slf: &Bound<'py, Self>,
        limit_id: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match slf.as_super().get().route(limit_id) {
            Ok(route) => {
                let task = PyClassInitializer::from(Task::new(route.unbind(), 1, None, None))
                    .add_subclass(HummingbotTask { owner: slf.clone().unbind() });
                Ok(Bound::new(py, task)?.into_any())
            }
            Err(error) => slf.call_method1(intern!(py, "_without_limit"), (limit_id, error.into_value(py))),
        }
    }

    /// Seconds on the throttler's clock.
    fn _now(slf: &Bound<'_, Self>) -> PyResult<f64> {
        Ok(seconds(slf.as_super().get().throttler()?.now()))
    }

    /// What is in the windows, since they were last rewritten: (limit id, instant, units).
    fn _log(slf: &Bound<'_, Self>) -> PyResult<Vec<(String, f64, u64)>> {
        let log = slf.as_super().get().throttler()?.log();
        let entry = |LogEntry { id, stamp, units }: LogEntry| (id.to_string(), seconds(stamp), units);
        Ok(log.into_iter().map(entry).collect())
    }

    /// Makes the windows hold this and nothing else.
    fn _rewrite_log(slf: &Bound<'_, Self>, log: Vec<(String, f64, u64)>) -> PyResult<()> {
        let entry =
            |(id, at, units): (String, f64, u64)| Ok(LogEntry { id: id.into(), stamp: instant(at)?, units });
        let log = log.into_iter().map(entry).collect::<PyResult<_>>()?;
        slf.as_super().get().throttler()?.rewrite_log(log);
        Ok(())
    }
}

/// An instant from seconds; what was before the clock's start counts from there.
fn instant(at: f64) -> PyResult<Nanos> {
    if at.is_nan() {
        return Err(PyValueError::new_err("an instant must be a number of seconds, not nan"));
    }
    Ok(Duration::try_from_secs_f64(at.max(0.0)).map_or(Nanos::MAX, nanos))
}

/// The context of one request; what Hummingbot's has beside, its throttler serves.
#[pyclass(module = "sluicegate._core", extends = Task, frozen)]
pub struct HummingbotTask {
    owner: Py<HummingbotThrottler>,
}

#[pymethods]
impl HummingbotTask {
    fn __aenter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (py, task) = (slf.py(), slf.as_super());
        let Some(charge) = task.get().start(py)? else { return ready(py) };
        let wait = || {
            slf.get().owner.call_method1(py, intern!(py, "_must_wait"), (charge.route.id(),))?;
            Task::wait_in_loop(task, charge)
        };
        wait().inspect_err(|_| task.get().give_up())
    }

    /// Connectors and their tests make contexts to read what is in them: that is what such a one is for.
    fn __getattr__<'py>(slf: &Bound<'py, Self>, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let task = slf.as_super().get();
        task.serves_otherwise();
        let owner = slf.get().owner.bind(slf.py());
        owner.call_method1(intern!(slf.py(), "_task_attribute"), (task.route().id(), name))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.owner)
    }
}
