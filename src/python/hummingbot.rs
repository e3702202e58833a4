//! The part of Hummingbot's throttler that every request goes through. The rest of its surface is Python, and costs
//! nothing until somebody touches it.

use std::time::Duration;

use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::IntoPyDict;

use crate::clock::{Clock, Nanos, nanos};
use crate::gate::{LogEntry, Options};
use crate::wait::Throttler;

use super::asyncio;
use super::clock::PyManualClock;
use super::ready::ready;
use super::seconds;
use super::task::Task;
use super::throttler::PyThrottler;

/// How old the entries may be that somebody writes into the log of a throttler that was just made; the longest
/// interval of any table is a day.
const LOG_REACHES: Duration = Duration::from_secs(2 * 86_400);

/// A throttler that begins with an empty table, and whose tasks know it.
#[pyclass(module = "sluicegate._core", extends = PyThrottler, frozen, subclass)]
pub struct HummingbotThrottler;

#[pymethods]
impl HummingbotThrottler {
    #[new]
    #[pyo3(signature = (clock=None))]
    fn new(py: Python<'_>, clock: Option<&PyManualClock>) -> PyResult<PyClassInitializer<Self>> {
        let options = Options { hopeless_routes: true, ..Options::default() };
        let throttler = match clock {
            Some(manual) => manual.clock.throttler(&[], options)?,
            None => Throttler::with_clock(&[], options, Clock::monotonic_since(LOG_REACHES))?,
        };
        let base = PyThrottler::empty(py);
        base.begin(throttler, options)?;
        Ok(PyClassInitializer::from(base).add_subclass(Self))
    }

    /// A context for one request.
    fn execute_task<'py>(
        slf: &Bound<'py, Self>,
        limit_id: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match slf.as_super().get().route(limit_id) {
            Ok(route) => {
                let task = PyClassInitializer::from(Task::new(route.unbind(), 1, None))
                    .add_subclass(HummingbotTask::new(slf.clone().unbind()));
                Ok(Bound::new(py, task)?.into_any())
            }
            Err(error) => {
                slf.call_method1(pyo3::intern!(py, "_without_limit"), (limit_id, error.into_value(py)))
            }
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

/// The innermost block that runs in a context: a `ContextVar`, of which these are the methods.
struct Innermost {
    get: Py<PyAny>,
    set: Py<PyAny>,
}

impl Innermost {
    fn of(py: Python<'_>) -> PyResult<&'static Self> {
        static VARIABLE: PyOnceLock<Innermost> = PyOnceLock::new();
        VARIABLE.get_or_try_init(py, || {
            let kwargs = [("default", py.None())].into_py_dict(py)?;
            let class = py.import("contextvars")?.getattr("ContextVar")?;
            let variable = class.call(("sluicegate.hummingbot",), Some(&kwargs))?;
            Ok(Self { get: variable.getattr("get")?.unbind(), set: variable.getattr("set")?.unbind() })
        })
    }
}

/// The context of one request; what Hummingbot's has beside, its throttler serves.
///
/// Connectors ask for the server's time within the block of their first request. Where both take from a pool that has
/// no room for two, the one within would wait for the one around it, and that one for the one within. So when a request
/// must wait within the block of another, whatever is in flight counts down from then on, as it always does in
/// Hummingbot.
#[pyclass(module = "sluicegate._core", extends = Task, frozen)]
pub struct HummingbotTask {
    owner: Py<HummingbotThrottler>,
    /// The block around this one.
    outer: Mutex<Option<Py<PyAny>>>,
}

impl HummingbotTask {
    fn new(owner: Py<HummingbotThrottler>) -> Self {
        Self { owner, outer: Mutex::new(None) }
    }

    /// Becomes the innermost block of this context.
    fn begin(slf: &Bound<'_, Self>, innermost: &Innermost) -> PyResult<()> {
        let py = slf.py();
        let outer = innermost.get.bind(py).call0()?;
        innermost.set.bind(py).call1((slf,))?;
        *slf.get().outer.lock() = Some(outer.unbind());
        Ok(())
    }

    /// Whether a block of the same throttler runs around this one. (A task that was started within a block may outlive
    /// it.)
    fn is_within(&self, py: Python<'_>, innermost: &Innermost) -> PyResult<bool> {
        let mut outer = innermost.get.bind(py).call0()?;
        while let Ok(block) = outer.cast_into::<Self>() {
            if block.get().owner.is(&self.owner) && block.as_super().get().is_inside() {
                return Ok(true);
            }
            let Some(next) = block.get().outer.lock().as_ref().map(|next| next.clone_ref(py)) else { break };
            outer = next.into_bound(py);
        }
        Ok(false)
    }
}

#[pymethods]
impl HummingbotTask {
    fn __aenter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (py, task, this) = (slf.py(), slf.as_super(), slf.get());
        let innermost = Innermost::of(py)?;
        let Some(charge) = task.get().start()? else {
            Self::begin(slf, innermost)?;
            return ready(py);
        };
        let wait = || {
            this.owner.call_method1(py, pyo3::intern!(py, "_must_wait"), (charge.route.id(),))?;
            if this.is_within(py, innermost)? {
                this.owner.bind(py).as_super().get().throttler()?.settle_all();
            }
            Self::begin(slf, innermost)?;
            asyncio::wait(task, charge)
        };
        wait().inspect_err(|_| task.get().give_up())
    }

    fn __aexit__<'py>(
        slf: &Bound<'py, Self>,
        _exc_type: &Bound<'py, PyAny>,
        _exc: &Bound<'py, PyAny>,
        _traceback: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.as_super().get().leave()?;
        let outer = slf.get().outer.lock().take();
        if let Some(outer) = outer {
            Innermost::of(py)?.set.bind(py).call1((outer,))?;
        }
        ready(py)
    }

    fn __getattr__<'py>(slf: &Bound<'py, Self>, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let id = slf.as_super().get().route().id();
        let owner = slf.get().owner.bind(slf.py());
        owner.call_method1(pyo3::intern!(slf.py(), "_task_attribute"), (id, name))
    }
}
