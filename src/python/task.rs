//! The context of one request: `async with` and `with`.

use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::clock::Nanos;
use crate::wait::Charge;

use super::asyncio::{self, ready};
use super::threads;
use super::throttler::PyThrottler;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Outside,
    Waiting,
    Inside,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    /// What the request takes; while it is inside, what it has taken.
    charge: Charge,
}

/// The context of one request. It may be entered again once it was left.
#[pyclass(module = "sluicegate", frozen)]
pub struct Task {
    throttler: Py<PyThrottler>,
    timeout: Option<Nanos>,
    inner: Mutex<Inner>,
}

impl Task {
    pub(crate) fn new(throttler: Py<PyThrottler>, charge: Charge, timeout: Option<Nanos>) -> Self {
        Self { throttler, timeout, inner: Mutex::new(Inner { phase: Phase::Outside, charge }) }
    }

    pub fn throttler(&self) -> &PyThrottler {
        self.throttler.get()
    }

    pub fn timeout(&self) -> Option<Nanos> {
        self.timeout
    }

    /// Enters if it can be done at once; otherwise the task is waiting, and what it is about to take comes back.
    #[inline]
    fn start(&self) -> PyResult<Option<Charge>> {
        let mut inner = self.inner.lock();
        if inner.phase != Phase::Outside {
            let id = inner.charge.route.id().to_owned();
            drop(inner);
            return Err(PyRuntimeError::new_err(format!(
                "this task of {id:?} was entered already: call execute_task() once for each request"
            )));
        }
        if self.throttler().throttler.enter_at_once(&mut inner.charge)? {
            inner.phase = Phase::Inside;
            return Ok(None);
        }
        inner.phase = Phase::Waiting;
        Ok(Some(Charge::new(inner.charge.route.clone(), inner.charge.units)))
    }

    /// Its wait is over.
    pub(crate) fn enter(&self, charge: Charge) {
        *self.inner.lock() = Inner { phase: Phase::Inside, charge };
    }

    /// Its wait came to nothing.
    pub fn give_up(&self) {
        let mut inner = self.inner.lock();
        if inner.phase == Phase::Waiting {
            inner.phase = Phase::Outside;
        }
    }

    #[inline]
    fn leave(&self) -> PyResult<()> {
        let effects = {
            let mut inner = self.inner.lock();
            if inner.phase != Phase::Inside {
                let id = inner.charge.route.id().to_owned();
                drop(inner);
                return Err(PyRuntimeError::new_err(format!("this task of {id:?} was not entered")));
            }
            inner.phase = Phase::Outside;
            self.throttler().throttler.settle(&inner.charge)
        };
        effects.carry_out();
        Ok(())
    }
}

#[pymethods]
impl Task {
    fn __aenter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        match slf.get().start()? {
            None => ready(slf.py()),
            Some(charge) => asyncio::wait(slf, charge).inspect_err(|_| slf.get().give_up()),
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
        let Some(charge) = self.start()? else { return Ok(()) };
        let entered = threads::enter(py, &self.throttler().throttler, charge, self.timeout);
        self.enter(entered.inspect_err(|_| self.give_up())?);
        Ok(())
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
        let inner = self.inner.lock();
        let phase = match inner.phase {
            Phase::Outside => "not entered",
            Phase::Waiting => "waiting",
            Phase::Inside => "entered",
        };
        format!("<Task of {:?}, {phase}>", inner.charge.route.id())
    }
}

impl Drop for Task {
    /// A block that was dropped without being left gives its units to the window.
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        if inner.phase == Phase::Inside {
            self.throttler.get().throttler.leave(&inner.charge);
        }
    }
}
