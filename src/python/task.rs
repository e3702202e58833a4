//! The context of one request: `async with` and `with`.

use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::clock::Nanos;
use crate::gate::Route;
use crate::wait::Charge;

use super::asyncio::{self, ready};
use super::threads;
use super::throttler::PyThrottler;

/// What a request asks for.
pub struct Request {
    pub route: Arc<Route>,
    pub units: u64,
    pub timeout: Option<Nanos>,
}

#[derive(Debug)]
enum Phase {
    Outside,
    Waiting,
    Inside(Charge),
}

/// The context of one request. It may be entered again once it was left.
#[pyclass(module = "sluicegate", frozen, freelist = 256)]
pub struct Task {
    throttler: Py<PyThrottler>,
    request: Request,
    phase: Mutex<Phase>,
}

impl Task {
    pub fn new(throttler: Py<PyThrottler>, request: Request) -> Self {
        Self { throttler, request, phase: Mutex::new(Phase::Outside) }
    }

    pub fn throttler(&self) -> &PyThrottler {
        self.throttler.get()
    }

    pub fn request(&self) -> &Request {
        &self.request
    }

    fn start(&self, phase: Phase) -> PyResult<()> {
        let mut current = self.phase.lock();
        if !matches!(*current, Phase::Outside) {
            return Err(PyRuntimeError::new_err(format!(
                "this task of {:?} was entered already: call execute_task() once for each request",
                self.request.route.id()
            )));
        }
        *current = phase;
        Ok(())
    }

    /// Its wait is over.
    pub(crate) fn enter(&self, charge: Charge) {
        *self.phase.lock() = Phase::Inside(charge);
    }

    /// Its wait came to nothing.
    pub fn give_up(&self) {
        let mut phase = self.phase.lock();
        if matches!(*phase, Phase::Waiting) {
            *phase = Phase::Outside;
        }
    }

    fn leave(&self) -> PyResult<()> {
        let phase = std::mem::replace(&mut *self.phase.lock(), Phase::Outside);
        match phase {
            Phase::Inside(charge) => self.throttler().throttler.leave(charge),
            other => {
                *self.phase.lock() = other;
                return Err(PyRuntimeError::new_err(format!(
                    "this task of {:?} was not entered",
                    self.request.route.id()
                )));
            }
        }
        Ok(())
    }
}

#[pymethods]
impl Task {
    fn __aenter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let (py, task) = (slf.py(), slf.get());
        task.start(Phase::Waiting)?;
        let Request { route, units, .. } = &task.request;
        match task.throttler().throttler.enter_at_once(route, *units) {
            Ok(Some(charge)) => {
                task.enter(charge);
                ready(py)
            }
            Ok(None) => asyncio::wait(slf).inspect_err(|_| task.give_up()),
            Err(error) => {
                task.give_up();
                Err(error.into())
            }
        }
    }

    fn __aexit__<'py>(
        &self,
        py: Python<'py>,
        _exc_type: &Bound<'py, PyAny>,
        _exc: &Bound<'py, PyAny>,
        _traceback: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.leave()?;
        ready(py)
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        self.start(Phase::Waiting)?;
        match threads::enter(py, &self.throttler().throttler, &self.request) {
            Ok(charge) => {
                self.enter(charge);
                Ok(())
            }
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }

    fn __exit__(
        &self,
        _exc_type: &Bound<'_, PyAny>,
        _exc: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.leave()
    }

    fn __repr__(&self) -> String {
        let phase = match *self.phase.lock() {
            Phase::Outside => "not entered",
            Phase::Waiting => "waiting",
            Phase::Inside(_) => "entered",
        };
        format!("<Task of {:?}, {phase}>", self.request.route.id())
    }
}

impl Drop for Task {
    /// A block that was dropped without being left gives its units to the window.
    fn drop(&mut self) {
        if let Phase::Inside(charge) = std::mem::replace(self.phase.get_mut(), Phase::Outside) {
            self.throttler.get().throttler.leave(charge);
        }
    }
}
