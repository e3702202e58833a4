//! Waking a waiter of an event loop, from any thread: its future gets a result.

use std::sync::{Arc, OnceLock, Weak};
use std::task::Wake;

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyWeakrefMethods, PyWeakrefReference};

use crate::python::once::{Once, intern};
use crate::wait::Turn;

use super::event_loop::{PyLoopTimer, is_at_work};
use super::undisturbed::undisturbed;

/// Wakes one waiter of an event loop. Its future is held weakly: the loop keeps it.
pub(super) struct FutureWaker {
    future: Mutex<Py<PyWeakrefReference>>,
    timer: Arc<PyLoopTimer>,
    turn: OnceLock<Weak<Turn>>,
}

impl FutureWaker {
    pub(super) fn new(future: Py<PyWeakrefReference>, timer: Arc<PyLoopTimer>) -> Arc<Self> {
        Arc::new(Self { future: Mutex::new(future), timer, turn: OnceLock::new() })
    }

    /// What is given up if the loop is gone. It is set once.
    pub(super) fn set_turn(&self, turn: &Arc<Turn>) {
        let _ = self.turn.set(Arc::downgrade(turn));
    }

    /// From now on, another future is woken. The former one comes back, to be dropped without a lock.
    pub(super) fn replace_future(&self, future: Py<PyWeakrefReference>) -> Py<PyWeakrefReference> {
        std::mem::replace(&mut *self.future.lock(), future)
    }

    fn resolve(&self, py: Python<'_>) -> PyResult<()> {
        let future = self.future.lock().clone_ref(py);
        let Some(future) = future.bind(py).upgrade() else { return Ok(()) };
        let event_loop = self.timer.event_loop();
        if let Some(event_loop) = event_loop.get(py)
            && is_at_work(&event_loop)?
        {
            return resolve(&future);
        }
        static RESOLVE: Once<Py<PyCFunction>> = Once::new();
        let resolve =
            RESOLVE.get_or_try_init(py, || wrap_pyfunction!(resolve, py).map(Bound::unbind))?.bind(py);
        if !event_loop.call_soon(py, (resolve, &future))? {
            self.give_up();
        }
        Ok(())
    }

    /// The loop is gone, and its waiter will never run: others shall not wait for it.
    fn give_up(&self) {
        let turn = self.turn.get().and_then(Weak::upgrade);
        if let (Some(throttler), Some(turn)) = (self.timer.throttler().upgrade(), turn) {
            throttler.cancel(&turn);
        }
    }
}

impl Wake for FutureWaker {
    fn wake(self: Arc<Self>) {
        undisturbed(|py| self.resolve(py));
    }
}

/// Ends the wait for a future, unless it was cancelled meanwhile.
#[pyfunction]
fn resolve(future: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = future.py();
    if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
        future.call_method1(intern!(py, "set_result"), (py.None(),))?;
    }
    Ok(())
}
