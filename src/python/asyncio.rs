//! How an event loop waits: a future for each waiter, and one timer for all of them.
//!
//! Loops and futures are held weakly here: who waits in a loop that is abandoned can be collected, and gives its place
//! back.

use std::sync::{Arc, OnceLock, Weak};
use std::task::{Wake, Waker};

use parking_lot::Mutex;
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyCFunction, PyDict, PyIterator, PyWeakrefMethods, PyWeakrefReference};

use crate::clock::Nanos;
use crate::wait::{Alarm, Charge, Entry, Looker, Station, Throttler, Ticket, Turn, WeakThrottler};

use super::seconds;
use super::task::Task;
use super::throttler::RouteHandle;
use super::undisturbed;

/// An awaitable that is over before it begins: a finished future that belongs to no loop, one for all.
///
/// Awaiting it is the interpreter's own code from end to end: 27 ns, where an awaitable of ours took 34 ns, twice in
/// each pass.
pub fn ready(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static READY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let finished = || {
        // All that a finished future ever asks its loop is whether it is in debug mode.
        let no_loop = PyDict::new(py);
        no_loop.set_item("get_debug", py.get_type::<PyBool>())?;
        let no_loop = py.import("types")?.getattr("SimpleNamespace")?.call((), Some(&no_loop))?;
        let kwargs = PyDict::new(py);
        kwargs.set_item("loop", no_loop)?;
        let future = py.import("asyncio")?.getattr("Future")?.call((), Some(&kwargs))?;
        future.call_method1("set_result", (py.None(),))?;
        Ok::<_, PyErr>(future.unbind())
    };
    Ok(READY.get_or_try_init(py, finished)?.bind(py).clone())
}

/// The event loop that runs in this thread.
fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static RUNNING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    RUNNING.import(py, "asyncio", "get_running_loop")?.call0()
}

/// Whether `event_loop` is the one that runs in this thread.
fn runs_here(event_loop: &Bound<'_, PyAny>) -> bool {
    running_loop(event_loop.py()).is_ok_and(|running| running.is(event_loop))
}

/// Awaits the turn of a task whose request could not enter at once.
pub(crate) fn wait<'py>(task: &Bound<'py, Task>, mut charge: Charge) -> PyResult<Bound<'py, PyAny>> {
    let py = task.py();
    let RouteHandle { throttler, loops, .. } = task.get().handle();
    let event_loop = running_loop(py)?;
    let alarm = loops.alarm(&event_loop, throttler)?;
    let future = event_loop.call_method0(pyo3::intern!(py, "create_future"))?;
    let bell = Arc::new(Bell {
        future: PyWeakrefReference::new(&future)?.unbind(),
        alarm: alarm.clone(),
        turn: OnceLock::new(),
    });
    let waker = Waker::from(bell.clone());
    let new_turn = || Turn::new(Station::Loop(alarm), waker);
    match throttler.enter(&mut charge, task.get().timeout(), new_turn)? {
        Entry::Entered => {
            task.get().enter(charge);
            ready(py)
        }
        Entry::Waiting(ticket) => {
            // Nobody else sets it.
            let _ = bell.turn.set(Arc::downgrade(ticket.turn()));
            let steps = future.call_method0(pyo3::intern!(py, "__await__"))?.cast_into::<PyIterator>()?;
            let wait =
                Wait { ticket: Mutex::new(Some(ticket)), task: task.clone().unbind(), steps: steps.unbind() };
            Ok(Bound::new(py, wait)?.into_any())
        }
    }
}

/// The awaitable of a task that waits. Whoever cancels it drops it, and with it the place in the queue.
#[pyclass(module = "sluicegate", frozen)]
struct Wait {
    /// `None` once the wait is over.
    ticket: Mutex<Option<Ticket>>,
    task: Py<Task>,
    steps: Py<PyIterator>,
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
        if let Some(step) = self.steps.bind(py).clone().next() {
            return step.map(Some);
        }
        let Some(ticket) = self.ticket.lock().take() else {
            return Err(PyRuntimeError::new_err("this wait is over: it cannot be awaited again"));
        };
        let outcome = ticket.take();
        if let Some(Ok(charge)) = outcome {
            self.task.get().enter(charge);
            return Ok(None);
        }
        self.task.get().give_up();
        let theirs = || PyRuntimeError::new_err("somebody else has set the result of sluicegate's future");
        Err(outcome.and_then(Result::err).map_or_else(theirs, PyErr::from))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.task)?;
        visit.call(&self.steps)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.get_mut().take() {
            drop(ticket);
            self.task.get().give_up();
        }
    }
}

/// Wakes one waiter of an event loop, from any thread.
struct Bell {
    future: Py<PyWeakrefReference>,
    alarm: Arc<LoopAlarm>,
    turn: OnceLock<Weak<Turn>>,
}

impl Bell {
    fn ring(&self, py: Python<'_>) -> PyResult<()> {
        let Some(future) = self.future.bind(py).upgrade() else { return Ok(()) };
        let Some(event_loop) = self.alarm.event_loop.bind(py).upgrade() else { return Ok(()) };
        if runs_here(&event_loop) {
            return resolve(&future);
        }
        static RESOLVE: PyOnceLock<Py<PyCFunction>> = PyOnceLock::new();
        let resolve =
            RESOLVE.get_or_try_init(py, || wrap_pyfunction!(resolve, py).map(Bound::unbind))?.bind(py);
        let told = event_loop.call_method1(pyo3::intern!(py, "call_soon_threadsafe"), (resolve, &future));
        if let Err(error) = told {
            // The loop is closed: its waiter will never run, so others shall not wait for it.
            if let (Some(throttler), Some(turn)) =
                (self.alarm.throttler.upgrade(), self.turn.get().and_then(Weak::upgrade))
            {
                throttler.cancel(&turn);
            }
            if !error.is_instance_of::<PyRuntimeError>(py) {
                return Err(error);
            }
        }
        Ok(())
    }
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
pub struct Loops(Mutex<Vec<(usize, Weak<LoopAlarm>)>>);

impl Loops {
    /// The timer of a loop: one for all that wait in it.
    fn alarm(&self, event_loop: &Bound<'_, PyAny>, throttler: &Throttler) -> PyResult<Arc<LoopAlarm>> {
        let id = event_loop.as_ptr().addr();
        let known = {
            let loops = self.0.lock();
            loops.iter().find(|(other, _)| *other == id).and_then(|(_, alarm)| alarm.upgrade())
        };
        // An address may be used again, by another loop.
        if let Some(alarm) = known
            && alarm.event_loop.bind(event_loop.py()).upgrade().is_some_and(|other| other.is(event_loop))
        {
            return Ok(alarm);
        }
        let reference = PyWeakrefReference::new(event_loop)?.unbind();
        let alarm = Arc::new_cyclic(|me| LoopAlarm {
            me: me.clone(),
            event_loop: reference,
            throttler: throttler.downgrade(),
            timer: Mutex::new(None),
        });
        let mut loops = self.0.lock();
        loops.retain(|(other, alarm)| *other != id && alarm.strong_count() > 0);
        loops.push((id, Arc::downgrade(&alarm)));
        Ok(alarm)
    }
}

#[derive(Debug)]
struct Timer {
    at: Nanos,
    handle: Py<PyAny>,
}

/// The one timer of an event loop, set to when its waiters must look at the gate.
#[derive(Debug)]
struct LoopAlarm {
    me: Weak<LoopAlarm>,
    event_loop: Py<PyWeakrefReference>,
    throttler: WeakThrottler,
    timer: Mutex<Option<Timer>>,
}

/// uvloop's timers tick in milliseconds and may go off early; what is left then is waited for in whole ticks.
const TICK: Nanos = 1_000_000;

impl LoopAlarm {
    /// Sets the timer, from within the loop.
    fn arm(&self, py: Python<'_>, at: Nanos, at_least: Nanos) -> PyResult<()> {
        let (Some(throttler), Some(event_loop), Some(me)) =
            (self.throttler.upgrade(), self.event_loop.bind(py).upgrade(), self.me.upgrade())
        else {
            return Ok(());
        };
        if self.timer.lock().as_ref().is_some_and(|timer| timer.at <= at) {
            return Ok(());
        }
        let delay = at.saturating_sub(throttler.now()).max(at_least);
        let call = LoopCall { alarm: me, arm_at: None };
        let handle = event_loop.call_method1(pyo3::intern!(py, "call_later"), (seconds(delay), call))?;
        let old = self.timer.lock().replace(Timer { at, handle: handle.unbind() });
        cancel(py, old)
    }

    /// The timer has gone off.
    fn ring(&self, py: Python<'_>) -> PyResult<()> {
        let timer = self.timer.lock().take();
        let (Some(throttler), Some(me)) = (self.throttler.upgrade(), self.me.upgrade()) else {
            return Ok(());
        };
        let early = timer.is_some_and(|timer| throttler.now() < timer.at);
        match throttler.poll(Looker::Loop(&Station::Loop(me))) {
            Some(at) => self.arm(py, at, if early { TICK } else { 0 }),
            None => Ok(()),
        }
    }
}

fn cancel(py: Python<'_>, timer: Option<Timer>) -> PyResult<()> {
    timer.map_or(Ok(()), |timer| timer.handle.call_method0(py, pyo3::intern!(py, "cancel")).map(drop))
}

impl Alarm for LoopAlarm {
    fn ring_at(&self, at: Nanos) {
        // A manual clock has no timers: whoever moves it looks.
        let Some(throttler) = self.throttler.upgrade().filter(|throttler| !throttler.clock().is_manual())
        else {
            return;
        };
        drop(throttler);
        undisturbed(|py| {
            let (Some(event_loop), Some(me)) = (self.event_loop.bind(py).upgrade(), self.me.upgrade()) else {
                return Ok(());
            };
            if runs_here(&event_loop) {
                return self.arm(py, at, 0);
            }
            let call = LoopCall { alarm: me, arm_at: Some(at) };
            match event_loop.call_method1(pyo3::intern!(py, "call_soon_threadsafe"), (call,)) {
                // A closed loop has nobody left to wake.
                Err(error) if error.is_instance_of::<PyRuntimeError>(py) => Ok(()),
                told => told.map(drop),
            }
        });
    }

    fn silence(&self) {
        undisturbed(|py| {
            let here = self.event_loop.bind(py).upgrade().is_some_and(|event_loop| runs_here(&event_loop));
            // Elsewhere it cannot be cancelled safely; it goes off once more, and finds nobody waiting.
            let timer = if here { self.timer.lock().take() } else { None };
            cancel(py, timer)
        });
    }
}

/// What the loop calls: to ring, or to set the timer on behalf of another thread.
#[pyclass(module = "sluicegate", frozen)]
struct LoopCall {
    alarm: Arc<LoopAlarm>,
    arm_at: Option<Nanos>,
}

#[pymethods]
impl LoopCall {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        match self.arm_at {
            Some(at) => self.alarm.arm(py, at, 0),
            None => self.alarm.ring(py),
        }
    }
}
