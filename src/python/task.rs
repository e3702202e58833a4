//! The context of one request: `async with` and `with`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::clock::Nanos;
use crate::gate::Route;
use crate::wait::Charge;

use super::asyncio;
use super::ready::ready;
use super::threads;
use super::throttler::RouteHandle;

/// Where a task stands. Only [`Task::turn`] changes it from one to another.
mod phase {
    pub const OUTSIDE: u8 = 0;
    /// In between, or in the queue.
    pub const WAITING: u8 = 1;
    /// Inside, on the route that was looked up.
    pub const INSIDE: u8 = 2;
    /// Inside, after a wait: what it has taken is in `waited`.
    pub const WAITED: u8 = 3;
}

/// The context of one request. `Throttler.execute_task` makes it; do not make it yourself.
///
/// While the block runs, the units of the request are *in flight*. When the block ends, in any
/// way, they stay used for one interval. A task can be entered again after it was left. If a task
/// is dropped while its block runs, its units stay used for one interval, too.
///
/// To enter raises:
///     RateLimitTimeout: The request could not leave within its timeout. Nothing was charged.
///     UnknownLimitError: The table was replaced during the wait, and no longer has the id.
///     ValueError: The table was replaced during the wait, and the request could never pass now.
///     RuntimeError: The task was entered already, or ``async with`` was used outside of an
///         asyncio event loop.
#[pyclass(module = "sluicegate", frozen, subclass)]
pub struct Task {
    handle: Py<RouteHandle>,
    units: u64,
    timeout: Option<Nanos>,
    phase: AtomicU8,
    epoch: AtomicU32,
    waited: Mutex<Option<Box<Charge>>>,
}

impl Task {
    pub fn new(handle: Py<RouteHandle>, units: u64, timeout: Option<Nanos>) -> Self {
        Self {
            handle,
            units,
            timeout,
            phase: AtomicU8::new(phase::OUTSIDE),
            epoch: AtomicU32::new(0),
            waited: Mutex::new(None),
        }
    }

    pub fn handle(&self) -> &RouteHandle {
        self.handle.get()
    }

    pub fn timeout(&self) -> Option<Nanos> {
        self.timeout
    }

    pub(crate) fn route(&self) -> &Arc<Route> {
        &self.handle().route
    }

    /// Claims the way from one phase to another, against any other thread; or says where the task stands.
    #[inline]
    fn turn(&self, from: u8, to: u8) -> Result<(), u8> {
        self.phase.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed).map(drop)
    }

    /// Enters if it can be done at once; otherwise the task is waiting, and what it is about to take comes back.
    #[inline]
    pub(crate) fn start(&self) -> PyResult<Option<Charge>> {
        if self.turn(phase::OUTSIDE, phase::WAITING).is_err() {
            return Err(PyRuntimeError::new_err(format!(
                "this task of {:?} was entered already: call execute_task() once for each request",
                self.route().id()
            )));
        }
        match self.handle().throttler.enter_at_once(self.route(), self.units) {
            Some(epoch) => {
                self.epoch.store(epoch, Ordering::Relaxed);
                self.phase.store(phase::INSIDE, Ordering::Release);
                Ok(None)
            }
            None => Ok(Some(Charge::new(self.route().clone(), self.units))),
        }
    }

    /// Its wait is over.
    pub(crate) fn enter(&self, charge: Charge) {
        *self.waited.lock() = Some(Box::new(charge));
        self.phase.store(phase::WAITED, Ordering::Release);
    }

    /// Its wait came to nothing.
    pub fn give_up(&self) {
        // A task that is not waiting has entered.
        let _ = self.turn(phase::WAITING, phase::OUTSIDE);
    }

    /// Whether its block runs.
    pub(crate) fn is_inside(&self) -> bool {
        self.phase.load(Ordering::Relaxed) >= phase::INSIDE
    }

    #[inline]
    pub(crate) fn leave(&self) -> PyResult<()> {
        let inside = match self.turn(phase::INSIDE, phase::WAITING) {
            Ok(()) => {
                let epoch = self.epoch.load(Ordering::Relaxed);
                self.handle().throttler.leave(self.route(), self.units, epoch);
                true
            }
            Err(phase::WAITED) => self.leave_after_wait(),
            Err(_) => false,
        };
        if !inside {
            return Err(PyRuntimeError::new_err(format!(
                "this task of {:?} was not entered",
                self.route().id()
            )));
        }
        self.phase.store(phase::OUTSIDE, Ordering::Release);
        Ok(())
    }

    #[cold]
    fn leave_after_wait(&self) -> bool {
        let inside = self.turn(phase::WAITED, phase::WAITING).is_ok();
        let charge = self.waited.lock().take().filter(|_| inside);
        if let Some(charge) = charge {
            self.handle().throttler.leave(&charge.route, charge.units, charge.epoch);
        }
        inside
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
        let entered = threads::enter(py, &self.handle().throttler, charge, self.timeout);
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

    /// What `await throttler.execute_task(…)` was meant to be.
    fn __await__(&self) -> PyResult<()> {
        let id = self.route().id();
        Err(PyTypeError::new_err(format!(
            "execute_task({id:?}) is a context and cannot be awaited: write `async with \
             throttler.execute_task({id:?}):` and send the request in the block"
        )))
    }

    /// What `@throttler.execute_task(…)` was meant to be.
    #[pyo3(signature = (*_args, **_kwargs))]
    fn __call__(&self, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let id = self.route().id();
        Err(PyTypeError::new_err(format!(
            "execute_task({id:?}) is a context and not a decorator: write `with \
             throttler.execute_task({id:?}):`, or `async with`, inside the function"
        )))
    }

    fn __repr__(&self) -> String {
        let phase = match self.phase.load(Ordering::Relaxed) {
            phase::OUTSIDE => "not entered",
            phase::WAITING => "waiting",
            _ => "entered",
        };
        format!("<Task of {:?}, {phase}>", self.route().id())
    }
}

impl Drop for Task {
    /// A block that was dropped without being left gives its units to the window.
    fn drop(&mut self) {
        if *self.phase.get_mut() >= phase::INSIDE {
            // It is inside: there is no error to lose.
            let _ = self.leave();
        }
    }
}
