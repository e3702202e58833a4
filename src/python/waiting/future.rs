//! How a request waits in an event loop: the awaitable around a future of that loop.
//!
//! The loop keeps those futures, and so whatever waits for them. Here, loops and futures are held weakly: a waiter in a
//! loop that is abandoned can be collected with it, and gives its place back.

use std::sync::Arc;
use std::task::Waker;

use parking_lot::Mutex;
use pyo3::exceptions::{PyAttributeError, PyRuntimeError, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PySet, PyWeakrefReference};

use crate::clock::Nanos;
use crate::python::once::{Once, intern};
use crate::wait::{Admission, Claim, HeldUnits, Nested, Throttler, Turn, WaitHandle, WakeGroup};

use super::event_loop::running_loop;
use super::future_waker::FutureWaker;
use super::innermost;
use super::loops::Loops;
use super::ready::{ready, thrown};

/// What waits in an event loop: the context of one request.
pub trait LoopWaiter: Send + Sync {
    /// The request has entered, and holds this.
    fn enter(&self, py: Python<'_>, held: HeldUnits) -> PyResult<()>;

    /// The wait came to nothing.
    fn give_up(&self);

    /// The objects that it holds, for the garbage collector.
    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError>;
}

/// Awaits the turn of a request that could not enter at once.
///
/// If this fails, the waiter has not been given up yet.
pub(crate) fn wait<'py>(
    py: Python<'py>,
    throttler: &Throttler,
    loops: &Loops,
    mut held: HeldUnits,
    timeout: Option<Nanos>,
    waiter: impl LoopWaiter + 'static,
) -> PyResult<Bound<'py, PyAny>> {
    let event_loop = running_loop(py)?;
    let timer = loops.timer(&event_loop, throttler)?;
    let (future, reference) = new_future(&event_loop)?;
    let future_waker = FutureWaker::new(reference, timer.clone());
    let waker = Waker::from(future_waker.clone());
    match throttler.enter(&mut held, timeout, || Turn::new(WakeGroup::Loop(timer), waker))? {
        Admission::Entered => {
            waiter.enter(py, held)?;
            ready(py)
        }
        Admission::Waiting(ticket) => {
            future_waker.set_turn(ticket.turn());
            let nested = Nested::new(innermost::enclosing(py)?, throttler, ticket.turn());
            let steps = Mutex::new(Steps::new(&event_loop, future)?);
            let waiter = Box::new(waiter);
            let waiting = Mutex::new(Some(Waiting { ticket, waiter, waker: future_waker, nested }));
            Ok(Bound::new(py, Wait { waiting, steps })?.into_any())
        }
    }
}

/// A future of a loop, and a weak reference to it.
fn new_future<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Py<PyWeakrefReference>)> {
    let future = event_loop.call_method0(intern!(event_loop.py(), "create_future"))?;
    let reference = PyWeakrefReference::new(&future)?.unbind();
    Ok((future, reference))
}

/// The futures that a loop keeps: those of all that wait in it. asyncio itself holds its tasks weakly, and a task that
/// waits for nothing but us is held by nothing else. The set is an attribute of the loop, so that the loop's end is theirs.
fn kept_by<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PySet>> {
    let py = event_loop.py();
    let name = intern!(py, "_sluicegate_waiting");
    if let Some(kept) = event_loop.getattr_opt(name)?
        && let Ok(kept) = kept.cast_into::<PySet>()
    {
        return Ok(kept);
    }
    let kept = PySet::empty(py)?;
    match event_loop.setattr(name, &kept) {
        Ok(()) => Ok(kept),
        // A loop that takes no attributes: its waiters are kept until their waits end.
        Err(error) if error.is_instance_of::<PyAttributeError>(py) => {
            static KEPT: Once<Py<PySet>> = Once::new();
            Ok(KEPT.get_or_try_init(py, || PySet::empty(py).map(Bound::unbind))?.bind(py).clone())
        }
        Err(error) => Err(error),
    }
}

/// The way through one future, which its loop keeps meanwhile.
struct Steps {
    future: Py<PyAny>,
    kept: Py<PySet>,
    steps: Py<PyIterator>,
}

impl Steps {
    fn new(event_loop: &Bound<'_, PyAny>, future: Bound<'_, PyAny>) -> PyResult<Self> {
        let steps = future.call_method0(intern!(event_loop.py(), "__await__"))?.cast_into::<PyIterator>()?;
        let kept = kept_by(event_loop)?;
        kept.add(&future)?;
        Ok(Self { future: future.unbind(), kept: kept.unbind(), steps: steps.unbind() })
    }
}

/// The awaitable of a request that waits. To cancel it drops it, and with it the place in the queue.
#[pyclass(module = "sluicegate", frozen)]
struct Wait {
    /// `None` once the wait is over: the waiter is not kept any longer than that.
    waiting: Mutex<Option<Waiting>>,
    steps: Mutex<Steps>,
}

struct Waiting {
    ticket: WaitHandle,
    waiter: Box<dyn LoopWaiter>,
    waker: Arc<FutureWaker>,
    /// Where it is within the blocks of others.
    nested: Option<Arc<Nested>>,
}

#[pymethods]
impl Wait {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// `yield from`, as asyncio's own wrappers await it.
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        loop {
            let steps = self.steps.lock().steps.clone_ref(py);
            match steps.into_bound(py).next() {
                Some(Ok(step)) => return Ok(Some(step)),
                Some(Err(error)) => {
                    self.give_up(py);
                    return Err(error);
                }
                None => {}
            }
            let Some(Waiting { ticket, waiter, waker, nested }) = self.end(py) else {
                return Err(PyRuntimeError::new_err("this wait is over: it cannot be awaited again"));
            };
            match ticket.claim() {
                Claim::Over(Ok(held)) => {
                    if let Some(nested) = nested {
                        nested.pass();
                    }
                    waiter.enter(py, held)?;
                    return Ok(None);
                }
                Claim::Over(Err(error)) => {
                    waiter.give_up();
                    return Err(error.into());
                }
                Claim::Waiting => {
                    waiter.give_up();
                    let theirs = "somebody else has set the result of sluicegate's future";
                    return Err(PyRuntimeError::new_err(theirs));
                }
                // The loop was away for so long that its grant went to others: wait again, at the old place.
                Claim::Lapsed => {
                    let waiting = Waiting { ticket, waiter, waker, nested };
                    if let Err(error) = self.wait_again(py, &waiting) {
                        waiting.waiter.give_up();
                        return Err(error);
                    }
                    *self.waiting.lock() = Some(waiting);
                }
            }
        }
    }

    /// As a generator's: `value` is always `None` from an event loop.
    fn send<'py>(&self, py: Python<'py>, _value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.__next__(py)?.ok_or_else(|| PyStopIteration::new_err(()))
    }

    /// As a generator's: how an event loop cancels. The place is given back before the exception goes on, however long
    /// its traceback keeps this object.
    #[pyo3(signature = (exception, value=None, _traceback=None))]
    fn throw<'py>(
        &self,
        exception: Bound<'py, PyAny>,
        value: Option<Bound<'py, PyAny>>,
        _traceback: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.give_up(exception.py());
        Err(thrown(exception, value)?)
    }

    /// As a generator's.
    fn close(&self, py: Python<'_>) {
        self.give_up(py);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(Waiting { waiter, .. }) = self.waiting.try_lock().as_deref().and_then(Option::as_ref) {
            waiter.traverse(&visit)?;
        }
        if let Some(steps) = self.steps.try_lock() {
            visit.call(&steps.future)?;
            visit.call(&steps.kept)?;
            visit.call(&steps.steps)?;
        }
        Ok(())
    }
}

impl Wait {
    fn end(&self, py: Python<'_>) -> Option<Waiting> {
        let waiting = self.waiting.lock().take();
        if waiting.is_some() {
            let (future, kept) = {
                let steps = self.steps.lock();
                (steps.future.clone_ref(py), steps.kept.clone_ref(py))
            };
            // It is no error to be gone already: its loop may be, too.
            let _ = kept.bind(py).discard(future);
        }
        waiting
    }

    /// Leaves the queue, or gives back what was granted.
    fn give_up(&self, py: Python<'_>) {
        if let Some(Waiting { ticket, waiter, nested, .. }) = self.end(py) {
            drop((ticket, nested));
            waiter.give_up();
        }
    }

    /// Returns to the queue with a new future.
    fn wait_again(&self, py: Python<'_>, waiting: &Waiting) -> PyResult<()> {
        let event_loop = running_loop(py)?;
        let (future, reference) = new_future(&event_loop)?;
        let steps = Steps::new(&event_loop, future)?;
        // The future first: the next grant resolves it.
        let _old = waiting.waker.replace_future(reference);
        let _old = std::mem::replace(&mut *self.steps.lock(), steps);
        waiting.ticket.rejoin();
        Ok(())
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.waiting.get_mut().is_some() {
            // Without the interpreter, which is shutting down, nothing else waits.
            Python::try_attach(|py| self.give_up(py));
        }
    }
}
