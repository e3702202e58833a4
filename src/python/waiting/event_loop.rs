//! asyncio's event loops: which one runs here, and what a timer asks of one.
//!
//! A loop is held weakly, so that a loop that is abandoned can be collected, with all that wait in it.

use std::cell::Cell;

use pyo3::call::PyCallArgs;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use crate::clock::{Clock, Nanos};
use crate::python::asyncio::asyncio;
use crate::python::once::intern;
use crate::python::seconds;
use crate::wait::{Call, EventLoop, LoopTimer};

use super::undisturbed::{report, undisturbed};

/// The event loop that runs in this thread.
pub fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    match asyncio(py)? {
        Some(asyncio) => asyncio.call_method0(intern!(py, "get_running_loop")),
        None => Err(PyRuntimeError::new_err("no running event loop")),
    }
}

/// Whether `event_loop` is the one that runs in this thread.
fn runs_here(event_loop: &Bound<'_, PyAny>) -> bool {
    running_loop(event_loop.py()).is_ok_and(|running| running.is(event_loop))
}

thread_local! {
    /// Whether the loop of this thread runs a call of ours.
    static IN_CALL: Cell<bool> = const { Cell::new(false) };
}

/// Whether `event_loop` is at work in this thread: it does what was put into its queue before it sleeps. In a signal
/// handler it may be asleep instead, and then only a call from another thread's wakes it up.
pub(super) fn is_at_work(event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = event_loop.py();
    let Some(asyncio) = asyncio(py)? else { return Ok(false) };
    if !runs_here(event_loop) {
        return Ok(false);
    }
    Ok(IN_CALL.get() || !asyncio.call_method1(intern!(py, "current_task"), (event_loop,))?.is_none())
}

fn is_closed(event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
    event_loop.call_method0(intern!(event_loop.py(), "is_closed"))?.is_truthy()
}

/// The one timer of an event loop.
pub(super) type PyLoopTimer = LoopTimer<PyLoop>;

/// An event loop, held weakly.
#[derive(Debug)]
pub(super) struct PyLoop(Py<PyWeakrefReference>);

impl PyLoop {
    pub(super) fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(PyWeakrefReference::new(event_loop)?.unbind()))
    }

    /// The loop, unless it was collected.
    pub(super) fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.0.bind(py).upgrade()
    }

    /// Has the loop call something soon, from anywhere. Returns whether it will: a loop that was collected or is closed
    /// runs nothing any more.
    pub(super) fn call_soon<'py>(&self, py: Python<'py>, args: impl PyCallArgs<'py>) -> PyResult<bool> {
        let Some(event_loop) = self.get(py) else { return Ok(false) };
        let at_work = is_at_work(&event_loop)?;
        let call_soon = if at_work { intern!(py, "call_soon") } else { intern!(py, "call_soon_threadsafe") };
        match event_loop.call_method1(call_soon, args) {
            Err(error) if error.is_instance_of::<PyRuntimeError>(py) && is_closed(&event_loop)? => Ok(false),
            called => called.map(|_| true),
        }
    }
}

impl EventLoop for PyLoop {
    /// Held weakly: it holds its loop, and the loop its waiters. `None` where that cannot be: such a timer goes off.
    type Handle = Option<Py<PyWeakrefReference>>;
    type Error = PyErr;

    const RUNS_ALL: bool = true;

    /// A signal handler and the garbage collector run anywhere, also while asyncio changes its heap of timers, which another
    /// timer would then break.
    const SETS_TIMERS_ANYWHERE: bool = false;

    fn call_at(&self, clock: &Clock, at: Nanos, call: Call<Self>) -> PyResult<Option<Self::Handle>> {
        Python::attach(|py| {
            let Some(event_loop) = self.get(py) else { return Ok(None) };
            let delay = seconds(at.saturating_sub(clock.now()));
            let call = (delay, LoopCall(call));
            let handle = event_loop.call_method1(intern!(py, "call_later"), call)?;
            Ok(Some(PyWeakrefReference::new(&handle).ok().map(Bound::unbind)))
        })
    }

    fn call_soon(&self, call: Call<Self>) -> PyResult<()> {
        Python::attach(|py| self.call_soon(py, (LoopCall(call),)).map(drop))
    }

    fn cancel(&self, handle: &Self::Handle) -> PyResult<()> {
        Python::attach(|py| {
            let handle = handle.as_ref().and_then(|handle| handle.bind(py).upgrade());
            let Some(handle) = handle else { return Ok(()) };
            let cancel = handle.getattr(intern!(py, "cancel"))?;
            if self.get(py).is_some_and(|event_loop| runs_here(&event_loop)) {
                cancel.call0().map(drop)
            } else {
                self.call_soon(py, (cancel,)).map(drop)
            }
        })
    }

    fn aside(&self, f: impl FnOnce()) {
        let f = Cell::new(Some(f));
        undisturbed(|_| {
            f.take().into_iter().for_each(|f| f());
            Ok(())
        });
    }

    fn report(&self, error: PyErr) {
        Python::attach(|py| report(py, error));
    }
}

/// What the loop calls.
#[pyclass(module = "sluicegate", frozen)]
struct LoopCall(Call<PyLoop>);

#[pymethods]
impl LoopCall {
    fn __call__(&self) -> PyResult<()> {
        let outer = IN_CALL.replace(true);
        let called = self.0.call();
        IN_CALL.set(outer);
        called
    }
}
