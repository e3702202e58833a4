//! `Throttler` for Python.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::clock::nanos;
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
#[pyclass(name = "Throttler", module = "sluicegate", frozen, subclass, weakref)]
pub struct PyThrottler {
    throttler: Throttler,
    loops: Arc<Loops>,
    options: Options,
    /// id → `RouteHandle`: a cache in front of the table, with the hash that Python keeps in each `str`.
    routes: Py<PyDict>,
}

fn read_hold(hold: &Bound<'_, PyAny>) -> PyResult<Hold> {
    match hold.extract::<String>().as_deref() {
        Ok("response") => Ok(Hold::Response),
        Ok("start") => Ok(Hold::Start),
        _ => Err(numbers::wrong_value("hold", "'response' or 'start'", hold)),
    }
}

impl PyThrottler {
    fn route<'py>(&self, limit_id: &Bound<'py, PyAny>) -> PyResult<Bound<'py, RouteHandle>> {
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
            PyTypeError::new_err(format!("limit_id must be a str, not {}", table::repr(limit_id)))
        })?;
        self.handle(id)
    }

    fn handle<'py>(&self, id: &Bound<'py, PyString>) -> PyResult<Bound<'py, RouteHandle>> {
        let route = self.throttler.route(&id.to_cow()?)?;
        let (throttler, loops) = (self.throttler.clone(), self.loops.clone());
        Bound::new(id.py(), RouteHandle { route, throttler, loops })
    }

    /// How many times a route's weights a request takes.
    fn units(&self, route: &Route, units: Option<&Bound<'_, PyAny>>) -> PyResult<u64> {
        let Some(units) = units else { return Ok(1) };
        let units = numbers::units("units", 1, units)?;
        self.throttler.check_units(route, units)?;
        Ok(units)
    }
}

#[pymethods]
impl PyThrottler {
    #[new]
    #[pyo3(signature = (rate_limits, *, safety_margin_pct=None, limits_share_percentage=None, hold=None, clock=None))]
    fn new(
        py: Python<'_>,
        rate_limits: &Bound<'_, PyAny>,
        safety_margin_pct: Option<&Bound<'_, PyAny>>,
        limits_share_percentage: Option<&Bound<'_, PyAny>>,
        hold: Option<&Bound<'_, PyAny>>,
        clock: Option<&PyManualClock>,
    ) -> PyResult<Self> {
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
        let table = table::read(rate_limits)?;
        let throttler = match clock {
            Some(manual) => manual.clock.throttler(&table, options)?,
            None => Throttler::new(&table, options)?,
        };
        fork::register(&throttler);
        Ok(Self { throttler, loops: Arc::default(), options, routes: PyDict::new(py).unbind() })
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
        Ok(self.throttler.try_acquire(route.id(), self.units(route, units)?)?)
    }

    /// Seconds until a request could pass; 0.0 if now.
    #[pyo3(signature = (limit_id, units=None))]
    fn wait_time(&self, limit_id: &Bound<'_, PyAny>, units: Option<&Bound<'_, PyAny>>) -> PyResult<f64> {
        let handle = self.route(limit_id)?;
        let route = &handle.get().route;
        Ok(seconds(self.throttler.wait_time(route.id(), self.units(route, units)?)?))
    }

    /// The usage of one limit, or of all, by id.
    #[pyo3(signature = (limit_id=None))]
    fn usage<'py>(
        &self,
        py: Python<'py>,
        limit_id: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(limit_id) = limit_id {
            let usage = self.throttler.usage(self.route(limit_id)?.get().route.id())?;
            return Ok(Bound::new(py, PyUsage::from(usage))?.into_any());
        }
        let usages = PyDict::new(py);
        for usage in self.throttler.usages() {
            let id = usage.id.clone();
            usages.set_item(id, PyUsage::from(usage))?;
        }
        Ok(usages.into_any())
    }

    /// Replaces the table, whole or not at all.
    fn set_rate_limits(&self, py: Python<'_>, rate_limits: &Bound<'_, PyAny>) -> PyResult<()> {
        self.throttler.set_rate_limits(&table::read(rate_limits)?)?;
        self.routes.bind(py).clear();
        Ok(())
    }

    /// Adds limits; ids that the table has already are left as they are.
    fn add_rate_limits(&self, py: Python<'_>, rate_limits: &Bound<'_, PyAny>) -> PyResult<()> {
        self.throttler.add_rate_limits(&table::read(rate_limits)?)?;
        self.routes.bind(py).clear();
        Ok(())
    }

    /// The table in force.
    #[getter]
    fn rate_limits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        table::write(py, &self.throttler.rate_limits())
    }

    #[getter]
    fn safety_margin_pct(&self) -> f64 {
        self.options.safety_margin
    }

    #[getter]
    fn limits_share_percentage(&self) -> f64 {
        self.options.limits_share_percentage
    }

    #[getter]
    fn hold(&self) -> &'static str {
        match self.options.hold {
            Hold::Response => "response",
            Hold::Start => "start",
        }
    }

    fn __repr__(&self) -> String {
        let count = self.throttler.rate_limits().len();
        format!("<Throttler with {count} rate limits, hold={:?}>", self.hold())
    }
}
