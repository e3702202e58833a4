//! `Throttler` for Python.

use std::sync::{Arc, OnceLock};

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::clock::nanos;
use crate::error::Error;
use crate::gate::{Hold, Options, Route};
use crate::wait::Throttler;

use super::asyncio::Loops;
use super::clock::PyManualClock;
use super::task::Task;
use super::usage::PyUsage;
use super::{fork, numbers, seconds, table};

/// A route, as the throttler's cache of ids keeps it.
#[pyclass(frozen)]
pub struct RouteHandle {
    pub(crate) route: Arc<Route>,
    pub throttler: Throttler,
    pub loops: Arc<Loops>,
}

/// Decides when requests may leave.
///
/// Made empty and then given its table by `__init__`, so that subclasses can have an `__init__` of their own.
#[pyclass(name = "Throttler", module = "sluicegate", frozen, subclass, weakref)]
pub struct PyThrottler {
    inner: OnceLock<Inner>,
    /// id → `RouteHandle`: a cache in front of the table, with the hash that Python keeps in each `str`.
    routes: Py<PyDict>,
}

struct Inner {
    throttler: Throttler,
    loops: Arc<Loops>,
    options: Options,
}

fn read_hold(hold: &Bound<'_, PyAny>) -> PyResult<Hold> {
    match hold.extract::<String>().as_deref() {
        Ok("response") => Ok(Hold::Response),
        Ok("start") => Ok(Hold::Start),
        _ => Err(numbers::wrong_value("hold", "'response' or 'start'", hold)),
    }
}

impl PyThrottler {
    fn inner(&self) -> PyResult<&Inner> {
        self.inner.get().ok_or_else(|| {
            PyRuntimeError::new_err("this throttler has no table: its class does not call super().__init__()")
        })
    }

    /// A throttler that gets its table later.
    pub fn empty(py: Python<'_>) -> Self {
        Self { inner: OnceLock::new(), routes: PyDict::new(py).unbind() }
    }

    pub fn begin(&self, throttler: Throttler, options: Options) -> PyResult<()> {
        fork::register(&throttler);
        let inner = Inner { throttler, loops: Arc::default(), options };
        let again = |_| PyRuntimeError::new_err("this throttler has its table: use set_rate_limits()");
        self.inner.set(inner).map_err(again)
    }

    pub fn throttler(&self) -> PyResult<&Throttler> {
        Ok(&self.inner()?.throttler)
    }

    pub fn route<'py>(&self, limit_id: &Bound<'py, PyAny>) -> PyResult<Bound<'py, RouteHandle>> {
        let py = limit_id.py();
        // Only a str may reach the dict: the hash and equality of anything else run code of its own.
        let Ok(id) = limit_id.cast_exact::<PyString>() else { return self.route_of_subclass(limit_id) };
        let routes = self.routes.bind(py);
        if let Some(handle) = routes.get_item(id)? {
            return Ok(handle.cast_into::<RouteHandle>()?);
        }
        let handle = self.handle(id)?;
        routes.set_item(id, &handle)?;
        Ok(handle)
    }

    #[cold]
    fn route_of_subclass<'py>(&self, limit_id: &Bound<'py, PyAny>) -> PyResult<Bound<'py, RouteHandle>> {
        let id = limit_id.cast::<PyString>().map_err(|_| {
            PyTypeError::new_err(format!("limit_id must be a str, not {}", numbers::shown(limit_id)))
        })?;
        self.handle(id)
    }

    fn handle<'py>(&self, id: &Bound<'py, PyString>) -> PyResult<Bound<'py, RouteHandle>> {
        let Inner { throttler, loops, .. } = self.inner()?;
        // An id that is no valid text is in no table, whatever it looks like.
        let route = match id.to_cow() {
            Ok(id) => throttler.lookup(&id)?,
            Err(_) => {
                let id = id.to_string_lossy().into_owned();
                return Err(Error::UnknownLimit { id, closest: None }.into());
            }
        };
        Bound::new(id.py(), RouteHandle { route, throttler: throttler.clone(), loops: loops.clone() })
    }

    /// How many times a route's weights a request takes.
    fn units(&self, route: &Route, units: Option<&Bound<'_, PyAny>>) -> PyResult<u64> {
        let Some(units) = units else { return Ok(1) };
        let units = numbers::units("units", 1, units)?;
        self.throttler()?.check_units(route, units)?;
        Ok(units)
    }
}

#[pymethods]
impl PyThrottler {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(py: Python<'_>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::empty(py)
    }

    #[pyo3(signature = (rate_limits, *, safety_margin_pct=None, limits_share_percentage=None, hold=None, clock=None))]
    fn __init__(
        &self,
        rate_limits: &Bound<'_, PyAny>,
        safety_margin_pct: Option<&Bound<'_, PyAny>>,
        limits_share_percentage: Option<&Bound<'_, PyAny>>,
        hold: Option<&Bound<'_, PyAny>>,
        clock: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let mut options = Options::default();
        if let Some(margin) = safety_margin_pct {
            let must = "a share of the interval from 0 to 1 (0.05 is 5 %)";
            options.safety_margin = numbers::float("safety_margin_pct", must, margin)?;
        }
        if let Some(share) = limits_share_percentage {
            let must = "a percentage over 0 and up to 100";
            options.limits_share_percentage = numbers::float("limits_share_percentage", must, share)?;
        }
        if let Some(hold) = hold {
            options.hold = read_hold(hold)?;
        }
        let clock = clock.map(|clock| {
            let must = "a sluicegate.testing.ManualClock or None";
            clock.cast::<PyManualClock>().map_err(|_| numbers::wrong_type("clock", must, clock))
        });
        let table = table::read(rate_limits)?;
        let throttler = match clock.transpose()? {
            Some(manual) => manual.get().clock.throttler(&table, options)?,
            None => Throttler::new(&table, options)?,
        };
        self.begin(throttler, options)
    }

    /// A context for one request, to enter with `async with` or `with`.
    #[pyo3(signature = (limit_id, units=None, timeout=None))]
    fn execute_task(
        &self,
        limit_id: &Bound<'_, PyAny>,
        units: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Task> {
        let route = self.route(limit_id)?;
        let units = self.units(&route.get().route, units)?;
        let timeout = numbers::timeout(timeout)?.map(nanos);
        Ok(Task::new(route.unbind(), units, timeout))
    }

    /// Charges at once if there is room; nothing to exit.
    #[pyo3(signature = (limit_id, units=None))]
    fn try_acquire(&self, limit_id: &Bound<'_, PyAny>, units: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let handle = self.route(limit_id)?;
        let route = &handle.get().route;
        Ok(self.throttler()?.try_acquire(route.id(), self.units(route, units)?)?)
    }

    /// Seconds until a request could pass; 0.0 if now.
    #[pyo3(signature = (limit_id, units=None))]
    fn wait_time(&self, limit_id: &Bound<'_, PyAny>, units: Option<&Bound<'_, PyAny>>) -> PyResult<f64> {
        let handle = self.route(limit_id)?;
        let route = &handle.get().route;
        Ok(seconds(self.throttler()?.wait_time(route.id(), self.units(route, units)?)?))
    }

    /// The usage of one limit, or of all, by id.
    #[pyo3(signature = (limit_id=None))]
    fn usage<'py>(
        &self,
        py: Python<'py>,
        limit_id: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(limit_id) = limit_id {
            let usage = self.throttler()?.usage(self.route(limit_id)?.get().route.id())?;
            return Ok(Bound::new(py, PyUsage::from(usage))?.into_any());
        }
        let usages = PyDict::new(py);
        for usage in self.throttler()?.usages() {
            let id = usage.id.clone();
            usages.set_item(id, PyUsage::from(usage))?;
        }
        Ok(usages.into_any())
    }

    /// Replaces the table, whole or not at all.
    fn set_rate_limits(&self, py: Python<'_>, rate_limits: &Bound<'_, PyAny>) -> PyResult<()> {
        self.throttler()?.set_rate_limits(&table::read(rate_limits)?)?;
        self.routes.bind(py).clear();
        Ok(())
    }

    /// Adds limits; ids that the table has already are left as they are.
    fn add_rate_limits(&self, py: Python<'_>, rate_limits: &Bound<'_, PyAny>) -> PyResult<()> {
        self.throttler()?.add_rate_limits(&table::read(rate_limits)?)?;
        self.routes.bind(py).clear();
        Ok(())
    }

    /// The table in force.
    #[getter]
    fn rate_limits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        table::write(py, &self.throttler()?.rate_limits())
    }

    #[getter]
    fn safety_margin_pct(&self) -> PyResult<f64> {
        Ok(self.inner()?.options.safety_margin)
    }

    #[getter]
    fn limits_share_percentage(&self) -> PyResult<f64> {
        Ok(self.inner()?.options.limits_share_percentage)
    }

    #[getter]
    fn hold(&self) -> PyResult<&'static str> {
        Ok(match self.inner()?.options.hold {
            Hold::Response => "response",
            Hold::Start => "start",
        })
    }

    fn __repr__(&self) -> PyResult<String> {
        let count = self.throttler()?.rate_limits().len();
        Ok(format!("<Throttler with {count} rate limits, hold={:?}>", self.hold()?))
    }
}
