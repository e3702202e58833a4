//! How an event loop waits: a future for each waiter, and one timer for all of them.
//!
//! Loops and futures are held weakly here: who waits in a loop that is abandoned can be collected, and gives its place
//! back.

use std::cell::Cell;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Wake, Waker};

use parking_lot::Mutex;
use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCFunction, PyIterator, PyWeakrefMethods, PyWeakrefReference};

use crate::clock::Nanos;
use crate::wait::{Alarm, Charge, Entry, Looker, Nested, Station, Throttler, Ticket, Turn, WeakThrottler};

use super::task::Task;
use super::throttler::RouteHandle;
use super::{innermost, seconds, undisturbed};

/// An awaitable that is over before it begins: see `sluicegate/_ready.py`.
pub fn ready(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static READY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    Ok(READY.import(py, "sluicegate._ready", "READY")?.clone())
}

/// Whether an event loop runs in this thread.
pub fn is_in_loop(py: Python<'_>) -> bool {
    running_loop(py).is_ok()
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
            task.get().enter(py, charge)?;
            ready(py)
        }
        Entry::Waiting(ticket) => {
            // Nobody else sets it.
            let _ = bell.turn.set(Arc::downgrade(ticket.turn()));
            let nested = Nested::new(innermost::enclosing(py)?, throttler, ticket.turn());
            let steps = future.call_method0(pyo3::intern!(py, "__await__"))?.cast_into::<PyIterator>()?;
            let waiting = Mutex::new(Some(Waiting { ticket, task: task.clone().unbind(), nested }));
            let wait = Wait { waiting, steps: steps.unbind() };
            Ok(Bound::new(py, wait)?.into_any())
        }
    }
}

/// The awaitable of a task that waits. Whoever cancels it drops it, and with it the place in the queue.
#[pyclass(module = "sluicegate", frozen)]
struct Wait {
    /// `None` once the wait is over: the task is not kept any longer than that.
    waiting: Mutex<Option<Waiting>>,
    steps: Py<PyIterator>,
}

struct Waiting {
    ticket: Ticket,
    task: Py<Task>,
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
        match self.steps.bind(py).clone().next() {
            Some(Ok(step)) => return Ok(Some(step)),
            Some(Err(error)) => {
                self.give_up();
                return Err(error);
            }
            None => {}
        }
        let Some(Waiting { ticket, task, nested }) = self.end() else {
            return Err(PyRuntimeError::new_err("this wait is over: it cannot be awaited again"));
        };
        let outcome = ticket.take();
        if let Some(Ok(charge)) = outcome {
            if let Some(nested) = nested {
                nested.pass();
            }
            task.get().enter(py, charge)?;
            return Ok(None);
        }
        task.get().give_up();
        let theirs = || PyRuntimeError::new_err("somebody else has set the result of sluicegate's future");
        Err(outcome.and_then(Result::err).map_or_else(theirs, PyErr::from))
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
        self.give_up();
        // Before Python 3.12 the three parts of an exception come apart.
        match value.filter(|value| !value.is_none()) {
            Some(value) if value.is_instance_of::<PyBaseException>() => Err(PyErr::from_value(value)),
            Some(value) => Err(PyErr::from_value(exception.call1((value,))?)),
            None => Err(PyErr::from_value(exception)),
        }
    }

    /// As a generator's.
    fn close(&self) {
        self.give_up();
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(Waiting { task, .. }) = self.waiting.try_lock().as_deref().and_then(Option::as_ref) {
            visit.call(task)?;
        }
        visit.call(&self.steps)
    }
}

impl Wait {
    fn end(&self) -> Option<Waiting> {
        self.waiting.lock().take()
    }

    /// Leaves the queue, or gives back what was granted.
    fn give_up(&self) {
        if let Some(Waiting { ticket, task, nested }) = self.end() {
            drop((ticket, nested));
            task.get().give_up();
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.give_up();
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
        let Some(event_loop) = self.alarm.event_loop.bind(py).upgrade() else { return self.give_up() };
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
        if let (Some(throttler), Some(turn)) = (self.alarm.throttler.upgrade(), turn) {
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
        let (Some(throttler), Some(event_loop)) =
            (self.throttler.upgrade(), self.event_loop.bind(py).upgrade())
        else {
            return Ok(());
        };
        if self.rings_by(at) {
            return Ok(());
        }
        let delay = at.saturating_sub(throttler.now()).max(at_least);
        let call = LoopCall { alarm: self.me.clone(), arm_at: None };
        let handle = event_loop.call_method1(pyo3::intern!(py, "call_later"), (seconds(delay), call))?;
        let new = Timer { at, handle: handle.unbind() };
        // Python code has run since we looked: perhaps some that set the timer, too.
        let late = {
            let mut timer = self.timer.lock();
            if timer.as_ref().is_some_and(|timer| timer.at <= at) { Some(new) } else { timer.replace(new) }
        };
        cancel(py, late)
    }

    fn rings_by(&self, at: Nanos) -> bool {
        self.timer.lock().as_ref().is_some_and(|timer| timer.at <= at)
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
        let set = Cell::new(false);
        undisturbed(|py| {
            let Some(event_loop) = self.event_loop.bind(py).upgrade() else {
                set.set(true);
                return Ok(());
            };
            if runs_here(&event_loop) {
                self.arm(py, at, 0)?;
            } else {
                let call = LoopCall { alarm: self.me.clone(), arm_at: Some(at) };
                match event_loop.call_method1(pyo3::intern!(py, "call_soon_threadsafe"), (call,)) {
                    // A closed loop has nobody left to wake.
                    Err(error) if error.is_instance_of::<PyRuntimeError>(py) && is_closed(&event_loop)? => {}
                    told => drop(told?),
                }
            }
            set.set(true);
            Ok(())
        });
        if !set.get()
            && let Some(me) = self.me.upgrade()
        {
            throttler.unset(&Station::Loop(me));
        }
    }

    fn silence(&self) {
        let timer = self.timer.lock().take();
        undisturbed(|py| {
            let (Some(event_loop), Some(Timer { handle, .. })) = (self.event_loop.bind(py).upgrade(), &timer)
            else {
                return Ok(());
            };
            let cancel = handle.getattr(py, pyo3::intern!(py, "cancel"))?;
            if runs_here(&event_loop) {
                return cancel.call0(py).map(drop);
            }
            match event_loop.call_method1(pyo3::intern!(py, "call_soon_threadsafe"), (cancel,)) {
                Err(error) if error.is_instance_of::<PyRuntimeError>(py) && is_closed(&event_loop)? => Ok(()),
                told => told.map(drop),
            }
        });
        // Somebody may have joined the queue since, in that loop, and that was its timer.
        if let (Some(throttler), Some(me)) = (self.throttler.upgrade(), self.me.upgrade())
            && let Some(at) = throttler.rings_at(&Station::Loop(me))
        {
            self.ring_at(at);
        }
    }
}

/// What the loop calls: to ring, or to set the timer on behalf of another thread. Without effect once nobody waits in
/// that loop any more.
#[pyclass(module = "sluicegate", frozen)]
struct LoopCall {
    alarm: Weak<LoopAlarm>,
    arm_at: Option<Nanos>,
}

#[pymethods]
impl LoopCall {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        match (self.alarm.upgrade(), self.arm_at) {
            (Some(alarm), Some(at)) => alarm.arm(py, at, 0),
            (Some(alarm), None) => alarm.ring(py),
            (None, _) => Ok(()),
        }
    }
}
