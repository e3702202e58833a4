//! The context of one request: `async with` and `with`.

use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyRuntimeWarning, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::clock::Nanos;
use crate::gate::{Rank, Route};
use crate::python::waiting::future::{self, LoopWaiter};
use crate::python::waiting::ready::ready;
use crate::python::waiting::{innermost, threads};
use crate::wait::{Block, Entered, Epoch, HeldUnits};

use super::routes::RouteHandle;
use crate::python::numbers;

/// Where a task stands. Only [`Task::turn`] changes it from one to another.
mod phase {
    /// Not entered yet.
    pub const NEW: u8 = 0;
    /// Left, or given up.
    pub const OUTSIDE: u8 = 1;
    /// In between, or in the queue.
    pub const WAITING: u8 = 2;
    /// Inside, on the route that was looked up.
    pub const INSIDE: u8 = 3;
    /// Inside, as `block` says: it has waited, or others may have to wait for its answer.
    pub const KNOWN: u8 = 4;
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
///     ClosedError: The throttler shares its limits, and was closed.
///     RuntimeError: The task was entered already; or ``async with`` was used outside of an
///         asyncio event loop; or ``with`` was used in the thread of an event loop whose own
///         blocks hold what it waits for.
///
/// To drop a task that was never entered warns:
///     RuntimeWarning: It limited nothing.
#[pyclass(module = "sluicegate", frozen, subclass)]
pub struct Task {
    handle: Py<RouteHandle>,
    units: u64,
    /// [`Nanos::MAX`] where there is none: a task is made for each request, and a small one costs less.
    timeout: Nanos,
    /// The class of the request, if it is not that of its id.
    rank: Option<Rank>,
    phase: AtomicU8,
    epoch: AtomicU32,
    block: Mutex<Option<Arc<Block>>>,
}

impl Task {
    #[inline]
    pub(crate) fn new(
        handle: Py<RouteHandle>,
        units: u64,
        timeout: Option<Nanos>,
        rank: Option<Rank>,
    ) -> Self {
        Self {
            handle,
            units,
            timeout: timeout.unwrap_or(Nanos::MAX),
            rank,
            phase: AtomicU8::new(phase::NEW),
            epoch: AtomicU32::new(0),
            block: Mutex::new(None),
        }
    }

    fn timeout(&self) -> Option<Nanos> {
        (self.timeout != Nanos::MAX).then_some(self.timeout)
    }

    fn handle(&self) -> &RouteHandle {
        self.handle.get()
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
    pub(crate) fn start(&self, py: Python<'_>) -> PyResult<Option<HeldUnits>> {
        if self.turn(phase::NEW, phase::WAITING).is_err()
            && self.turn(phase::OUTSIDE, phase::WAITING).is_err()
        {
            return Err(PyRuntimeError::new_err(format!(
                "this task of {:?} was entered already: call execute_task() once for each request",
                self.route().id()
            )));
        }
        match self.handle().throttler.enter_block(self.route(), self.units) {
            Some(Entered { epoch, is_tight }) if is_tight => {
                self.enter(py, HeldUnits { epoch, is_tight, ..self.held() })?;
                Ok(None)
            }
            Some(Entered { epoch, .. }) => {
                self.epoch.store(epoch.0, Ordering::Relaxed);
                self.phase.store(phase::INSIDE, Ordering::Release);
                Ok(None)
            }
            None => Ok(Some(self.held())),
        }
    }

    fn held(&self) -> HeldUnits {
        HeldUnits::new(self.route(), self.units, self.rank)
    }

    /// It has taken this.
    #[cold]
    fn enter(&self, py: Python<'_>, held: HeldUnits) -> PyResult<()> {
        let throttler = self.handle().throttler.clone();
        let block = if held.is_tight {
            innermost::begin(py, throttler, held).inspect_err(|_| self.give_up())?
        } else {
            Block::new(throttler, held, None)
        };
        *self.block.lock() = Some(block);
        self.phase.store(phase::KNOWN, Ordering::Release);
        Ok(())
    }

    /// Returns the awaitable of its turn.
    #[cold]
    pub(crate) fn wait_in_loop<'py>(slf: &Bound<'py, Self>, held: HeldUnits) -> PyResult<Bound<'py, PyAny>> {
        let task = slf.get();
        let RouteHandle { throttler, loops, .. } = task.handle();
        future::wait(slf.py(), throttler, loops, held, task.timeout(), slf.clone().unbind())
    }

    #[cold]
    fn wait_in_thread(&self, py: Python<'_>, held: HeldUnits) -> PyResult<()> {
        let RouteHandle { throttler, loops, .. } = self.handle();
        let entered = threads::enter(py, throttler, loops, held, self.timeout());
        self.enter(py, entered.inspect_err(|_| self.give_up())?)
    }

    /// Its wait came to nothing.
    pub fn give_up(&self) {
        // A task that is not waiting has entered.
        let _ = self.turn(phase::WAITING, phase::OUTSIDE);
    }

    /// No warning that it was never entered: it was made for something else, or an error said so already.
    pub(crate) fn serves_otherwise(&self) {
        let _ = self.turn(phase::NEW, phase::OUTSIDE);
    }

    #[inline]
    pub(crate) fn leave(&self) -> PyResult<()> {
        let inside = match self.turn(phase::INSIDE, phase::WAITING) {
            Ok(()) => {
                let epoch = Epoch(self.epoch.load(Ordering::Relaxed));
                self.handle().throttler.leave(self.route(), self.units, epoch);
                true
            }
            Err(phase::KNOWN) => self.leave_block(),
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
    fn leave_block(&self) -> bool {
        if self.turn(phase::KNOWN, phase::WAITING).is_err() {
            return false;
        }
        let block = self.block.lock().take();
        block.is_some_and(|block| block.leave())
    }

    /// The block that runs; made known only now if nobody needed to know it before. `None` outside of it.
    fn running_block(&self) -> Option<Arc<Block>> {
        // Who leaves meanwhile waits for it.
        let mut block = self.block.lock();
        if self.turn(phase::INSIDE, phase::KNOWN).is_ok() {
            let held = HeldUnits { epoch: Epoch(self.epoch.load(Ordering::Relaxed)), ..self.held() };
            *block = Some(Block::new(self.handle().throttler.clone(), held, None));
        }
        block.clone()
    }

    /// It is dropped without ever having been entered: said where that happens, as for a coroutine never awaited. An
    /// exception that passes by meanwhile comes through.
    #[cold]
    fn warn_that_it_was_never_entered(&self) {
        Python::try_attach(|py| {
            let passing_by = PyErr::take(py);
            if let Err(error) = self.warn(py) {
                error.write_unraisable(py, None);
            }
            if let Some(exception) = passing_by {
                exception.restore(py);
            }
        });
    }

    fn warn(&self, py: Python<'_>) -> PyResult<()> {
        // A program that ends drops everything, `sys` before most.
        let is_finalizing = py.import("sys").and_then(|sys| sys.call_method0("is_finalizing")?.is_truthy());
        if is_finalizing.unwrap_or(true) {
            return Ok(());
        }
        let id = self.route().id();
        let text = format!(
            "execute_task({id:?}) was never entered, so it limited nothing: write `async with \
             throttler.execute_task({id:?}):` (in threads: `with`) around the request"
        );
        let category = py.get_type::<PyRuntimeWarning>();
        PyErr::warn(py, &category, &CString::new(text.replace('\0', "\\0"))?, 1)
    }
}

impl LoopWaiter for Py<Task> {
    fn enter(&self, py: Python<'_>, held: HeldUnits) -> PyResult<()> {
        self.get().enter(py, held)
    }

    fn give_up(&self) {
        self.get().give_up();
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self)
    }
}

#[pymethods]
impl Task {
    fn __aenter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        match slf.get().start(slf.py())? {
            None => ready(slf.py()),
            Some(held) => Self::wait_in_loop(slf, held).inspect_err(|_| slf.get().give_up()),
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
        self.start(py)?.map_or(Ok(()), |held| self.wait_in_thread(py, held))
    }

    fn __exit__(
        &self,
        _exc_type: &Bound<'_, PyAny>,
        _exc: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.leave()
    }

    /// Corrects what this request is counted as, if its cost is known only from its answer.
    ///
    /// Call it in the block, after the answer. Other requests keep what they hold, so no limit is
    /// ever exceeded by it. Units that were not used after all are free at once.
    ///
    /// Args:
    ///     units: How many more were used, which count from now on; or, below 0, how many were not
    ///         used after all. Without ``limit_id``, so many times the request's weights, as the
    ///         ``units`` of `Throttler.execute_task` are: all its limits are corrected.
    ///     limit_id: Corrects this limit alone, by so many units of it. The request must take from
    ///         it.
    ///
    /// Returns:
    ///     How many were counted or, below 0, given back: at most what this request holds. With
    ///     ``hold="start"`` it holds nothing any more, so that nothing is given back: see
    ///     `Throttler.correct`.
    ///
    /// Raises:
    ///     RuntimeError: The block has not begun, or is over.
    ///     UnknownLimitError: No limit of the table has this id.
    ///     ValueError: ``units`` is not a whole number, or the request does not take from this
    ///         limit.
    ///     TypeError: ``limit_id`` is not a ``str``, or ``units`` is not a number.
    ///
    /// Examples:
    ///     >>> task = throttler.execute_task("/depth", units=5)  # a page of up to 100 levels
    ///     >>> with task:
    ///     ...     task.correct(-3)  # 40 levels came
    ///     -3
    #[pyo3(signature = (units, limit_id=None))]
    fn correct(&self, units: &Bound<'_, PyAny>, limit_id: Option<&Bound<'_, PyAny>>) -> PyResult<i64> {
        let units = numbers::signed("units", units)?;
        let limit_id = limit_id.map(|id| {
            let text =
                id.cast::<PyString>().map_err(|_| numbers::wrong_type("limit_id", "a str or None", id));
            Ok::<_, PyErr>(text?.to_cow()?.into_owned())
        });
        let limit_id = limit_id.transpose()?;
        let corrected = self.running_block().and_then(|block| block.correct(units, limit_id.as_deref()));
        let Some(corrected) = corrected else {
            let id = self.route().id();
            return Err(PyRuntimeError::new_err(format!(
                "this task of {id:?} is not in its block: call correct() there, or \
                 throttler.correct({id:?}, {units}) after it"
            )));
        };
        Ok(corrected?)
    }

    /// What `await throttler.execute_task(…)` was meant to be.
    fn __await__(&self) -> PyResult<()> {
        self.serves_otherwise();
        let id = self.route().id();
        Err(PyTypeError::new_err(format!(
            "execute_task({id:?}) is a context and cannot be awaited: write `async with \
             throttler.execute_task({id:?}):` and send the request in the block"
        )))
    }

    /// What `@throttler.execute_task(…)` was meant to be.
    #[pyo3(signature = (*_args, **_kwargs))]
    fn __call__(&self, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        self.serves_otherwise();
        let id = self.route().id();
        Err(PyTypeError::new_err(format!(
            "execute_task({id:?}) is a context and not a decorator: write `with \
             throttler.execute_task({id:?}):`, or `async with`, inside the function"
        )))
    }

    fn __repr__(&self) -> String {
        let phase = match self.phase.load(Ordering::Relaxed) {
            phase::NEW | phase::OUTSIDE => "not entered",
            phase::WAITING => "waiting",
            _ => "entered",
        };
        format!("<Task of {:?}, {phase}>", self.route().id())
    }
}

impl Drop for Task {
    /// A block that was dropped without being left gives its units to the window.
    fn drop(&mut self) {
        match *self.phase.get_mut() {
            phase::NEW => self.warn_that_it_was_never_entered(),
            phase::INSIDE => {
                let epoch = Epoch(*self.epoch.get_mut());
                self.handle().throttler.leave(self.route(), self.units, epoch);
            }
            phase::KNOWN => {
                // Its context may be any: what looks there passes over blocks that have ended.
                if let Some(block) = self.block.get_mut().take() {
                    block.leave();
                }
            }
            _ => {}
        }
    }
}
