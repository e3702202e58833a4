//! How an event loop waits: a future for each waiter, and one timer for all of them.
//!
//! The loop keeps those futures, and so whoever waits for them. Here, loops and futures are held weakly: who waits in a
//! loop that is abandoned can be collected with it, and gives its place back.

use std::cell::Cell;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Wake, Waker};

use parking_lot::Mutex;
use pyo3::exceptions::{PyAttributeError, PyRuntimeError, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCFunction, PyIterator, PySet, PyWeakrefMethods, PyWeakrefReference};

use crate::clock::{Clock, Nanos};
use crate::wait::{
    Admission, Call, Claim, EventLoop, HeldUnits, LoopTimer, Nested, Throttler, Ticket, Turn, WakeGroup,
};

use super::ready::{ready, thrown};
use super::task::Task;
use super::throttler::RouteHandle;
use super::{innermost, seconds, undisturbed};

/// The event loop that runs in this thread.
pub fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static RUNNING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    RUNNING.import(py, "asyncio", "get_running_loop")?.call0()
}

/// Whether `event_loop` is the one that runs in this thread.
fn runs_here(event_loop: &Bound<'_, PyAny>) -> bool {
    running_loop(event_loop.py()).is_ok_and(|running| running.is(event_loop))
}

/// Awaits the turn of a task whose request could not enter at once.
pub(crate) fn wait<'py>(task: &Bound<'py, Task>, mut charge: HeldUnits) -> PyResult<Bound<'py, PyAny>> {
    let py = task.py();
    let RouteHandle { throttler, loops, .. } = task.get().handle();
    let event_loop = running_loop(py)?;
    let timer = loops.timer(&event_loop, throttler)?;
    let (future, reference) = new_future(&event_loop)?;
    let bell = Arc::new(Bell { future: Mutex::new(reference), timer: timer.clone(), turn: OnceLock::new() });
    let waker = Waker::from(bell.clone());
    match throttler.enter(&mut charge, task.get().timeout(), || Turn::new(WakeGroup::Loop(timer), waker))? {
        Admission::Entered => {
            task.get().enter(py, charge)?;
            ready(py)
        }
        Admission::Waiting(ticket) => {
            // Nobody else sets it.
            let _ = bell.turn.set(Arc::downgrade(ticket.turn()));
            let nested = Nested::new(innermost::enclosing(py)?, throttler, ticket.turn());
            let steps = Mutex::new(Steps::new(&event_loop, future)?);
            let waiting = Mutex::new(Some(Waiting { ticket, task: task.clone().unbind(), bell, nested }));
            Ok(Bound::new(py, Wait { waiting, steps })?.into_any())
        }
    }
}

/// A future of a loop, and a weak reference to it.
fn new_future<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Py<PyWeakrefReference>)> {
    let future = event_loop.call_method0(pyo3::intern!(event_loop.py(), "create_future"))?;
    let reference = PyWeakrefReference::new(&future)?.unbind();
    Ok((future, reference))
}

/// The futures that a loop keeps: those of all that wait in it. asyncio itself holds its tasks weakly, and who waits for
/// nothing but us is held by nobody else. The set is an attribute of the loop, so that the loop's end is theirs.
fn kept_by<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PySet>> {
    let py = event_loop.py();
    let name = pyo3::intern!(py, "_sluicegate_waiting");
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
            static KEPT: PyOnceLock<Py<PySet>> = PyOnceLock::new();
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
        let steps =
            future.call_method0(pyo3::intern!(event_loop.py(), "__await__"))?.cast_into::<PyIterator>()?;
        let kept = kept_by(event_loop)?;
        kept.add(&future)?;
        Ok(Self { future: future.unbind(), kept: kept.unbind(), steps: steps.unbind() })
    }
}

/// The awaitable of a task that waits. Whoever cancels it drops it, and with it the place in the queue.
#[pyclass(module = "sluicegate", frozen)]
struct Wait {
    /// `None` once the wait is over: the task is not kept any longer than that.
    waiting: Mutex<Option<Waiting>>,
    steps: Mutex<Steps>,
}

struct Waiting {
    ticket: Ticket,
    task: Py<Task>,
    bell: Arc<Bell>,
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
            let Some(Waiting { ticket, task, bell, nested }) = self.end(py) else {
                return Err(PyRuntimeError::new_err("this wait is over: it cannot be awaited again"));
            };
            match ticket.claim() {
                Claim::Over(Ok(charge)) => {
                    if let Some(nested) = nested {
                        nested.pass();
                    }
                    task.get().enter(py, charge)?;
                    return Ok(None);
                }
                Claim::Over(Err(error)) => {
                    task.get().give_up();
                    return Err(error.into());
                }
                Claim::Waiting => {
                    task.get().give_up();
                    let theirs = "somebody else has set the result of sluicegate's future";
                    return Err(PyRuntimeError::new_err(theirs));
                }
                // The loop was away for so long that its grant went to others: wait again, at the old place.
                Claim::Lapsed => {
                    let waiting = Waiting { ticket, task, bell, nested };
                    if let Err(error) = self.wait_again(py, &waiting) {
                        waiting.task.get().give_up();
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
        if let Some(Waiting { task, .. }) = self.waiting.try_lock().as_deref().and_then(Option::as_ref) {
            visit.call(task)?;
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
        if let Some(Waiting { ticket, task, nested, .. }) = self.end(py) {
            drop((ticket, nested));
            task.get().give_up();
        }
    }

    /// Returns to the queue with a new future.
    fn wait_again(&self, py: Python<'_>, waiting: &Waiting) -> PyResult<()> {
        let event_loop = running_loop(py)?;
        let (future, reference) = new_future(&event_loop)?;
        let steps = Steps::new(&event_loop, future)?;
        // The future first: the next grant resolves it.
        let _old = std::mem::replace(&mut *waiting.bell.future.lock(), reference);
        let _old = std::mem::replace(&mut *self.steps.lock(), steps);
        waiting.ticket.rejoin();
        Ok(())
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.waiting.get_mut().is_some() {
            // Without the interpreter, which is shutting down, nobody else waits.
            Python::try_attach(|py| self.give_up(py));
        }
    }
}

/// Wakes one waiter of an event loop, from any thread.
struct Bell {
    future: Mutex<Py<PyWeakrefReference>>,
    timer: Arc<PyLoopTimer>,
    turn: OnceLock<Weak<Turn>>,
}

impl Bell {
    fn ring(&self, py: Python<'_>) -> PyResult<()> {
        let future = self.future.lock().clone_ref(py);
        let Some(future) = future.bind(py).upgrade() else { return Ok(()) };
        let Some(event_loop) = self.timer.event_loop().get(py) else { return self.give_up() };
        if runs_here(&event_loop) {
            return resolve(&future);
        }
        static RESOLVE: PyOnceLock<Py<PyCFunction>> = PyOnceLock::new();
        let resolve =
            RESOLVE.get_or_try_init(py, || wrap_pyfunction!(resolve, py).map(Bound::unbind))?.bind(py);
        match event_loop.call_method1(pyo3::intern!(py, "call_soon_threadsafe"), (resolve, &future)) {
            Err(error) if error.is_instance_of::<PyRuntimeError>(py) && is_closed(&event_loop)? => {
                self.give_up()
            }
            told => told.map(drop),
        }
    }

    /// The loop is gone, and its waiter will never run: others shall not wait for it.
    fn give_up(&self) -> PyResult<()> {
        let turn = self.turn.get().and_then(Weak::upgrade);
        if let (Some(throttler), Some(turn)) = (self.timer.throttler().upgrade(), turn) {
            throttler.cancel(&turn);
        }
        Ok(())
    }
}

fn is_closed(event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
    event_loop.call_method0(pyo3::intern!(event_loop.py(), "is_closed"))?.is_truthy()
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        undisturbed(|py| self.ring(py));
    }
}

/// Ends the wait for a future, unless it was cancelled meanwhile.
#[pyfunction]
fn resolve(future: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = future.py();
    if !future.call_method0(pyo3::intern!(py, "done"))?.is_truthy()? {
        future.call_method1(pyo3::intern!(py, "set_result"), (py.None(),))?;
    }
    Ok(())
}

/// The timers of all event loops in which requests wait.
#[derive(Default)]
pub struct Loops(Mutex<Vec<(usize, Weak<PyLoopTimer>)>>);

impl Loops {
    /// Where those wait who wait in a loop; `None` where nobody does.
    pub(crate) fn group_of(&self, event_loop: &Bound<'_, PyAny>) -> Option<WakeGroup> {
        self.known(event_loop).map(|timer| WakeGroup::Loop(timer))
    }

    fn known(&self, event_loop: &Bound<'_, PyAny>) -> Option<Arc<PyLoopTimer>> {
        let id = event_loop.as_ptr().addr();
        let known = {
            let loops = self.0.lock();
            loops.iter().find(|(other, _)| *other == id).and_then(|(_, timer)| timer.upgrade())
        };
        // An address may be used again, by another loop.
        known
            .filter(|timer| timer.event_loop().get(event_loop.py()).is_some_and(|other| other.is(event_loop)))
    }

    /// The timer of a loop: one for all that wait in it.
    fn timer(&self, event_loop: &Bound<'_, PyAny>, throttler: &Throttler) -> PyResult<Arc<PyLoopTimer>> {
        if let Some(timer) = self.known(event_loop) {
            return Ok(timer);
        }
        let id = event_loop.as_ptr().addr();
        let reference = PyWeakrefReference::new(event_loop)?.unbind();
        let timer = LoopTimer::new(PyLoop(reference), throttler);
        let mut loops = self.0.lock();
        loops.retain(|(other, timer)| *other != id && timer.strong_count() > 0);
        loops.push((id, Arc::downgrade(&timer)));
        Ok(timer)
    }
}

type PyLoopTimer = LoopTimer<PyLoop>;

/// An event loop, held weakly.
#[derive(Debug)]
struct PyLoop(Py<PyWeakrefReference>);

impl PyLoop {
    /// The loop, unless it was collected.
    fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.0.bind(py).upgrade()
    }

    /// Has the loop call something soon, from wherever we are. A closed loop has nobody left to wake.
    fn call_soon<'py>(&self, py: Python<'py>, call: impl IntoPyObject<'py>) -> PyResult<()> {
        let Some(event_loop) = self.get(py) else { return Ok(()) };
        match event_loop.call_method1(pyo3::intern!(py, "call_soon_threadsafe"), (call,)) {
            Err(error) if error.is_instance_of::<PyRuntimeError>(py) && is_closed(&event_loop)? => Ok(()),
            told => told.map(drop),
        }
    }
}

impl EventLoop for PyLoop {
    /// Held weakly: it holds its loop, and the loop its waiters. `None` where that cannot be: such a timer goes off.
    type Handle = Option<Py<PyWeakrefReference>>;
    type Error = PyErr;

    const RUNS_ALL: bool = true;

    fn runs_here(&self) -> bool {
        Python::attach(|py| self.get(py).is_some_and(|event_loop| runs_here(&event_loop)))
    }

    fn call_at(&self, clock: &Clock, at: Nanos, call: Call<Self>) -> PyResult<Option<Self::Handle>> {
        Python::attach(|py| {
            let Some(event_loop) = self.get(py) else { return Ok(None) };
            let delay = seconds(at.saturating_sub(clock.now()));
            let call = (delay, LoopCall(call));
            let handle = event_loop.call_method1(pyo3::intern!(py, "call_later"), call)?;
            Ok(Some(PyWeakrefReference::new(&handle).ok().map(Bound::unbind)))
        })
    }

    fn call_soon(&self, call: Call<Self>) -> PyResult<()> {
        Python::attach(|py| self.call_soon(py, LoopCall(call)))
    }

    fn cancel(&self, handle: &Self::Handle) -> PyResult<()> {
        Python::attach(|py| {
            let handle = handle.as_ref().and_then(|handle| handle.bind(py).upgrade());
            let Some(handle) = handle else { return Ok(()) };
            let cancel = handle.getattr(pyo3::intern!(py, "cancel"))?;
            if self.runs_here() { cancel.call0().map(drop) } else { self.call_soon(py, cancel) }
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
        Python::attach(|py| super::report(py, error));
    }
}

/// What the loop calls.
#[pyclass(module = "sluicegate", frozen)]
struct LoopCall(Call<PyLoop>);

#[pymethods]
impl LoopCall {
    fn __call__(&self) -> PyResult<()> {
        self.0.call()
    }
}
